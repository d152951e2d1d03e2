#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/tensor.h"
#include "data/image_check.h"

namespace bantam {
namespace {

constexpr int kWeightBits = 22;  // 32 - 8 of a pixel - 2 of headroom

// Output i is the sum over j < count[i] of weights[i * most + j] * input[first[i] + j].
struct Filter {
  int most = 0;
  std::vector<int> first, count;
  std::vector<int32_t> weights;
};

Filter triangle(int in, int out) {
  const double scale = double(in) / out;
  const double support = std::max(scale, 1.0);  // half the width of the triangle, in input pixels
  Filter f;
  f.most = int(std::ceil(support)) * 2 + 1;
  f.weights.assign(size_t(out) * size_t(f.most), 0);
  std::vector<double> w(size_t(f.most));
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(0, int(center - support + 0.5));
    const int end = std::min(in, int(center + support + 0.5));
    const int n = end - begin;
    double sum = 0;
    for (int j = 0; j < n; ++j) {
      const double distance = std::abs((j + begin - center + 0.5) * (1.0 / support));
      w[size_t(j)] = distance < 1.0 ? 1.0 - distance : 0.0;
      sum += w[size_t(j)];
    }
    for (int j = 0; j < n; ++j) {
      const double v = (sum != 0 ? w[size_t(j)] * (1.0 / sum) : 0.0) * (1 << kWeightBits);
      f.weights[size_t(i) * size_t(f.most) + size_t(j)] = int32_t(v + 0.5);  // no weight of a triangle is negative
    }
    f.first.push_back(begin);
    f.count.push_back(n);
  }
  return f;
}

// Filters the middle axis of in [outer, axis, inner] into out [outer, f.first.size(), inner].
void filter_axis(const uint8_t* in, int64_t outer, int64_t axis, int64_t inner, const Filter& f, uint8_t* out) {
  const int64_t n = int64_t(f.first.size());
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t* from = in + (o * axis + f.first[size_t(i)]) * inner;
      const int32_t* w = f.weights.data() + i * f.most;
      uint8_t* to = out + (o * n + i) * inner;
      for (int64_t k = 0; k < inner; ++k) {
        int32_t sum = 1 << (kWeightBits - 1);
        for (int j = 0; j < f.count[size_t(i)]; ++j) sum += from[j * inner + k] * w[j];
        to[k] = uint8_t(std::clamp(sum >> kWeightBits, 0, 255));
      }
    }
}

void check_sides(const char* what, int h, int w) {
  if (h < 1 || w < 1 || h > kMaxImageSide || w > kMaxImageSide)
    throw Error(std::string(what) + ": " + std::to_string(h) + "x" + std::to_string(w) + " is not a size");
}

}  // namespace

Image resize(const Image& image, int h, int w) {
  check_sides("resize", h, w);
  Image out = image;
  if (w != image.w) {
    Image rows{out.h, w, out.c, std::vector<uint8_t>(size_t(out.h) * size_t(w) * size_t(out.c))};
    filter_axis(out.pixels.data(), out.h, out.w, out.c, triangle(out.w, w), rows.pixels.data());
    out = std::move(rows);
  }
  if (h != image.h) {
    Image columns{h, w, out.c, std::vector<uint8_t>(size_t(h) * size_t(w) * size_t(out.c))};
    filter_axis(out.pixels.data(), 1, out.h, int64_t(w) * out.c, triangle(out.h, h), columns.pixels.data());
    out = std::move(columns);
  }
  return out;
}

Image resize_shorter(const Image& image, int side) {
  const int64_t shorter = std::min(image.h, image.w), longer = std::max(image.h, image.w);
  const int64_t scaled = int64_t(side) * longer / shorter;
  if (scaled > kMaxImageSide) throw Error("resize: the longer side would be " + std::to_string(scaled));
  return image.h < image.w ? resize(image, side, int(scaled)) : resize(image, int(scaled), side);
}

Image center_crop(const Image& image, int h, int w) {
  check_sides("center_crop", h, w);
  if (h > image.h || w > image.w)
    throw Error("center_crop: the image " + std::to_string(image.h) + "x" + std::to_string(image.w) +
                " is smaller than the crop " + std::to_string(h) + "x" + std::to_string(w));
  const auto corner = [](int all, int part) {
    const int half = (all - part) / 2;
    return (all - part) % 2 == 0 ? half : half + half % 2;  // n + 1/2 goes to the even neighbor
  };
  const int top = corner(image.h, h), left = corner(image.w, w);
  Image out{h, w, image.c, {}};
  for (int y = 0; y < h; ++y) {
    const auto row = image.pixels.begin() + (ptrdiff_t(top + y) * image.w + left) * image.c;
    out.pixels.insert(out.pixels.end(), row, row + ptrdiff_t(w) * image.c);
  }
  return out;
}

Image fit(const Image& image, int h, int w) {
  check_sides("fit", h, w);
  if (image.h == h && image.w == w) return image;
  // Scale by max(h / H, w / W): the side that sets it is exact, the other is rounded down but never below the crop.
  const bool by_height = int64_t(h) * image.w >= int64_t(w) * image.h;
  const int64_t nh = by_height ? h : int64_t(image.h) * w / image.w;
  const int64_t nw = by_height ? int64_t(image.w) * h / image.h : w;
  if (nh > kMaxImageSide || nw > kMaxImageSide)
    throw Error("fit: the image " + std::to_string(image.h) + "x" + std::to_string(image.w) + " is too long and thin");
  return center_crop(resize(image, int(nh), int(nw)), h, w);
}

}  // namespace bantam
