#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/tensor.h"
#include "data/image_check.h"
#include "ops/kernels_train/resize_u8.h"

namespace bantam {
namespace {

void check_sides(const char* what, int h, int w) {
  if (h < 1 || w < 1 || h > kMaxImageSide || w > kMaxImageSide)
    throw Error(std::string(what) + ": " + std::to_string(h) + "x" + std::to_string(w) + " is not a size");
}

void check_inside(const char* what, const Box& box, int h, int w) {
  if (box.h < 1 || box.w < 1 || box.top < 0 || box.left < 0 || box.h > h - box.top || box.w > w - box.left)
    throw Error(std::string("resize: the ") + what + " at (" + std::to_string(box.top) + "," +
                std::to_string(box.left) + ") of " + std::to_string(box.h) + "x" + std::to_string(box.w) +
                " is not inside of " + std::to_string(h) + "x" + std::to_string(w));
}

ResizeTaps taps_of(const Resizer::Filter& f) {
  return {int64_t(f.first.size()), f.most, f.first.data(), f.count.data(), f.weights.data()};
}

void copy_row(const uint8_t* from, int64_t w, int64_t c, bool flip, uint8_t* to) {
  if (!flip) {
    memcpy(to, from, size_t(w * c));
    return;
  }
  for (int64_t x = 0; x < w; ++x)
    for (int64_t k = 0; k < c; ++k) to[x * c + k] = from[(w - 1 - x) * c + k];
}

}  // namespace

void Resizer::Filter::make(int in_size, int out_size, int begin, int n) {
  const double scale = double(in_size) / out_size;
  const double support = std::max(scale, 1.0);  // half the width of the triangle, in input pixels
  most = int(std::ceil(support)) * 2 + 1;
  first.resize(size_t(n));
  count.resize(size_t(n));
  weights.resize(size_t(n) * size_t(most));
  std::vector<double> part(static_cast<size_t>(most));
  for (int i = 0; i < n; ++i) {
    const double center = (begin + i + 0.5) * scale;
    const int low = std::max(0, int(center - support + 0.5));
    const int high = std::min(in_size, int(center + support + 0.5));
    double sum = 0;
    for (int j = 0; j < high - low; ++j) {
      const double distance = std::abs((j + low - center + 0.5) * (1.0 / support));
      part[size_t(j)] = distance < 1.0 ? 1.0 - distance : 0.0;
      sum += part[size_t(j)];
    }
    int32_t* w = weights.data() + ptrdiff_t(i) * most;
    for (int j = 0; j < high - low; ++j) {
      const double v = (sum != 0 ? part[size_t(j)] * (1.0 / sum) : 0.0) * (1 << kResizeWeightBits);
      w[j] = int32_t(v + 0.5);  // no weight of a triangle is negative
    }
    first[size_t(i)] = low;
    count[size_t(i)] = high - low;
  }
}

void Resizer::Filter::mirror() {
  std::reverse(first.begin(), first.end());
  std::reverse(count.begin(), count.end());
  for (size_t i = 0, j = first.size(); i + 1 < j; ++i) {
    --j;
    std::swap_ranges(weights.begin() + ptrdiff_t(i) * most, weights.begin() + ptrdiff_t(i + 1) * most,
                     weights.begin() + ptrdiff_t(j) * most);
  }
}

void Resizer::run(const Image& image, const Box& box, int h, int w, const Box& window, bool flip, uint8_t* out) {
  check_sides("resize", h, w);
  check_inside("box", box, image.h, image.w);
  check_inside("window", window, h, w);
  const int64_t c = image.c, stride = int64_t(image.w) * c, out_row = window.w * c;
  // Rows of the box that the window needs.
  int from = window.top, rows = window.h;
  const bool columns = h != box.h;
  if (columns) {
    y_.make(box.h, h, window.top, window.h);
    from = y_.first.front();
    rows = y_.first.back() + y_.count.back() - from;
    for (int32_t& f : y_.first) f -= from;
  }
  const uint8_t* in = image.pixels.data() + (int64_t(box.top) + from) * stride + box.left * c;
  uint8_t* to = out;
  if (columns) {
    rows_.resize(std::max(rows_.size(), size_t(rows * out_row)));
    to = rows_.data();
  }
  if (w == box.w) {
    if (columns && !flip && window.w == box.w) {  // the columns can be read where they are
      resize_columns_u8(in, stride, out_row, taps_of(y_), out);
      return;
    }
    for (int r = 0; r < rows; ++r) copy_row(in + r * stride + window.left * c, window.w, c, flip, to + r * out_row);
  } else {
    x_.make(box.w, w, window.left, window.w);
    if (flip) x_.mirror();
    resize_rows_u8(in, stride, rows, c, taps_of(x_), to);
  }
  if (columns) resize_columns_u8(to, out_row, out_row, taps_of(y_), out);
}

namespace {

Image windowed(const Image& image, int h, int w, const Box& window) {
  Image out{window.h, window.w, image.c, {}};
  out.pixels.resize(size_t(window.h) * size_t(window.w) * size_t(image.c));
  Resizer().run(image, {0, 0, image.h, image.w}, h, w, window, false, out.pixels.data());
  return out;
}

}  // namespace

Image resize(const Image& image, int h, int w) {
  check_sides("resize", h, w);
  return windowed(image, h, w, {0, 0, h, w});
}

Box resized_shorter(const Image& image, int side) {
  const int64_t shorter = std::min(image.h, image.w), longer = std::max(image.h, image.w);
  const int64_t scaled = int64_t(side) * longer / shorter;
  if (scaled > kMaxImageSide) throw Error("resize: the longer side would be " + std::to_string(scaled));
  return image.h < image.w ? Box{0, 0, side, int(scaled)} : Box{0, 0, int(scaled), side};
}

Image resize_shorter(const Image& image, int side) {
  const Box to = resized_shorter(image, side);
  return resize(image, to.h, to.w);
}

Box center_box(int image_h, int image_w, int h, int w) {
  check_sides("center_crop", h, w);
  if (h > image_h || w > image_w)
    throw Error("center_crop: the image " + std::to_string(image_h) + "x" + std::to_string(image_w) +
                " is smaller than the crop " + std::to_string(h) + "x" + std::to_string(w));
  const auto corner = [](int all, int part) {
    const int half = (all - part) / 2;
    return (all - part) % 2 == 0 ? half : half + half % 2;  // n + 1/2 goes to the even neighbor
  };
  return {corner(image_h, h), corner(image_w, w), h, w};
}

Image center_crop(const Image& image, int h, int w) {
  return windowed(image, image.h, image.w, center_box(image.h, image.w, h, w));
}

void fit(const Image& image, int h, int w, int shorter, Resizer* resizer, uint8_t* out) {
  check_sides("fit", h, w);
  Box to = {0, 0, image.h, image.w};
  if (shorter > 0) {
    to = resized_shorter(image, shorter);
  } else if (image.h != h || image.w != w) {
    // Scale by max(h / H, w / W): the side that sets it is exact, the other is rounded down but never below the crop.
    const bool by_height = int64_t(h) * image.w >= int64_t(w) * image.h;
    const int64_t nh = by_height ? h : int64_t(image.h) * w / image.w;
    const int64_t nw = by_height ? int64_t(image.w) * h / image.h : w;
    if (nh > kMaxImageSide || nw > kMaxImageSide)
      throw Error("fit: the image " + std::to_string(image.h) + "x" + std::to_string(image.w) +
                  " is too long and thin");
    to = {0, 0, int(nh), int(nw)};
  }
  resizer->run(image, {0, 0, image.h, image.w}, to.h, to.w, center_box(to.h, to.w, h, w), false, out);
}

Image fit(const Image& image, int h, int w, int shorter) {
  check_sides("fit", h, w);
  Image out{h, w, image.c, {}};
  out.pixels.resize(size_t(h) * size_t(w) * size_t(image.c));
  Resizer resizer;
  fit(image, h, w, shorter, &resizer, out.pixels.data());
  return out;
}

}  // namespace bantam
