// A tensor: a shape, an element type, a buffer of the pool, and the autograd node that made it, if any. Dense and
// row-major, images as [N,H,W,C]; cheap to copy (it shares the buffer). Deliberately poor: no strides, no in-place
// operations on recorded tensors, views are reshapes and slices of the outermost dimension.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/base/dtype.h"
#include "core/base/shape.h"
#include "core/error.h"
#include "core/pool.h"
#include "core/recycled.h"

namespace bantam {

class Node;
using NodePtr = std::shared_ptr<Node>;

std::string to_string(const Shape& s);  // "[8,32,32,3]"

class Tensor {
 public:
  Tensor() = default;  // undefined

  static Tensor empty(const Shape& shape, DType dtype = DType::kF32);  // uninitialized
  static Tensor zeros(const Shape& shape, DType dtype = DType::kF32);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::kF32);
  // Values converted to dtype; throws Error unless there are shape.size() of them.
  static Tensor of(const Shape& shape, const std::vector<double>& values, DType dtype = DType::kF32);
  // A tensor without a buffer: shape and node only (a quantized activation whose codes are held elsewhere).
  static Tensor virtual_like(const Shape& shape, DType dtype = DType::kF32);

  bool defined() const { return defined_; }
  bool has_data() const { return buffer_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int i) const { return shape_[i]; }
  int rank() const { return shape_.rank; }
  int64_t size() const { return shape_.size(); }
  DType dtype() const { return dtype_; }
  size_t bytes() const { return size_t(size()) * size_of(dtype_); }

  // Elements. Throws Error if T is not the dtype. Null in a dry run.
  template <class T> const T* data() const {
    check_dtype(DTypeOf<T>::value);
    return static_cast<const T*>(raw());
  }
  // For the code that just made this tensor: never for a recorded one.
  template <class T> T* mutable_data() {
    check_dtype(DTypeOf<T>::value);
    return static_cast<T*>(raw());
  }
  void* raw() const;
  double at(int64_t i) const;      // element i as double: for tests and reports
  double item() const;             // the only element
  std::vector<double> values() const;

  // The same elements under another shape of the same size. Not recorded: see ops/shape.h for the op.
  Tensor view(const Shape& shape) const;
  // Elements [begin, end) of the outermost dimension, sharing the buffer. Not recorded.
  Tensor slice_outer(int64_t begin, int64_t end) const;
  Tensor clone() const;            // a copy of the elements, without node
  Tensor to(DType dtype) const;    // converted copy, without node (itself, detached, if dtype is the same)
  Tensor detach() const;           // the same buffer without node

  const NodePtr& node() const { return node_; }
  bool needs_grad() const;  // has a node that is not a constant's (core/autograd.h)
  void set_node(NodePtr node) { node_ = std::move(node); }
  // True if no other tensor holds the buffer: it may be overwritten.
  bool unique() const { return buffer_ && buffer_.use_count() == 1; }
  const BufferPtr& buffer() const { return buffer_; }

 private:
  void check_dtype(DType want) const;

  Shape shape_;
  DType dtype_ = DType::kF32;
  bool defined_ = false;
  BufferPtr buffer_;
  size_t offset_ = 0;  // bytes
  NodePtr node_;
};

using Tensors = List<Tensor>;

// to += x, of the same size; f32 or f64. Never into a recorded tensor.
void add_into(const Tensor& x, Tensor to);

}  // namespace bantam
