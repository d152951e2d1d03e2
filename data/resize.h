// Resizing and cropping, to the byte as PIL does it: which filter is used, and how it rounds, moves a net's accuracy by
// a point or two.
#pragma once

#include "data/image.h"

namespace bantam {

// PIL's Image.resize(BILINEAR): a triangle filter whose support grows with the reduction (antialiasing), first along
// the rows, then along the columns, with 22-bit fixed-point weights, each pass rounded to u8. Throws Error on sides
// outside of 1 .. kMaxImageSide.
Image resize(const Image& image, int h, int w);

// torchvision's Resize(side): the shorter side becomes `side`, the longer int(side * longer / shorter).
Image resize_shorter(const Image& image, int side);

// torchvision's CenterCrop: the corner at round((H - h) / 2), halves to even. Throws Error if the image is smaller.
Image center_crop(const Image& image, int h, int w);

// Makes any picture fit a net's input: as it is if the size is right already, otherwise the smallest resize that covers
// h x w, and its center.
Image fit(const Image& image, int h, int w);

}  // namespace bantam
