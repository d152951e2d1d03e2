#include "ops/reduce.h"

#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/arith.h"
#include "ops/dispatch.h"
#include "ops/kernels/reduce.h"
#include "ops/kernels/reduce_ref.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

// x seen as [outer, middle, inner], summed over middle: [outer, inner].
Tensor sum_middle(const Tensor& x, int64_t outer, int64_t middle, int64_t inner) {
  Tensor out = Tensor::empty({outer, inner}, x.dtype());
  if (out.size() == 0) return out;
  // A stretch is one chunk of rows of one outer index; its sums go to a place of their own unless it is the only one.
  const RowChunks chunks = RowChunks::of(middle, inner);
  const int64_t count = std::max<int64_t>(1, chunks.count), rows = std::max<int64_t>(1, chunks.rows);
  const int64_t grain = count > 1 ? 1 : std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, middle * inner));
  Tensor partial = Tensor::empty(
      {count > 1 ? outer * count : std::min<int64_t>(threads(), ceil_div(outer, grain)), inner}, DType::kF64);
  by_float_type("sum", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    double* sums = partial.mutable_data<double>();
    auto stretch = [&](int64_t o, int64_t chunk, double* into) {
      const int64_t begin = std::min(middle, chunk * rows), n = std::min(middle, begin + rows) - begin;
      const T* p = in + (o * middle + begin) * inner;
      if constexpr (kIsF32<T>) {
        if (inner == 1)
          *into = sum_f32(p, n);
        else
          channel_sums_f32(p, n, inner, into);
      } else {
        ref::channel_sums(p, n, inner, into);
      }
    };
    if (count == 1) {
      parallel_for(outer, grain, [&](int64_t b, int64_t e, int lane) {
        double* mine = sums + lane * inner;
        for (int64_t o = b; o < e; ++o) {
          stretch(o, 0, mine);
          for (int64_t k = 0; k < inner; ++k) y[o * inner + k] = T(mine[k]);
        }
      });
      return;
    }
    parallel_for(outer * count, 1, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) stretch(i / count, i % count, sums + i * inner);
    });
    parallel_for(outer * inner, row_grain(count), [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) {
        double s = 0;
        for (int64_t chunk = 0; chunk < count; ++chunk) s += sums[(i / inner * count + chunk) * inner + i % inner];
        y[i] = T(s);
      }
    });
  });
  return out;
}

// Sums x over the marked axes, which stay as 1: one stretch of neighboring axes at a time, the last first.
Tensor sum_axes(const Tensor& x, const bool* reduce) {
  Tensor t = x.detach();
  Shape shape = x.shape();
  for (int end = shape.rank; end > 0;) {
    if (!reduce[end - 1]) {
      --end;
      continue;
    }
    int begin = end;
    int64_t middle = 1, outer = 1, inner = 1;
    while (begin > 0 && reduce[begin - 1]) middle *= shape[--begin];
    for (int i = 0; i < begin; ++i) outer *= shape[i];
    for (int i = end; i < shape.rank; ++i) inner *= shape[i];
    if (middle != 1) t = sum_middle(t, outer, middle, inner);
    for (int i = begin; i < end; ++i) shape[i] = 1;
    end = begin;
  }
  return t.view(shape);
}

struct Axes {
  bool reduce[Shape::kMaxRank] = {};
  Shape kept;     // with the reduced axes as 1
  Shape dropped;  // without them
  int64_t count = 1;
};
Axes parse_axes(const char* op, const Tensor& x, const std::vector<int>& axes) {
  Axes a;
  for (int axis : axes) {
    const int i = normal_axis(op, axis, x);
    if (a.reduce[i])
      throw Error(std::string(op) + ": axis " + std::to_string(axis) + " twice, input " + to_string(x.shape()));
    a.reduce[i] = true;
  }
  if (axes.empty()) std::fill(a.reduce, a.reduce + x.rank(), true);
  a.kept = x.shape();
  for (int i = 0; i < x.rank(); ++i) {
    if (a.reduce[i]) {
      a.count *= x.dim(i);
      a.kept[i] = 1;
    } else {
      a.dropped.dims[a.dropped.rank++] = x.dim(i);
    }
  }
  return a;
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep_dims) {
  const Axes a = parse_axes("sum", x, axes);
  const Shape from = x.shape(), kept = a.kept;
  Tensor out = sum_axes(x, a.reduce);
  if (out.buffer() == x.buffer()) out = out.clone();  // nothing to add: the result must still be a tensor of its own
  if (!keep_dims) out = out.view(a.dropped);
  return record("sum", out, {x}, {}, [=](const BackwardArgs& b) {
    return Tensors{broadcast_to(b.grad.view(kept), from)};
  });
}

Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep_dims) {
  const Axes a = parse_axes("mean", x, axes);
  if (a.count == 0) throw Error("mean: nothing to average in " + to_string(x.shape()));
  return mul(sum(x, axes, keep_dims), 1.0 / double(a.count));
}

Tensor max(const Tensor& x, int axis, bool keep_dims) {
  const int at = normal_axis("max", axis, x);
  const Axes a = parse_axes("max", x, {at});
  if (a.count == 0) throw Error("max: nothing to choose from in " + to_string(x.shape()));
  const Shape from = x.shape();
  int64_t inner = 1;
  for (int i = at + 1; i < x.rank(); ++i) inner *= x.dim(i);
  const int64_t middle = a.count;
  Tensor out = Tensor::empty(keep_dims ? a.kept : a.dropped, x.dtype());
  Tensor place = Tensor::empty(out.shape(), DType::kI32);
  by_float_type("max", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    int32_t* where = place.mutable_data<int32_t>();
    parallel_for(out.size(), row_grain(middle), [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) {
        const T* p = in + i / inner * middle * inner + i % inner;
        int64_t best = 0;
        for (int64_t k = 1; k < middle && !std::isnan(p[best * inner]); ++k)
          if (p[k * inner] > p[best * inner] || std::isnan(p[k * inner])) best = k;
        y[i] = p[best * inner];
        where[i] = int32_t(best);
      }
    });
  });
  return record("max", out, {x}, {{"argmax", place}}, [=](const BackwardArgs& b) -> Tensors {
    Tensor dx = Tensor::zeros(from, b.grad.dtype());
    by_float_type("max", dx, [&]<class T>(T) {
      const T* dy = b.grad.data<T>();
      const int32_t* where = b[0].data<int32_t>();
      T* g = dx.mutable_data<T>();
      parallel_for(b.grad.size(), row_grain(1), [&](int64_t i, int64_t e, int) {
        for (; i < e; ++i) g[(i / inner * middle + where[i]) * inner + i % inner] = dy[i];
      });
    });
    return {dx};
  });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x.detach();
  if (!(broadcast_shape("sum_to", shape, x.shape()) == x.shape()))
    throw Error("sum_to: " + to_string(shape) + " does not broadcast to " + to_string(x.shape()));
  bool reduce[Shape::kMaxRank] = {};
  for (int i = 1; i <= x.rank(); ++i)
    reduce[x.rank() - i] = i > shape.rank || (shape[-i] == 1 && x.shape()[-i] != 1);
  return sum_axes(x, reduce).view(shape);
}

}  // namespace bantam
