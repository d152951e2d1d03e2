// What a quantizer hands on: value = scale * code (or table[byte]), and all of them. The value is an ordinary tensor
// with its node, through which gradients flow; it has no elements of its own where only integer kernels read the codes.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"
#include "core/tensor.h"
#include "ops/quant/scheme.h"

namespace bantam {

// Codes of a tensor [..., C]: signs as bits (core/base/fixed_point.h), u8 [..., 8 * words_for(C)] in 64-bit words;
// others as bytes, u8 [..., C], code = grid.mul * byte + grid.add.
struct Codes {
  Tensor tensor;
  int64_t channels = 0;
  CodeGrid grid = kSignGrid;

  bool defined() const { return tensor.defined(); }
  bool is_bits() const { return grid.is_signs(); }
  int64_t pixel_bytes() const { return is_bits() ? 8 * words() : channels; }
  int64_t pixels() const { return tensor.size() / pixel_bytes(); }
  int64_t words() const { return int64_t(words_for(size_t(channels))); }  // of a pixel of bits
  // Null in a dry run.
  const uint64_t* bits() const { return static_cast<const uint64_t*>(tensor.raw()); }
  uint64_t* mutable_bits() { return static_cast<uint64_t*>(tensor.raw()); }
  const uint8_t* bytes() const { return static_cast<const uint8_t*>(tensor.raw()); }
  uint8_t* mutable_bytes() { return static_cast<uint8_t*>(tensor.raw()); }

  // For a tensor of this shape, uninitialized.
  static Codes empty(Shape shape, CodeGrid grid = kSignGrid) {
    Codes codes;
    codes.channels = shape[-1];
    codes.grid = grid;
    shape[-1] = codes.pixel_bytes();
    codes.tensor = Tensor::empty(shape, DType::kU8);
    return codes;
  }
};

struct Quantized {
  Tensor value = {};  // [..., C], may be without data
  Codes codes = {};
  // [1], or of weights [K, ...]: [K] for each output channel, [K, C] for each kernel. Undefined: 1.
  Tensor scale = {};
  Tensor table = {};  // [levels]: value = table[byte], in place of code and scale; undefined for most
};

// q.value with its elements: itself, or made from the codes. Keeps the node.
Tensor materialize(const Quantized& q);

// table[byte] for each element, a plain tensor of `dtype`; and scale * code.
Tensor look_up(const Codes& codes, const Tensor& table, const Shape& shape, DType dtype);
Tensor expand(const Codes& codes, const Tensor& scale, const Shape& shape, DType dtype);

}  // namespace bantam
