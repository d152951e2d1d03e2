#include "data/transforms.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/rng.h"
#include "core/tensor.h"

namespace bantam {

std::array<float, 256> normalize_table(double mean, double std) {
  if (!std::isfinite(mean)) throw Error("normalize: mean is not finite");
  if (!std::isfinite(std) || !(std > 0)) throw Error("normalize: std is not a positive number");
  std::array<float, 256> table;
  for (int i = 0; i < 256; ++i) table[size_t(i)] = float((i / 255.0 - mean) / std);
  return table;
}

std::vector<float> normalize_tables(int channels, const std::vector<double>& mean, const std::vector<double>& std) {
  const auto check = [&](const char* what, size_t n) {
    if (n != 1 && n != size_t(channels))
      throw Error(std::string("normalize: ") + what + " has " + std::to_string(n) + " values, the images have " +
                  std::to_string(channels) + " channels");
  };
  check("mean", mean.size());
  check("std", std.size());
  std::vector<float> tables;
  tables.reserve(size_t(channels) * 256);
  for (int c = 0; c < channels; ++c) {
    const auto t = normalize_table(mean[mean.size() == 1 ? 0 : size_t(c)], std[std.size() == 1 ? 0 : size_t(c)]);
    tables.insert(tables.end(), t.begin(), t.end());
  }
  return tables;
}

AugmentDraw draw_augment(const Augment& augment, uint64_t seed, uint64_t epoch, uint64_t sample) {
  AugmentDraw draw;
  if (augment.pad == 0 && !augment.flip) return draw;
  const Rng rng(seed, kRngAugment, epoch, sample);
  // Each choice has its own number of the stream: turning one off does not change the others.
  const uint32_t span = 2 * uint32_t(augment.pad) + 1;
  draw.dy = int(rng.below(0, span)) - augment.pad;
  draw.dx = int(rng.below(1, span)) - augment.pad;
  draw.flip = augment.flip && rng.below(2, 2) == 1;
  return draw;
}

Box draw_crop(const ResizedCrop& crop, int h, int w, uint64_t seed, uint64_t epoch, uint64_t sample) {
  const Rng rng(seed, kRngCrop, epoch, sample);
  const double area = double(h) * w, log_low = std::log(crop.ratio_low), log_high = std::log(crop.ratio_high);
  const auto side = [](double v) { return int64_t(std::nearbyint(v)); };  // halves to even, as Python's round
  for (uint64_t k = 0; k < 10; ++k) {  // attempt k has the stream's numbers 8 k to 8 k + 5
    const double target = area * (crop.scale_low + (crop.scale_high - crop.scale_low) * rng.uniform64(4 * k));
    const double aspect = std::exp(log_low + (log_high - log_low) * rng.uniform64(4 * k + 1));
    const int64_t bw = side(std::sqrt(target * aspect)), bh = side(std::sqrt(target / aspect));
    if (bw < 1 || bw > w || bh < 1 || bh > h) continue;
    return {int(rng.below(8 * k + 4, uint32_t(h - bh + 1))), int(rng.below(8 * k + 5, uint32_t(w - bw + 1))), int(bh),
            int(bw)};
  }
  int64_t bh = h, bw = w;
  const double aspect = double(w) / h;
  if (aspect < crop.ratio_low) bh = std::clamp<int64_t>(side(w / crop.ratio_low), 1, h);
  if (aspect > crop.ratio_high) bw = std::clamp<int64_t>(side(h * crop.ratio_high), 1, w);
  return {int((h - bh) / 2), int((w - bw) / 2), int(bh), int(bw)};
}

namespace {

// Element by element value(channel, byte). kChannels 0: any number of them, `channels`.
template <int kChannels, class T, class Value>
void transform_pixels(const uint8_t* image, int h, int w, int channels, const AugmentDraw& draw, Value value, T* out) {
  const int c = kChannels ? kChannels : channels;
  const int step = draw.flip ? -c : c;
  // The columns [first, last) of the result that lie inside of the image.
  const int shift = draw.flip ? -draw.dx : draw.dx;
  const int first = std::clamp(-shift, 0, w), last = std::clamp(w - shift, first, w);
  const auto outside = [&](int from, int to) {
    for (int x = from; x < to; ++x)
      for (int k = 0; k < c; ++k) *out++ = value(k, 0);
  };
  for (int y = 0; y < h; ++y) {
    const int sy = y + draw.dy;
    if (sy < 0 || sy >= h) {
      outside(0, w);
      continue;
    }
    outside(0, first);
    const uint8_t* pixel = image + (int64_t(sy) * w + (draw.flip ? w - 1 - first : first) + draw.dx) * c;
    for (int x = first; x < last; ++x, pixel += step)
      for (int k = 0; k < c; ++k) *out++ = value(k, pixel[k]);
    outside(last, w);
  }
}

template <class T, class Value>
void transform(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, Value value, T* out) {
  (c == 3   ? transform_pixels<3, T, Value>
   : c == 1 ? transform_pixels<1, T, Value>
            : transform_pixels<0, T, Value>)(image, h, w, c, draw, value, out);
}

}  // namespace

void transform_bytes(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, uint8_t* out) {
  transform(image, h, w, c, draw, [](int, uint8_t byte) { return byte; }, out);
}

void transform_image(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, const float* tables,
                     float* out) {
  transform(image, h, w, c, draw, [tables](int k, uint8_t byte) { return tables[256 * k + byte]; }, out);
}

}  // namespace bantam
