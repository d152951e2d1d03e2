// Resizing and cropping, to the byte as PIL does it: which filter is used, and how it rounds, moves a net's accuracy by
// a point or two.
#pragma once

#include "data/image.h"

namespace bantam {

// A rectangle of an image.
struct Box {
  int top = 0, left = 0, h = 0, w = 0;
};

// PIL's crop(box).resize(BILINEAR): a triangle filter whose support grows with the reduction (antialiasing) and ends at
// the box, first along the rows, then along the columns, with 22-bit fixed-point weights, each pass rounded to u8.
// Keeps its memory from call to call: one a thread.
class Resizer {
 public:
  // The box of the image [h,w,c], resized to h x w; of that the window, mirrored left to right if asked for, goes to
  // out [window.h, window.w, c]: only what the window needs is computed. Throws Error on sides outside of 1 ..
  // kMaxImageSide, and on a box or a window that does not lie inside.
  void run(const Image& image, const Box& box, int h, int w, const Box& window, bool flip, uint8_t* out);

  // Weights of one axis, in_size -> out_size, of outputs [begin, begin + n).
  struct Filter {
    int most = 0;
    std::vector<int32_t> first, count, weights;
    void make(int in_size, int out_size, int begin, int n);
    void mirror();  // the last output first
  };

 private:
  Filter x_, y_;
  std::vector<uint8_t> rows_;
};

// The whole image, resized.
Image resize(const Image& image, int h, int w);

// torchvision's Resize(side): the shorter side becomes `side`, the longer int(side * longer / shorter).
Box resized_shorter(const Image& image, int side);  // its sizes; throws Error if the longer side is too long
Image resize_shorter(const Image& image, int side);

// torchvision's CenterCrop: the corner at round((H - h) / 2), halves to even. Throws Error if the image is smaller.
Box center_box(int image_h, int image_w, int h, int w);
Image center_crop(const Image& image, int h, int w);

// Makes any picture fit a net's input. shorter > 0: torchvision's Resize(shorter) and CenterCrop. 0: as it is if the
// size is right already, otherwise the smallest resize that covers h x w, and its center.
void fit(const Image& image, int h, int w, int shorter, Resizer* resizer, uint8_t* out);
Image fit(const Image& image, int h, int w, int shorter = 0);

}  // namespace bantam
