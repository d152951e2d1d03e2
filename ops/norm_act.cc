#include "ops/norm_act.h"

#include <cmath>

#include "bantam_fault.h"
#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/kernels/reduce.h"
#include "ops/kernels/reduce_ref.h"
#include "ops/kernels_train/elementwise_grad.h"
#include "ops/kernels_train/elementwise_grad_ref.h"
#include "ops/kernels_train/norm_ref.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

// Everything of a channel's norm, as pointers into a NormState; null in a dry run.
template <class T> struct Rows {
  const T *slope, *mean, *scale, *shift;

  explicit Rows(const NormState& s)
      : slope(s.slopes.defined() ? s.slopes.data<T>() : nullptr), mean(s.mean.data<T>()), scale(s.scale.data<T>()),
        shift(s.shift.data<T>()) {}
  operator NormRows() const { return {slope, mean, scale, shift}; }
  ref::NormChannel<T> channel(int64_t k) const {
    return {slope != nullptr, slope ? slope[k] : T(1), mean[k], scale[k], shift[k]};
  }
};

// Rows of a piece of elementwise work: a multiple of 8, so that its first element starts a byte of a bit mask.
int64_t byte_rows(int64_t c) { return 8 * ceil_div(row_grain(c), 8); }

// [chunks, N, C] f64: N numbers a channel from every chunk of rows, written by chunk(begin, end, numbers). The last
// rows first: whoever made them wrote them last, and the pass that follows begins at the first, so that each begins in
// what the cache still has.
template <class Chunk> Tensor partial_sums(const RowChunks& chunks, int64_t rows, int64_t n, int64_t c, Chunk chunk) {
  Tensor partial = Tensor::empty({chunks.count, n, c}, DType::kF64);
  double* sums = partial.mutable_data<double>();
  parallel_for(chunks.count, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = chunks.count - 1 - first; i >= chunks.count - last; --i)
      chunk(i * chunks.rows, std::min(rows, (i + 1) * chunks.rows), sums + i * n * c);
  });
  return partial;
}
// to += the chunks' numbers, in order.
void add_partial(const Tensor& partial, int64_t count, Tensor* to) {
  const double* from = partial.data<double>();
  double* sum = to->mutable_data<double>();
  const int64_t n = partial.size() / partial.dim(0);
  parallel_for(n, n, [&](int64_t, int64_t, int) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t k = 0; k < n; ++k) sum[k] += from[i * n + k];
  });
}

// pre as a slope a channel; undefined for none.
Tensor slope_row(const NormForm& form, const Tensor& slope, int64_t c, DType dtype) {
  if (form.pre == NormPre::kNone) return {};
  Tensor row = Tensor::empty({c}, dtype);
  by_float_type("batch_norm", row, [&]<class T>(T) {
    T* to = row.mutable_data<T>();
    const T* from = form.pre == NormPre::kPRelu ? slope.data<T>() : nullptr;
    const int64_t step = form.pre == NormPre::kPRelu && slope.size() > 1;
    parallel_for(c, c, [&](int64_t, int64_t, int) {
      for (int64_t k = 0; k < c; ++k) to[k] = from ? from[k * step] : T(0);
    });
  });
  return row;
}

}  // namespace

void check_norm(const Tensor& x, const NormForm& form, const NormInputs& in) {
  if (x.rank() < 1 || x.size() == 0) throw Error("batch_norm: input is empty " + to_string(x.shape()));
  const int64_t c = x.shape()[-1];
  for (const Tensor* v :
       {&in.gamma, &in.beta, static_cast<const Tensor*>(in.running_mean), static_cast<const Tensor*>(in.running_var)}) {
    if (!v) continue;
    if (!(v->shape() == Shape{c}))
      throw Error("batch_norm: " + to_string(v->shape()) + " for input " + to_string(x.shape()));
    check_same_type("batch_norm", x, *v);
  }
  if (form.pre == NormPre::kPRelu) {
    check_same_type("batch_norm", x, in.slope);
    if (in.slope.size() != 1 && in.slope.size() != c)
      throw Error("batch_norm: " + to_string(in.slope.shape()) + " slopes for input " + to_string(x.shape()));
  }
  if (in.residual.defined()) {
    check_same_type("batch_norm", x, in.residual);
    if (!(in.residual.shape() == x.shape()))
      throw Error("batch_norm: residual " + to_string(in.residual.shape()) + " for input " + to_string(x.shape()));
    if (form.post != NormPost::kNone && form.post != NormPost::kRelu)  // whose gradient is more than the bits kept
      throw Error("batch_norm: behind a residual only a relu");
  }
  if (x.size() / c < 2) throw Error("batch_norm: only one value a channel to train on, input " + to_string(x.shape()));
}

