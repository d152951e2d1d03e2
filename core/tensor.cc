#include "core/tensor.h"

#include <cstring>

#include "core/parallel.h"
#include "ops/kernels/elementwise.h"

namespace bantam {
namespace {

// Calls fn with a value of the dtype's C++ type.
template <class Fn> decltype(auto) visit_dtype(DType t, Fn&& fn) {
  switch (t) {
    case DType::kF64: return fn(double{});
    case DType::kI32: return fn(int32_t{});
    case DType::kU8: return fn(uint8_t{});
    case DType::kF32: break;
  }
  return fn(float{});
}

}  // namespace

std::string to_string(const Shape& s) {
  std::string r = "[";
  for (int i = 0; i < s.rank; ++i) r += (i ? "," : "") + std::to_string(s[i]);
  return r + "]";
}

Tensor Tensor::virtual_like(const Shape& shape, DType dtype) {
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.defined_ = true;
  return t;
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  for (int i = 0; i < shape.rank; ++i)
    if (shape[i] < 0) throw Error("tensor: negative size " + to_string(shape));
  Tensor t = virtual_like(shape, dtype);
  t.buffer_ = allocate(t.bytes());
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor t = empty(shape, dtype);
  const int64_t bytes = int64_t(t.bytes());
  parallel_for(bytes, 4 * kElementGrain,
               [&](int64_t b, int64_t e, int) { std::memset(static_cast<char*>(t.raw()) + b, 0, size_t(e - b)); });
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor t = empty(shape, dtype);
  visit_dtype(dtype, [&]<class T>(T) {
    T* p = t.mutable_data<T>();
    parallel_for(t.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) p[i] = T(value);
    });
  });
  return t;
}

Tensor Tensor::of(const Shape& shape, const std::vector<double>& values, DType dtype) {
  if (int64_t(values.size()) != shape.size())
    throw Error("tensor: " + std::to_string(values.size()) + " values for shape " + to_string(shape));
  Tensor t = empty(shape, dtype);
  visit_dtype(dtype, [&]<class T>(T) {
    T* p = t.mutable_data<T>();
    for (size_t i = 0; i < values.size(); ++i) p[i] = T(values[i]);
  });
  return t;
}

void* Tensor::raw() const {
  if (!buffer_ || !buffer_->data()) return nullptr;
  return static_cast<char*>(buffer_->data()) + offset_;
}

void Tensor::check_dtype(DType want) const {
  if (dtype_ != want)
    throw Error(std::string("tensor: elements are ") + name_of(dtype_) + ", asked for as " + name_of(want));
}

double Tensor::at(int64_t i) const {
  if (i < 0 || i >= size()) throw Error("tensor: element " + std::to_string(i) + " of " + to_string(shape_));
  if (!raw()) throw Error("tensor: no data (a dry run, or codes only)");
  return visit_dtype(dtype_, [&]<class T>(T) { return double(static_cast<const T*>(raw())[i]); });
}

double Tensor::item() const {
  if (size() != 1) throw Error("tensor: item() of " + to_string(shape_));
  return at(0);
}

std::vector<double> Tensor::values() const {
  std::vector<double> v(static_cast<size_t>(size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = at(int64_t(i));
  return v;
}

Tensor Tensor::view(const Shape& shape) const {
  if (shape.size() != size()) throw Error("tensor: view of " + to_string(shape_) + " as " + to_string(shape));
  Tensor t = detach();
  t.shape_ = shape;
  return t;
}

Tensor Tensor::slice_outer(int64_t begin, int64_t end) const {
  if (rank() < 1 || begin < 0 || begin > end || end > dim(0))
    throw Error("tensor: slice [" + std::to_string(begin) + ", " + std::to_string(end) + ") of " + to_string(shape_));
  Tensor t = detach();
  const size_t row = dim(0) ? bytes() / size_t(dim(0)) : 0;
  t.shape_[0] = end - begin;
  t.offset_ += size_t(begin) * row;
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = empty(shape_, dtype_);
  parallel_for(int64_t(bytes()), 4 * kElementGrain, [&](int64_t b, int64_t e, int) {
    std::memcpy(static_cast<char*>(t.raw()) + b, static_cast<const char*>(raw()) + b, size_t(e - b));
  });
  return t;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return detach();
  Tensor t = empty(shape_, dtype);
  visit_dtype(dtype_, [&]<class From>(From) {
    visit_dtype(dtype, [&]<class To>(To) {
      const From* src = data<From>();
      To* dst = t.mutable_data<To>();
      parallel_for(size(), kElementGrain, [&](int64_t b, int64_t e, int) {
        for (int64_t i = b; i < e; ++i) dst[i] = To(src[i]);
      });
    });
  });
  return t;
}

Tensor Tensor::detach() const {
  Tensor t = *this;
  t.node_ = nullptr;
  return t;
}

void add_into(const Tensor& x, Tensor to) {
  parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
    if (x.dtype() == DType::kF32) {
      add_into(to.mutable_data<float>() + b, x.data<float>() + b, e - b);
    } else {
      double* sum = to.mutable_data<double>();
      const double* from = x.data<double>();
      for (int64_t i = b; i < e; ++i) sum[i] += from[i];
    }
  });
}

}  // namespace bantam
