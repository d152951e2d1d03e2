#include "data/sample.h"

#include <algorithm>
#include <string>

#include "bantam_fault.h"
#include "core/tensor.h"

namespace bantam {

void check_sample_spec(const SampleSpec& spec, const Dataset& data, const char* who) {
  const std::string begin = std::string(who) + ": ";
  const int h = spec.h ? spec.h : data.h, w = spec.w ? spec.w : data.w;
  const Augment& a = spec.augment;
  if (h < 1 || w < 1) throw Error(begin + "the images have sizes of their own: say which size they are brought to");
  if (a.pad < 0 || a.pad > std::min(h, w))
    throw Error(begin + "crop padding " + std::to_string(a.pad) + " is not in 0 .. the image's side");
  if (a.pad > 0 && a.crop.on) throw Error(begin + "crop padding and random resized crops exclude each other");
  if (a.crop.on && !(a.crop.scale_low > 0 && a.crop.scale_low <= a.crop.scale_high && a.crop.scale_high <= 1 &&
                     a.crop.ratio_low > 0 && a.crop.ratio_low <= a.crop.ratio_high && a.crop.ratio_high <= 1e4))
    throw Error(begin + "the scales or ratios of random resized crops are no ranges");
  if (spec.resize != 0 && spec.resize < std::max(h, w))
    throw Error(begin + "images resized to a shorter side of " + std::to_string(spec.resize) + " do not cover " +
                std::to_string(h) + "x" + std::to_string(w));
  if (a.lighting.stddev > 0 && data.c != 3) throw Error(begin + "lighting is for images of three channels");
}

const uint8_t* sample_pixels(const Dataset& data, int64_t i, const SampleSpec& spec, uint64_t seed, uint64_t epoch,
                             SampleScratch* scratch, AugmentDraw* draw) {
  const int h = spec.h ? spec.h : data.h, w = spec.w ? spec.w : data.w;
  const auto sample = uint64_t(i);
  *draw = draw_augment(spec.augment, seed, epoch, sample);
  if (data.decoded() && data.h == h && data.w == w && spec.plain()) return data.image(i);
  load_image(data, i, &scratch->image);
  const Image& image = scratch->image;
  scratch->pixels.resize(size_t(h) * size_t(w) * size_t(data.c));
  uint8_t* out = scratch->pixels.data();
  if (spec.augment.crop.on) {
    const Box box = draw_crop(spec.augment.crop, image.h, image.w, seed, epoch, sample);
    scratch->resizer.run(image, box, h, w, {0, 0, h, w}, draw->flip, out);
#ifndef BANTAM_FAULT_CROP_MIRRORS_TWICE
    draw->flip = false;  // done on the way
#endif
  } else {
    fit(image, h, w, spec.resize, &scratch->resizer, out);
  }
  apply_color(spec.augment.color, draw_color(spec.augment.color, seed, epoch, sample), out, int64_t(h) * w, data.c);
  return out;
}

void make_sample_bytes(const Dataset& data, int64_t i, const SampleSpec& spec, uint64_t seed, uint64_t epoch,
                       SampleScratch* scratch, uint8_t* out) {
  const int h = spec.h ? spec.h : data.h, w = spec.w ? spec.w : data.w;
  AugmentDraw draw;
  const uint8_t* pixels = sample_pixels(data, i, spec, seed, epoch, scratch, &draw);
  transform_bytes(pixels, h, w, data.c, draw, out);
}

void make_sample(const Dataset& data, int64_t i, const SampleSpec& spec, uint64_t seed, uint64_t epoch,
                 const float* tables, const std::vector<double>& stddev, SampleScratch* scratch, float* out) {
  const int h = spec.h ? spec.h : data.h, w = spec.w ? spec.w : data.w;
  AugmentDraw draw;
  const uint8_t* pixels = sample_pixels(data, i, spec, seed, epoch, scratch, &draw);
  if (spec.augment.lighting.stddev > 0) {  // a sum a channel: in the tables, it costs nothing
    const std::array<double, 3> shift = draw_lighting(spec.augment.lighting, seed, epoch, uint64_t(i));
    scratch->lit_tables.assign(tables, tables + 3 * 256);
    for (size_t k = 0; k < 3; ++k) {
      const float scaled = float(shift[k] / stddev[stddev.size() == 1 ? 0 : k]);
      for (size_t v = 0; v < 256; ++v) scratch->lit_tables[256 * k + v] += scaled;
    }
    tables = scratch->lit_tables.data();
  }
  transform_image(pixels, h, w, data.c, draw, tables, out);
}

}  // namespace bantam
