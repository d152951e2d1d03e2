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

// The image as it is: c tables of their own, which the compiler can keep in registers.
template <int kChannels> void normalize_pixels(const uint8_t* image, int64_t pixels, const float* tables, float* out) {
  for (int64_t p = 0; p < pixels; ++p, image += kChannels, out += kChannels)
    for (int k = 0; k < kChannels; ++k) out[k] = tables[256 * k + image[k]];
}

}  // namespace

void transform_image(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, const float* tables,
                     float* out) {
  if (draw.dy == 0 && draw.dx == 0 && !draw.flip && (c == 1 || c == 3))
    return (c == 3 ? normalize_pixels<3> : normalize_pixels<1>)(image, int64_t(h) * w, tables, out);
  for (int y = 0; y < h; ++y) {
    const int sy = y + draw.dy;
    const bool row_inside = sy >= 0 && sy < h;
    const uint8_t* row = image + (row_inside ? int64_t(sy) * w * c : 0);
    for (int x = 0; x < w; ++x, out += c) {
      const int sx = (draw.flip ? w - 1 - x : x) + draw.dx;
      const bool inside = row_inside && sx >= 0 && sx < w;
      const uint8_t* pixel = row + (inside ? int64_t(sx) * c : 0);
      for (int k = 0; k < c; ++k) out[k] = tables[256 * k + (inside ? pixel[k] : 0)];
    }
  }
}

}  // namespace bantam