NormState norm_statistics(const Tensor& x, const NormForm& form, const NormInputs& in) {
  const int64_t c = x.shape()[-1], rows = x.size() / c;
  NormState state{slope_row(form, in.slope, c, x.dtype()), {}, {}, {}, {}};
  for (Tensor* t : {&state.mean, &state.inv_std, &state.scale, &state.shift}) *t = Tensor::empty({c}, x.dtype());
  by_float_type("batch_norm", x, [&]<class T>(T) {
    const T *px = x.data<T>(), *slope = state.slopes.defined() ? state.slopes.data<T>() : nullptr;
    const RowChunks chunks = RowChunks::of(rows, c);
    Tensor partial = partial_sums(chunks, rows, 2, c, [&](int64_t b, int64_t e, double* m) {
      if constexpr (kIsF32<T>)
        channel_moments_f32(px + b * c, e - b, c, m, m + c, slope);
      else
        ref::channel_moments(px + b * c, e - b, c, m, m + c, slope);
    });
    double* moments = partial.mutable_data<double>();
    const T *g = in.gamma.data<T>(), *be = in.beta.data<T>();
    T *m = state.mean.mutable_data<T>(), *r = state.inv_std.mutable_data<T>(), *scale = state.scale.mutable_data<T>(),
      *shift = state.shift.mutable_data<T>();
    T* rm = in.running_mean ? in.running_mean->mutable_data<T>() : nullptr;
    T* rv = in.running_mean ? in.running_var->mutable_data<T>() : nullptr;
    parallel_for(c, c, [&](int64_t, int64_t, int) {
      double *means = moments, *m2s = moments + c;  // those of the first chunk become those of all
      for (int64_t i = 1; i < chunks.count; ++i) {
        const int64_t begin = i * chunks.rows, n = std::min(rows, begin + chunks.rows) - begin;
        merge_moments(double(begin), means, m2s, double(n), moments + i * 2 * c, moments + (i * 2 + 1) * c, c);
      }
      for (int64_t k = 0; k < c; ++k) {
        const double mu = means[k], m2 = m2s[k];
        const double inv = 1 / std::sqrt(m2 / double(rows) + form.eps);
        m[k] = T(mu);
        r[k] = T(inv);
        scale[k] = T(double(g[k]) * inv);
        shift[k] = T(double(be[k]) - (mu - double(m[k])) * double(g[k]) * inv);  // repairs the rounding of the mean
        if (rm) {
          rm[k] = T((1 - form.momentum) * double(rm[k]) + form.momentum * mu);
#ifdef BANTAM_FAULT_BN_BIASED_RUNNING
          rv[k] = T((1 - form.momentum) * double(rv[k]) + form.momentum * (m2 / double(rows)));
#else
          rv[k] = T((1 - form.momentum) * double(rv[k]) + form.momentum * (m2 / double(rows - 1)));
#endif
        }
      }
    });
  });
  return state;
}

