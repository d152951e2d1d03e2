// One body of an op serves f32 and f64: by_float_type calls it with the element type. f32 runs the SIMD kernels, f64
// the scalar definitions beside them (`*_ref.h`), which is what gradient checks hold against finite differences.
#pragma once

#include <string>
#include <type_traits>

#include "core/tensor.h"

namespace bantam {

template <class T> inline constexpr bool kIsF32 = std::is_same_v<T, float>;

// f(float()) or f(double()) by the elements of x.
template <class F> void by_float_type(const char* op, const Tensor& x, F f) {
  if (x.dtype() == DType::kF32)
    f(float());
  else if (x.dtype() == DType::kF64)
    f(double());
  else
    throw Error(std::string(op) + ": elements are " + name_of(x.dtype()) + ", not f32 or f64");
}

// Throws unless both have the same element type.
inline void check_same_type(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    throw Error(std::string(op) + ": " + name_of(a.dtype()) + " with " + name_of(b.dtype()) + " elements, " +
                to_string(a.shape()) + " and " + to_string(b.shape()));
}

// An axis counted from the end if negative, as 0 .. rank - 1; throws if there is no such axis.
inline int normal_axis(const char* op, int axis, const Tensor& x) {
  const int a = axis < 0 ? axis + x.rank() : axis;
  if (a < 0 || a >= x.rank())
    throw Error(std::string(op) + ": no axis " + std::to_string(axis) + " in " + to_string(x.shape()));
  return a;
}

}  // namespace bantam
