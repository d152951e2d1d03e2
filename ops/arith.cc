#include "ops/arith.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/reduce.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

// Broadcasting as nested loops: per dimension a size and the steps of both inputs (0: repeated), neighbors that walk
// alike merged. The innermost steps are 0 or 1.
struct Loops {
  int rank = 0;
  int64_t size[Shape::kMaxRank], a_step[Shape::kMaxRank], b_step[Shape::kMaxRank];
};

Loops make_loops(const Shape& out, const Shape& a, const Shape& b) {
  // Innermost first; reversed at the end.
  Loops l;
  int64_t a_stride = 1, b_stride = 1;
  for (int i = 0; i < out.rank; ++i) {
    const int64_t size = out[out.rank - 1 - i];
    const int64_t na = i < a.rank ? a[a.rank - 1 - i] : 1, nb = i < b.rank ? b[b.rank - 1 - i] : 1;
    if (size != 1) {
      const int64_t sa = na == 1 ? 0 : a_stride, sb = nb == 1 ? 0 : b_stride;
      const int last = l.rank - 1;
      if (l.rank > 0 && sa == l.a_step[last] * l.size[last] && sb == l.b_step[last] * l.size[last]) {
        l.size[last] *= size;
      } else {
        l.size[l.rank] = size;
        l.a_step[l.rank] = sa;
        l.b_step[l.rank++] = sb;
      }
    }
    a_stride *= na;
    b_stride *= nb;
  }
  if (l.rank == 0) {  // one element
    l.size[0] = 1;
    l.a_step[0] = l.b_step[0] = 1;
    l.rank = 1;
  }
  std::reverse(l.size, l.size + l.rank);
  std::reverse(l.a_step, l.a_step + l.rank);
  std::reverse(l.b_step, l.b_step + l.rank);
  return l;
}

// Calls run(offset in a, offset in b, offset in out, n) for each stretch of the innermost loop in elements [begin,
// end).
template <class Run> void for_runs(const Loops& l, int64_t begin, int64_t end, Run run) {
  const int64_t inner = l.size[l.rank - 1];
  while (begin < end) {
    int64_t row = begin / inner, column = begin % inner;
    int64_t a = column * l.a_step[l.rank - 1], b = column * l.b_step[l.rank - 1];
    for (int i = l.rank - 2; i >= 0; --i) {
      const int64_t at = row % l.size[i];
      row /= l.size[i];
      a += at * l.a_step[i];
      b += at * l.b_step[i];
    }
    const int64_t n = std::min(inner - column, end - begin);
    run(a, b, begin, n);
    begin += n;
  }
}

// out = a op b, not recorded.
Tensor apply(const char* name, Binary op, const Tensor& a, const Tensor& b) {
  check_same_type(name, a, b);
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  Tensor out = Tensor::empty(shape, a.dtype());
  if (out.size() == 0) return out;
  const Loops l = make_loops(shape, a.shape(), b.shape());
  // [rows, C] with [C], the usual bias and gain, in one call of a kernel instead of one a row.
  const bool channels = l.rank == 2 && l.a_step[0] == l.size[1] && l.a_step[1] == 1 && l.b_step[0] == 0 &&
                        l.b_step[1] == 1 && (op == Binary::kAdd || op == Binary::kMul);
  by_float_type(name, a, [&]<class T>(T) {
    const T *pa = a.data<T>(), *pb = b.data<T>();
    T* y = out.mutable_data<T>();
    if constexpr (kIsF32<T>)
      if (channels) {
        const int64_t c = l.size[1];
        parallel_for(l.size[0], row_grain(c), [&](int64_t r, int64_t e, int) {
          (op == Binary::kAdd ? bias_channels_f32 : scale_channels_f32)(pa + r * c, pb, y + r * c, e - r, c);
        });
        return;
      }
    const int64_t sa = l.a_step[l.rank - 1], sb = l.b_step[l.rank - 1];
    parallel_for(out.size(), kElementGrain, [&](int64_t begin, int64_t end, int) {
      for_runs(l, begin, end, [&](int64_t ia, int64_t ib, int64_t at, int64_t n) {
        if constexpr (kIsF32<T>)
          binary_f32(op, pa + ia, sa, pb + ib, sb, y + at, n);
        else
          for (int64_t i = 0; i < n; ++i) y[at + i] = ref::binary(op, pa[ia + i * sa], pb[ib + i * sb]);
      });
    });
  });
  return out;
}