void norm_apply(const NormState& state, NormPost post, const Tensor& x, const Tensor& residual, Tensor y,
                Tensor* passed) {
  const int64_t c = x.shape()[-1], rows = x.size() / c;
  by_float_type("batch_norm", x, [&]<class T>(T) {
    const Rows<T> p(state);
    const T *px = x.data<T>(), *more = residual.defined() ? residual.data<T>() : nullptr;
    T* out = y.mutable_data<T>();
    uint8_t* bits = passed ? passed->mutable_data<uint8_t>() : nullptr;
    parallel_for(rows, byte_rows(c), [&](int64_t b, int64_t e, int) {
      const int64_t at = b * c, n = (e - b) * c;
      if constexpr (kIsF32<T>) {
        norm_forward_f32(post, p, px + at, more ? more + at : nullptr,
                         {out + at, bits ? bits + at / 8 : nullptr, x.size()}, e - b, c);
      } else {
        for (int64_t i = at; i < at + n; ++i)
          out[i] = more ? ref::norm_forward(post, p.channel(i % c), px[i], more[i])
                        : ref::norm_forward(post, p.channel(i % c), px[i]);
        if (bits) ref::fill_bits(bits + at / 8, n, [&](int64_t i) { return out[at + i] > T(0); });
      }
    });
  });
}

void keep_passed(const Tensor& dy, const Tensor& mask, Tensor dx) {
  const uint8_t* passed = mask.data<uint8_t>();
  by_float_type("batch_norm", dy, [&]<class T>(T) {
    const T* g = dy.data<T>();
    T* out = dx.mutable_data<T>();
    parallel_for(dy.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
      if constexpr (kIsF32<T>)
        select_bits_f32(g + i, passed + i / 8, 1, out + i, e - i);
      else
        for (; i < e; ++i) out[i] = ref::get_bit(passed, i) ? g[i] : T(0);
    });
  });
}

List<SavedTensor> saved_norm(const NormState& state, const Tensor& gamma, const Tensor& mask, const Tensor& residual) {
  return {{"gamma", gamma}, {"slope", state.slopes}, {"mean", state.mean}, {"inv_std", state.inv_std},
          {"scale", state.scale}, {"shift", state.shift}, {"mask", mask}, {"residual", residual}};
}

NormGradient::NormGradient(const NormForm& form, const NormState& state, const Tensor& gamma, int64_t rows,
                           bool slope_gradient)
    : form_(form),
      state_(state),
      gamma_(gamma),
      rows_(rows),
      c_(gamma.size()),
      sums_(Tensor::zeros({2, c_}, DType::kF64)),
      coefficients_(Tensor::empty({4, c_}, gamma.dtype())) {
  if (slope_gradient) slope_sums_ = Tensor::zeros({c_}, DType::kF64);
}

namespace {

// dx of an element, from a, b, d and back of its channel, c apart; its share in the slope's gradient is added to
// *slope_sum.
template <class T>
T one_gradient(NormPost post, const ref::NormChannel<T>& p, const T* a, int64_t c, T dy, T x, double* slope_sum) {
  const T dpre = ref::norm_grad(post, p, a[0], a[c], a[2 * c], dy, x);
  if (slope_sum) *slope_sum += double(ref::prelu_slope_term(x, dpre));
  return p.has_slope && !(x > 0) ? dpre * a[3 * c] : dpre;
}

}  // namespace

void NormGradient::add(const Tensor& dy, const Tensor& x) {
  const int64_t c = c_, rows = x.size() / c;
  const RowChunks chunks = RowChunks::of(rows, c);
  by_float_type("batch_norm", x, [&]<class T>(T) {
    const T *g = dy.data<T>(), *px = x.data<T>();
    const Rows<T> p(state_);
    const Tensor partial = partial_sums(chunks, rows, 2, c, [&](int64_t b, int64_t e, double* sums) {
      if constexpr (kIsF32<T>) {
        norm_sums_f32(form_.post, p, g + b * c, px + b * c, e - b, c, sums, sums + c);
      } else {
        for (int64_t k = 0; k < 2 * c; ++k) sums[k] = 0;
        for (int64_t i = b * c; i < e * c; ++i) {
          const T passed = ref::norm_passed(form_.post, p.channel(i % c), g[i], px[i]);
          sums[i % c] += passed;
          sums[c + i % c] += passed * p.channel(i % c).deviation(px[i]);
        }
      }
    });
    add_partial(partial, chunks.count, &sums_);
  });
}

