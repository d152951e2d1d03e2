#include "data/transforms.h"

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

void transform_image(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, const float* tables,
                     float* out) {
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
