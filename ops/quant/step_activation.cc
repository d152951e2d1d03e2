#include "ops/quant/step_activation.h"

#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/code_values_ref.h"
#include "ops/kernels/elementwise.h"
#include "ops/quant/mask.h"

namespace bantam {
namespace {

constexpr int kLeastExponent = -126;
constexpr double kLogLow = 0.03;  // least over largest, of a range that is not measured

double power(double exponent) { return std::exp2(std::max(exponent, double(kLeastExponent))); }

// The largest value that the codebook reaches.
double reach_of(const QuantSpec& spec) { return spec.high > 0 ? spec.high : 1; }

void tanh_table(const QuantSpec& spec, StepTable* t) {
  const double m = spec.high > 0 ? std::tanh(spec.high) : 1;
  for (int j = 0; j < t->count; ++j) t->thresholds[j] = std::atanh(m * (2 * (j + 0.5) / t->count - 1));
  for (int j = 0; j <= t->count; ++j) t->values[j] = double(2 * j - t->count) / t->count;
}

void log_table(const QuantSpec& spec, StepTable* t) {
  const int levels = t->count;
  const double high = reach_of(spec), low = spec.low > 0 ? std::min(spec.low, high) : kLogLow * high;
  const double first = -std::log2(high), last = -std::log2(low);
  const double step = levels > 1 ? (last - first) / (levels - 1) : 0;
  t->thresholds[0] = power(kLeastExponent);
  for (int j = 0; j < levels; ++j) {
    const double depth = first + (levels - 1 - j) * step;
    t->values[j + 1] = power(-depth);
    if (j > 0) t->thresholds[j] = power(-(depth + 0.5 * step));
  }
}

void powers_table(const QuantSpec& spec, StepTable* t) {
  const double top = std::floor(std::log2(reach_of(spec)) + 0.5);
  const bool nearest = spec.scheme == Scheme::kPow2;
  for (int j = 1; j <= t->count; ++j) {
    const double exponent = top - (t->count - j);
    t->values[j] = power(exponent);
    t->thresholds[j - 1] = std::max(power(kLeastExponent), nearest  ? (t->values[j - 1] + t->values[j]) / 2
                                                           : j == 1 ? 0
                                                                    : power(exponent - 0.5));
  }
}

// The table in one type.
template <class T>
struct Steps {
  int count;
  T thresholds[(1 << kMaxQuantBits) - 1], values[1 << kMaxQuantBits];