void NormGradient::add_masked(const Tensor& dy, const Tensor& mask, const Tensor& x, Tensor g) {
  if (x.dtype() != DType::kF32) {
    keep_passed(dy, mask, g);
    return add(g, x);
  }
  const int64_t c = c_, rows = x.size() / c;
  const RowChunks chunks = RowChunks::of(rows, c);
  const Rows<float> p(state_);
  const float *in = dy.data<float>(), *px = x.data<float>();
  const uint8_t* bits = mask.data<uint8_t>();
  float* out = g.mutable_data<float>();
  const Tensor partial = partial_sums(chunks, rows, 2, c, [&](int64_t b, int64_t e, double* sums) {
    norm_masked_sums_f32(p, in + b * c, {bits, b * c, rows * c}, px + b * c, out + b * c, e - b, c, sums, sums + c);
  });
  add_partial(partial, chunks.count, &sums_);
}

void NormGradient::finish(Tensor* dgamma, Tensor* dbeta) {
  by_float_type("batch_norm", gamma_, [&]<class T>(T) {
    const double* sums = sums_.data<double>();
    const T *r = state_.inv_std.data<T>(), *gamma = gamma_.data<T>();
    const T* slopes = state_.slopes.defined() ? state_.slopes.data<T>() : nullptr;
    T* a = coefficients_.mutable_data<T>();
    T *dg = dgamma ? dgamma->mutable_data<T>() : nullptr, *db = dbeta ? dbeta->mutable_data<T>() : nullptr;
    parallel_for(c_, c_, [&](int64_t, int64_t, int) {
      for (int64_t k = 0; k < c_; ++k) {
        const double inv = r[k], gain = gamma[k] * inv;
        a[k] = T(gain);
        a[c_ + k] = T(-gain * inv * inv * sums[c_ + k] / double(rows_));
        a[2 * c_ + k] = T(-gain * sums[k] / double(rows_));
        a[3 * c_ + k] = slopes ? slopes[k] : T(1);
        if (db) db[k] = T(sums[k]);
        if (dg) dg[k] = T(sums[c_ + k] * inv);
      }
    });
  });
}

// Where the slope's own gradient is wanted, it is summed up in the same pass.
void NormGradient::input_gradient(const Tensor& dy, const Tensor& x, Tensor dx) {
  const int64_t c = c_, rows = x.size() / c;
  by_float_type("batch_norm", x, [&]<class T>(T) {
    const T *g = dy.data<T>(), *px = x.data<T>(), *a = coefficients_.data<T>();
    const Rows<T> p(state_);
    T* out = dx.mutable_data<T>();
    if (!slope_sums_.defined()) {
      parallel_for(rows, row_grain(c), [&](int64_t b, int64_t e, int) {
        if constexpr (kIsF32<T>)
          norm_grad_f32(form_.post, p, {a, a + c, a + 2 * c, a + 3 * c}, g + b * c, px + b * c, out + b * c, e - b, c,
                        dx.size());
        else
          for (int64_t i = b * c; i < e * c; ++i)
            out[i] = one_gradient(form_.post, p.channel(i % c), a + i % c, c, g[i], px[i], nullptr);
      });
      return;
    }
    const RowChunks chunks = RowChunks::of(rows, c);
    const Tensor partial = partial_sums(chunks, rows, 1, c, [&](int64_t b, int64_t e, double* sums) {
      if constexpr (kIsF32<T>) {
        norm_grad_slope_f32(form_.post, p, {a, a + c, a + 2 * c, a + 3 * c}, g + b * c, px + b * c, out + b * c, e - b,
                            c, sums, dx.size());
      } else {
        for (int64_t k = 0; k < c; ++k) sums[k] = 0;
        for (int64_t i = b * c; i < e * c; ++i)
          out[i] = one_gradient(form_.post, p.channel(i % c), a + i % c, c, g[i], px[i], sums + i % c);
      }
    });
    add_partial(partial, chunks.count, &slope_sums_);
  });
}

Tensor NormGradient::slope_gradient(const Shape& shape) const {
  Tensor ds = Tensor::empty(shape, gamma_.dtype());
  by_float_type("batch_norm", ds, [&]<class T>(T) {
    const double* sums = slope_sums_.data<double>();
    T* out = ds.mutable_data<T>();
    const int64_t n = ds.size();
    parallel_for(n, n, [&](int64_t, int64_t, int) {
      double all = 0;
      for (int64_t k = 0; k < c_; ++k) all += sums[k];
      for (int64_t k = 0; k < n; ++k) out[k] = T(n == 1 ? all : sums[k]);
    });
  });
  return ds;
}

