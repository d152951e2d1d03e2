// The random choices of augmentation, and the way from u8 pixels to the f32 image that a net sees. Every choice is
// keyed by (seed, epoch, sample): it depends neither on the batch that the sample falls in, nor on the thread that
// works on it, nor on where a run was resumed.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/color.h"
#include "data/resize.h"

namespace bantam {

// (i / 255 - mean) / std for each byte i, in f64, rounded once to f32. A packed model stores this very table, so that
// the device sees the same bits as training did. Throws Error unless mean is finite and std finite and positive.
std::array<float, 256> normalize_table(double mean, double std);

// One table a channel, [channels, 256] in one block. mean and std have one entry a channel, or one for all of them;
// throws Error otherwise.
std::vector<float> normalize_tables(int channels, const std::vector<double>& mean, const std::vector<double>& std);

// Crops that cover a random share of an image's area, at a random aspect, stretched to the net's size.
struct ResizedCrop {
  bool on = false;
  double scale_low = 0.08, scale_high = 1;           // share of the area
  double ratio_low = 3.0 / 4, ratio_high = 4.0 / 3;  // width / height
};

struct Augment {
  int pad = 0;            // crop from the image padded by this many pixels of value 0 (before normalization)
  bool flip = false;      // mirror left and right, every second time
  ResizedCrop crop = {};  // not together with pad
  ColorJitter color = {};
  Lighting lighting = {};
};

// What is done to one sample. Pixel (y, x) of the result is pixel (y + dy, x' + dx) of the image, or 0 outside of it,
// with x' = W - 1 - x if flipped: first crop, then flip, as torchvision's RandomCrop and RandomHorizontalFlip.
struct AugmentDraw {
  int dy = 0, dx = 0;  // each in [-pad, pad], uniform
  bool flip = false;
};
AugmentDraw draw_augment(const Augment& augment, uint64_t seed, uint64_t epoch, uint64_t sample);

// torchvision's RandomResizedCrop.get_params for an image h x w: up to 10 times an area uniform in scale and an aspect
// log-uniform in ratio, sides rounded (halves to even), until the box fits; then its corner, uniform. Otherwise the
// largest box in the center whose aspect is within ratio.
Box draw_crop(const ResizedCrop& crop, int h, int w, uint64_t seed, uint64_t epoch, uint64_t sample);

// image u8 [h,w,c] -> out u8 [h,w,c].
void transform_bytes(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, uint8_t* out);

// The same through tables [c,256] -> out f32 [h,w,c].
void transform_image(const uint8_t* image, int h, int w, int c, const AugmentDraw& draw, const float* tables,
                     float* out);

}  // namespace bantam