Tensor scalar(const Tensor& like, double value) { return Tensor::full({}, value, like.dtype()); }

}  // namespace

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  Shape out;
  out.rank = std::max(a.rank, b.rank);
  for (int i = 1; i <= out.rank; ++i) {
    const int64_t na = i <= a.rank ? a[-i] : 1, nb = i <= b.rank ? b[-i] : 1;
    if (na != nb && na != 1 && nb != 1)
      throw Error(std::string(op) + ": " + to_string(a) + " does not broadcast with " + to_string(b));
    out[-i] = na == 1 ? nb : na;
  }
  return out;
}

Tensor add(const Tensor& a, const Tensor& b) {
  const Shape sa = a.shape(), sb = b.shape();
  return record("add", apply("add", Binary::kAdd, a, b), {a, b}, {}, [=](const BackwardArgs& g) {
    Tensors grads(2);
    if (g.needs[0]) grads[0] = sum_to(g.grad, sa);
    if (g.needs[1]) grads[1] = sum_to(g.grad, sb);
    return grads;
  });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  const Shape sa = a.shape(), sb = b.shape();
  return record("sub", apply("sub", Binary::kSub, a, b), {a, b}, {}, [=](const BackwardArgs& g) {
    Tensors grads(2);
    if (g.needs[0]) grads[0] = sum_to(g.grad, sa);
    if (g.needs[1]) grads[1] = neg(sum_to(g.grad, sb));
    return grads;
  });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const Shape sa = a.shape(), sb = b.shape();
  return record("mul", apply("mul", Binary::kMul, a, b), {a, b},
                {{"input", b.needs_grad() ? a : Tensor()}, {"input", a.needs_grad() ? b : Tensor()}},
                [=](const BackwardArgs& g) {
                  Tensors grads(2);
                  if (g.needs[0]) grads[0] = sum_to(apply("mul", Binary::kMul, g.grad, g[1]), sa);
                  if (g.needs[1]) grads[1] = sum_to(apply("mul", Binary::kMul, g.grad, g[0]), sb);
                  return grads;
                });
}

Tensor div(const Tensor& a, const Tensor& b) {
  const Shape sa = a.shape(), sb = b.shape();
  Tensor out = apply("div", Binary::kDiv, a, b);
  return record("div", out, {a, b}, {{"input", b}, {"output", b.needs_grad() ? out : Tensor()}},
                [=](const BackwardArgs& g) {
                  Tensors grads(2);
                  const Tensor scaled = apply("div", Binary::kDiv, g.grad, g[0]);
                  if (g.needs[0]) grads[0] = sum_to(scaled, sa);
                  if (g.needs[1]) grads[1] = neg(sum_to(apply("mul", Binary::kMul, scaled, g[1]), sb));
                  return grads;
                });
}

Tensor neg(const Tensor& a) { return mul(a, -1.0); }
Tensor add(const Tensor& a, double b) { return add(a, scalar(a, b)); }
Tensor sub(const Tensor& a, double b) { return sub(a, scalar(a, b)); }
Tensor sub(double a, const Tensor& b) { return sub(scalar(b, a), b); }
Tensor mul(const Tensor& a, double b) { return mul(a, scalar(a, b)); }
Tensor div(const Tensor& a, double b) { return div(a, scalar(a, b)); }
Tensor div(double a, const Tensor& b) { return div(scalar(b, a), b); }

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (!(broadcast_shape("broadcast_to", x.shape(), shape) == shape))
    throw Error("broadcast_to: " + to_string(x.shape()) + " does not broadcast to " + to_string(shape));
  const Shape from = x.shape();
  Tensor out = Tensor::empty(shape, x.dtype());
  if (out.size() > 0) {
    const Loops l = make_loops(shape, from, shape);
    const int64_t step = l.a_step[l.rank - 1];
    by_float_type("broadcast_to", x, [&]<class T>(T) {
      const T* in = x.data<T>();
      T* y = out.mutable_data<T>();
      parallel_for(out.size(), kElementGrain, [&](int64_t begin, int64_t end, int) {
        for_runs(l, begin, end, [&](int64_t at, int64_t, int64_t to, int64_t n) {
          if (step == 1)
            std::copy(in + at, in + at + n, y + to);
          else
            std::fill(y + to, y + to + n, in[at]);
        });
      });
    });
  }
  return record("broadcast_to", out, {x}, {}, [=](const BackwardArgs& g) { return Tensors{sum_to(g.grad, from)}; });
}

}  // namespace bantam