namespace {

// A node saves its input, then these.
constexpr size_t kInput = 0, kFirst = 1;

Tensor norm_again(NormPost post, const Node& node) {
  const auto saved = [&](size_t i) { return saved_value(node.saved[kFirst + i]); };
  const Tensor x = saved_value(node.saved[kInput]), residual = saved(kNormResidual);
  Tensor y;  // in memory that was made for this, if there is any
  if (node.saved[kInput].source && x.unique())
    y = x.detach();
  else if (node.saved[kFirst + kNormResidual].source && residual.unique())
    y = residual.detach();
  else
    y = Tensor::empty(x.shape(), x.dtype());
  norm_apply(saved_norm_state(saved), post, x, residual, y);
  return y;
}

Tensors norm_backward(NormForm form, int64_t rows, const Shape& slope_shape, const BackwardArgs& b) {
  const bool dgamma = b.needs[1], dbeta = b.needs[2], dslope = b.needs[3], dresidual = b.needs[4];
  Tensors grads(5);
  const bool masked = b.saved[kFirst + kNormMask].tensor.defined();
  Tensor dy;  // behind the activation
  if (masked) {
    dy = b.grad_room();
    form.post = NormPost::kNone;
  }
  // dx goes over what nobody reads any more: dy, unless that is the residual's gradient too, or an input that was made
  // again.
  const Tensor& x = b[kInput];
  Tensor dx;
  if (!dresidual && masked)
    dx = dy;
  else if (!dresidual && b.grad.unique())
    dx = b.grad_room();
  if (!masked) dy = b.grad.detach();
  if (dresidual) grads[4] = dy;
  if (dgamma) grads[1] = Tensor::empty({x.shape()[-1]}, x.dtype());
  if (dbeta) grads[2] = Tensor::empty({x.shape()[-1]}, x.dtype());

  NormGradient gradient(form, saved_norm_state([&](size_t i) { return b[kFirst + i]; }), b[kFirst + kNormGamma], rows,
                        dslope);
  if (masked)
    gradient.add_masked(b.grad, b[kFirst + kNormMask], x, dy);
  else
    gradient.add(dy, x);
  gradient.finish(dgamma ? &grads[1] : nullptr, dbeta ? &grads[2] : nullptr);
  if (!b.needs[0] && !dslope) return grads;
  if (!dx.defined()) dx = b.room_of(kInput);
  gradient.input_gradient(dy, x, dx);
  if (dslope) grads[3] = gradient.slope_gradient(slope_shape);
  if (b.needs[0]) grads[0] = dx;
  return grads;
}

}  // namespace

Tensor norm_act(const Tensor& x, const NormForm& form, const NormInputs& in, bool remake) {
  check_norm(x, form, in);
  const int64_t c = x.shape()[-1], rows = x.size() / c;
  const NormState state = norm_statistics(x, form, in);
  const Tensors inputs = {x, in.gamma, in.beta, in.slope, in.residual};
  const bool masked = in.residual.defined() && form.post == NormPost::kRelu && recording(inputs);
  Tensor passed;
  if (masked) passed = Tensor::empty({ceil_div(x.size(), 8)}, DType::kU8);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  norm_apply(state, form.post, x, in.residual, y, masked ? &passed : nullptr);

  RecomputeFn recompute;
  if (remake) recompute = [post = form.post](const Node& node) { return norm_again(post, node); };
  const Shape slope_shape = in.slope.shape();
  List<SavedTensor> saved = {{"input", x}};
  for (SavedTensor& t : saved_norm(state, in.gamma, passed, remake ? in.residual : Tensor()))
    saved.push_back(std::move(t));
  return record("batch_norm", y, inputs, std::move(saved),
                [=](const BackwardArgs& b) { return norm_backward(form, rows, slope_shape, b); },
                std::move(recompute));
}

}  // namespace bantam
