#include "ops/shape.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

// Elements of type U, moved: row r of the output (all axes but the last, flattened) starts at `start(r)` of the input
// and walks in steps of `step`.
template <class U> void gather_rows(const U* in, U* out, const Shape& shape, const int64_t* stride) {
  const int last = shape.rank - 1;
  const int64_t n = shape[last], step = stride[last], rows = shape.size() / n;
  auto start = [&](int64_t r) {
    int64_t at = 0;
    for (int i = last - 1; i >= 0; --i) {
      at += r % shape[i] * stride[i];
      r /= shape[i];
    }
    return at;
  };
  if (step == 1) {
    parallel_for(rows, row_grain(n), [&](int64_t b, int64_t e, int) {
      for (int64_t r = b; r < e; ++r) {
        const U* p = in + start(r);
        std::copy(p, p + n, out + r * n);
      }
    });
    return;
  }
  // Tiles of 16 rows by 16 columns: a cache line that is fetched is used whole, in input and output, where rows are
  // neighbors in the input (a transposition); elsewhere it costs nothing.
  constexpr int64_t kTile = 16;
  parallel_for(rows, std::max<int64_t>(kTile, row_grain(n) / kTile * kTile), [&](int64_t b, int64_t e, int) {
    for (int64_t r0 = b; r0 < e; r0 += kTile) {
      const int64_t height = std::min(kTile, e - r0);
      int64_t from[kTile];
      for (int64_t i = 0; i < height; ++i) from[i] = start(r0 + i);
      for (int64_t k0 = 0; k0 < n; k0 += kTile) {
        const int64_t width = std::min(kTile, n - k0);
        for (int64_t i = 0; i < height; ++i)
          for (int64_t k = 0; k < width; ++k) out[(r0 + i) * n + k0 + k] = in[from[i] + (k0 + k) * step];
      }
    }
  });
}

Tensor permuted(const Tensor& x, const std::vector<int>& order) {
  Shape shape;
  int64_t stride_of[Shape::kMaxRank], stride[Shape::kMaxRank], s = 1;
  for (int i = x.rank() - 1; i >= 0; --i) {
    stride_of[i] = s;
    s *= x.dim(i);
  }
  shape.rank = x.rank();
  for (int i = 0; i < x.rank(); ++i) {
    shape[i] = x.dim(order[size_t(i)]);
    stride[i] = stride_of[order[size_t(i)]];
  }
  if (x.rank() == 0) return x.clone();
  Tensor out = Tensor::empty(shape, x.dtype());
  if (out.size() == 0) return out;
  switch (size_of(x.dtype())) {  // as unsigned integers: moving keeps every bit
    case 8: gather_rows(static_cast<const uint64_t*>(x.raw()), static_cast<uint64_t*>(out.raw()), shape, stride); break;
    case 4: gather_rows(static_cast<const uint32_t*>(x.raw()), static_cast<uint32_t*>(out.raw()), shape, stride); break;
    default: gather_rows(static_cast<const uint8_t*>(x.raw()), static_cast<uint8_t*>(out.raw()), shape, stride); break;
  }
  return out;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const Shape from = x.shape();
  Shape to = shape;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < to.rank; ++i) {
    if (to[i] == -1 && unknown < 0)
      unknown = i;
    else
      known *= to[i];
  }
  if (unknown >= 0 && known > 0) to[unknown] = x.size() / known;
  for (int i = 0; i < to.rank; ++i) known = to[i] < 0 ? -1 : known;
  if (known < 0 || to.size() != x.size()) throw Error("reshape: " + to_string(from) + " to " + to_string(shape));
  return record("reshape", x.view(to), {x}, {}, [=](const BackwardArgs& b) { return Tensors{b.grad.view(from)}; });
}

Tensor flatten(const Tensor& x) {
  if (x.rank() < 1) throw Error("flatten: input has no axes " + to_string(x.shape()));
  return reshape(x, {x.dim(0), x.dim(0) > 0 ? x.size() / x.dim(0) : 0});
}

Tensor permute(const Tensor& x, const std::vector<int>& order) {
  std::vector<int> inverse(order.size(), -1);
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] >= 0 && size_t(order[i]) < order.size()) inverse[size_t(order[i])] = int(i);
  if (order.size() != size_t(x.rank()) || std::count(inverse.begin(), inverse.end(), -1) != 0) {
    std::string text;
    for (int axis : order) text += (text.empty() ? "" : ",") + std::to_string(axis);
    throw Error("permute: (" + text + ") is no order of the axes of " + to_string(x.shape()));
  }
  return record("permute", permuted(x, order), {x}, {},
                [inverse](const BackwardArgs& b) { return Tensors{permuted(b.grad, inverse)}; });
}

Tensor transpose(const Tensor& x) {
  if (x.rank() != 2) throw Error("transpose: input is no matrix " + to_string(x.shape()));
  return permute(x, {1, 0});
}

}  // namespace bantam
