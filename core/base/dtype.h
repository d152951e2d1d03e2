// Element types. Tensors that people compute with are f32 (f64 for gradient checks); i32 holds labels, u8 holds images
// and what an op saves for its backward pass (bit masks, arg-max positions).
#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

enum class DType : uint8_t { kF32, kF64, kI32, kU8 };

constexpr size_t size_of(DType t) {
  switch (t) {
    case DType::kF32: return 4;
    case DType::kF64: return 8;
    case DType::kI32: return 4;
    case DType::kU8: return 1;
  }
  return 0;
}

constexpr const char* name_of(DType t) {
  switch (t) {
    case DType::kF32: return "f32";
    case DType::kF64: return "f64";
    case DType::kI32: return "i32";
    case DType::kU8: return "u8";
  }
  return "?";
}

template <class T> struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::kF32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::kF64; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::kI32; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::kU8; };

}  // namespace bantam