  explicit Steps(const StepTable& t) : count(t.count) {
    std::transform(t.thresholds, t.thresholds + count, thresholds, [](double v) { return T(v); });
    std::transform(t.values, t.values + count + 1, values, [](double v) { return T(v); });
  }
};

void count(const Steps<float>& s, const float* x, uint8_t* bytes, int64_t n) {
  count_thresholds_f32(x, s.thresholds, s.count, bytes, n);
}
void count(const Steps<double>& s, const double* x, uint8_t* bytes, int64_t n) {
  for (int64_t i = 0; i < n; ++i) bytes[i] = ref::count_thresholds(x[i], s.thresholds, s.count);
}
void look_up(const Steps<float>& s, const float* x, float* y, int64_t n) {
  steps_f32(x, s.thresholds, s.values, s.count, y, n);
}
void look_up(const Steps<double>& s, const double* x, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = s.values[ref::count_thresholds(x[i], s.thresholds, s.count)];
}
void tanh_of(const float* x, float* t, int64_t n) { tanh_f32(x, t, n); }
void tanh_of(const double* x, double* t, int64_t n) {
  for (int64_t i = 0; i < n; ++i) t[i] = std::tanh(x[i]);
}

// Bytes of pixels [b, e) as codes: a byte each, or bits.
template <class T>
void encode(const Steps<T>& steps, const T* x, int64_t b, int64_t e, Codes* codes) {
  const int64_t c = codes->channels;
  if (!codes->is_bits()) return count(steps, x + b * c, codes->mutable_bytes() + b * c, (e - b) * c);
  for (int64_t p = b; p < e; ++p) {
    uint64_t* bits = codes->mutable_bits() + p * codes->words();
    std::fill_n(bits, codes->words(), uint64_t(0));
    for (int64_t i = 0; i < c; ++i)
      bits[i / kWordBits] |= uint64_t(x[p * c + i] >= steps.thresholds[0]) << (i % kWordBits);
  }
}

// dx = (1 - t^2) / m dvalue, and what goes through the maximum.
Tensor tanh_gradient(const Tensor& g, const Tensor& x, double high, bool of_batch) {
  Tensor dx = Tensor::empty(g.shape(), g.dtype());
  by_float_type("quantize", dx, [&]<class T>(T) {
    const T *dy = g.data<T>(), *in = x.data<T>();
    T* out = dx.mutable_data<T>();
    const T m = T(high > 0 ? std::tanh(high) : 1);
    const double along = parallel_sum(dx.size(), kElementGrain, [&](int64_t i, int64_t e) {
      double sum = 0;
      tanh_of(in + i, out + i, e - i);
      for (; i < e; ++i) {
        const T t = out[i];
        sum += double(dy[i]) * double(t);
        out[i] = dy[i] * (T(1) - t * t) / m;
      }
      return sum;
    });
    if (!of_batch || !(high > 0)) return;
    parallel_for(1, 1, [&](int64_t, int64_t, int) {
      const T* end = in + dx.size();
      const T* most = std::find_if(in, end, [high](T v) { return std::abs(double(v)) == high; });
      if (most == end) return;
      out[most - in] -= T(double(sign_value(*most)) * (1 - double(m) * double(m)) * along / (double(m) * double(m)));
    });
  });
  return dx;
}

Quantized tanh_activation(const Tensor& x, const QuantSpec& spec, bool of_batch, bool materialize_value) {
  Quantized q;
  q.codes = Codes::empty(x.shape(), grid_of(spec, Operand::kActivation));
  if (!q.codes.is_bits()) q.scale = Tensor::empty({1}, x.dtype());
  const StepTable table = step_table(spec);
  by_float_type("quantize", x, [&]<class T>(T) {
    const Steps<T> steps(table);
    const T* in = x.data<T>();
    if (q.scale.defined())
      parallel_for(1, 1, [&](int64_t, int64_t, int) { *q.scale.mutable_data<T>() = T(1) / T(table.count); });
    parallel_for(q.codes.pixels(), std::max<int64_t>(1, kElementGrain / q.codes.channels),
                 [&](int64_t b, int64_t e, int) { encode(steps, in, b, e, &q.codes); });
  });
  q.value =
      materialize_value ? expand(q.codes, q.scale, x.shape(), x.dtype()) : Tensor::virtual_like(x.shape(), x.dtype());
  q.value = record("tanh_activation", q.value, {x}, {{"input", x}},
                   [high = spec.high, of_batch](const BackwardArgs& b) -> Tensors {
                     return {tanh_gradient(b.grad, b[0], high, of_batch)};
                   });
  return q;
}

Quantized power_activation(const Tensor& x, const QuantSpec& spec) {
  Quantized q{Tensor::empty(x.shape(), x.dtype())};
  const bool masked = recording({x});
  Tensor mask;
  if (masked) mask = Tensor::empty({(x.size() + 7) / 8}, DType::kU8);
  const StepTable table = step_table(spec);
  by_float_type("quantize", x, [&]<class T>(T) {
    const Steps<T> steps(table);
    const T *in = x.data<T>(), high = T(reach_of(spec));
    T* out = q.value.mutable_data<T>();
    uint8_t* inside = masked ? mask.mutable_data<uint8_t>() : nullptr;
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      look_up(steps, in + b, out + b, e - b);
      if (masked) range_mask(in + b, T(0), high, inside + b / 8, e - b);
    });
  });
  List<SavedTensor> saved;
  if (masked) saved.push_back({"mask", mask});
  q.value = record("power_activation", q.value, {x}, std::move(saved),
                   [](const BackwardArgs& b) -> Tensors { return {where_bits(b.grad, b[0], b.grad_room())}; });
  return q;
}

}  // namespace

StepTable step_table(const QuantSpec& spec) {
  StepTable t;
  t.count = (1 << spec.bits) - 1;
  if (spec.scheme == Scheme::kTanh)
    tanh_table(spec, &t);
  else if (spec.scheme == Scheme::kLog)
    log_table(spec, &t);
  else if (spec.scheme == Scheme::kLog2 || spec.scheme == Scheme::kPow2)
    powers_table(spec, &t);
  else
    throw Error(std::string("quantize: ") + name_of(spec.scheme) + " has no table of steps");
  return t;
}

Quantized step_activation(const Tensor& x, const QuantSpec& spec, bool of_batch, bool materialize_value) {
  if (x.rank() < 1 || x.size() == 0) throw Error("quantize: input is empty " + to_string(x.shape()));
  if (spec.scheme == Scheme::kTanh) return tanh_activation(x, spec, of_batch, materialize_value);
  return power_activation(x, spec);
}

}  // namespace bantam
