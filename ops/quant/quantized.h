// What a quantizer hands on: value = step * code, and both. The value is an ordinary tensor with its node, through
// which gradients flow; it has no elements of its own where only integer kernels read the codes.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"
#include "core/tensor.h"

namespace bantam {

// Signs as bits (core/base/fixed_point.h): for a tensor [..., C] a u8 tensor [..., 8 * words_for(C)] of 64-bit words.
struct Codes {
  Tensor bits;
  int64_t channels = 0;

  bool defined() const { return bits.defined(); }
  int64_t pixels() const { return bits.size() / (8 * words()); }
  int64_t words() const { return int64_t(words_for(size_t(channels))); }  // of a pixel
  // Null in a dry run.
  const uint64_t* data() const { return static_cast<const uint64_t*>(bits.raw()); }
  uint64_t* mutable_data() { return static_cast<uint64_t*>(bits.raw()); }

  // For a tensor of this shape, uninitialized.
  static Codes empty(Shape shape) {
    Codes codes;
    codes.channels = shape[-1];
    shape[-1] = 8 * codes.words();
    codes.bits = Tensor::empty(shape, DType::kU8);
    return codes;
  }
};

struct Quantized {
  Tensor value;  // [..., C], may be without data
  Codes codes;
  float step = 1;
};

// q.value with its elements: itself, or made from the codes. Keeps the node.
Tensor materialize(const Quantized& q);

// step * code for each element, a plain tensor of `dtype`, shaped as the quantized one.
Tensor expand(const Codes& codes, float step, const Shape& shape, DType dtype);

}  // namespace bantam
