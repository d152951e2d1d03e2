// One image of a data set on its way to a net: decoded if it has to be, brought to the net's size, augmented,
// normalized.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "data/resize.h"
#include "data/transforms.h"

namespace bantam {

struct SampleSpec {
  int h = 0, w = 0;     // of the result; 0: the data set's
  int resize = 0;       // without a random resized crop: the shorter side before the center is cut out; 0: see fit()
  Augment augment = {};  // nothing by default: evaluation
  bool plain() const {  // pixels of the right size are taken as they are
    return resize == 0 && !augment.crop.on && !augment.color.on();
  }
};

// The memory that making samples takes, kept from one to the next: one a thread.
struct SampleScratch {
  Image image;
  Resizer resizer;
  std::vector<uint8_t> pixels;
  std::vector<float> lit_tables;
};

// Throws Error if the spec cannot be met by the data set's images: "WHO: ...".
void check_sample_spec(const SampleSpec& spec, const Dataset& data, const char* who);

// Image i at the net's size, u8 [h,w,c]: decoded, cropped or fitted, colors jittered. The draw has what is still to be
// done by transform_image. The pixels are the data set's or the scratch's. Throws FileError for a damaged file.
const uint8_t* sample_pixels(const Dataset& data, int64_t i, const SampleSpec& spec, uint64_t seed, uint64_t epoch,
                             SampleScratch* scratch, AugmentDraw* draw);

// The same with the draw done: u8 [h,w,c]. Lighting is not for bytes.
void make_sample_bytes(const Dataset& data, int64_t i, const SampleSpec& spec, uint64_t seed, uint64_t epoch,
                       SampleScratch* scratch, uint8_t* out);

// The same normalized, and with the lighting: f32 [h,w,c].
void make_sample(const Dataset& data, int64_t i, const SampleSpec& spec, uint64_t seed, uint64_t epoch,
                 const float* tables, const std::vector<double>& stddev, SampleScratch* scratch, float* out);

}  // namespace bantam
