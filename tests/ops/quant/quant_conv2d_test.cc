#include "ops/quant/quant_conv2d.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "ops/linear.h"
#include "ops/pad.h"
#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

// Every scheme of an operand, of 1, 2, 4 and 8 bits (activations) or 1 to 8 (weights) where it takes any number.
std::vector<QuantSpec> specs_of(Operand operand) {
  std::vector<QuantSpec> all;
  for (Scheme scheme :
       {Scheme::kNone, Scheme::kSign, Scheme::kStochastic, Scheme::kBwn, Scheme::kXnor, Scheme::kTwn, Scheme::kTernary,
        Scheme::kDorefa, Scheme::kTanh, Scheme::kRelu, Scheme::kUniform, Scheme::kHwgq, Scheme::kInt})
    for (int bits = 1; bits <= 8; ++bits) {
      QuantSpec s{.scheme = scheme, .surrogate = Surrogate::kIdentity, .bits = bits};
      if (operand == Operand::kActivation && traits_of(scheme).ranged) s.low = -0.4, s.high = 1.1;
      if (operand == Operand::kActivation && (bits & (bits - 1))) continue;
      if (operand == Operand::kWeight && scheme == Scheme::kNone) continue;
      if (refusal(s, operand).empty() && s == normal(s, operand)) all.push_back(s);
    }
  return all;
}
std::string text(const QuantSpec& s) { return std::string(name_of(s.scheme)) + " " + std::to_string(s.bits); }

struct Case {
  Shape x, w;
  Conv2dParams params;
  int pad_value = 0;
};
// Channels around the word and the block of panels; each stride, pad, dilation and group at least once.
const std::vector<Case> kCases = {
    {{2, 5, 6, 1}, {3, 3, 3, 1}, {.pad_h = 1, .pad_w = 1}},
    {{1, 5, 5, 63}, {17, 3, 3, 63}, {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}},
    {{2, 3, 4, 65}, {33, 1, 1, 65}, {.stride_w = 2}},
    {{2, 6, 5, 12}, {8, 2, 3, 6}, {.stride_w = 2, .pad_h = 1, .pad_w = 2, .dilation_w = 2, .groups = 2}},
    {{1, 6, 5, 7}, {7, 3, 3, 1}, {.stride_h = 2, .pad_h = 1, .pad_w = 1, .groups = 7}},
};

Quantized quantized_x(const Case& c, const QuantSpec& s, uint64_t seed, DType dtype = DType::kF32) {
  return quantize_activation(random_tensor(c.x, seed, dtype, s.scheme == Scheme::kHwgq ? 1.0 : 0.6, 0.2), s, false);
}

// The sum of the products of codes, an integer.
std::vector<int64_t> exact_sums(const Case& c, const Codes& x, const Codes& w) {
  const ConvShape s = conv_shape_of("test", c.x, c.w, c.params);
  const std::vector<int> a = all_codes(x, c.x.size()), b = all_codes(w, c.w.size());
  std::vector<int64_t> out;
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t oy = 0; oy < s.out_h(); ++oy)
      for (int64_t ox = 0; ox < s.out_w(); ++ox)
        for (int64_t k = 0; k < s.k; ++k) {
          int64_t sum = 0;
          for (int64_t ky = 0; ky < s.kh; ++ky)
            for (int64_t kx = 0; kx < s.kw; ++kx)
              for (int64_t i = 0; i < s.group_c(); ++i) {
                const int64_t y = oy * s.stride_h - s.pad_h + ky * s.dilation_h;
                const int64_t z = ox * s.stride_w - s.pad_w + kx * s.dilation_w;
                const int64_t ch = k / s.group_k() * s.group_c() + i;
                const bool inside = y >= 0 && y < s.h && z >= 0 && z < s.w;
                sum += int64_t(inside ? a[size_t(((n * s.h + y) * s.w + z) * s.c + ch)] : c.pad_value) *
                       b[size_t(((k * s.kh + ky) * s.kw + kx) * s.group_c() + i)];
              }
          out.push_back(sum);
        }
  return out;
}

// fma(sum, scale_x scale_w, bias or +0); without any scale sum + bias.
float finished(float sum, const Tensor& x_scale, const Tensor& w_scale, const Tensor& bias, int64_t k) {
  const float b = bias.defined() ? bias.data<float>()[k] : 0.0f;
  if (!x_scale.defined() && !w_scale.defined()) return bias.defined() ? sum + b : sum;
  float scale = x_scale.defined() ? x_scale.data<float>()[0] : 1.0f;
  if (w_scale.defined()) scale *= w_scale.data<float>()[w_scale.size() == 1 ? 0 : k];
  return std::fma(sum, scale, b);
}

// Float sums as they come from conv2d over the weights' codes, or exact ones rounded once.
Tensor sums_of(const Case& c, const Quantized& x, const Quantized& w) {
  if (!x.codes.defined()) return conv2d(x.value, expand(w.codes, {}, c.w, DType::kF32), {}, c.params);
  std::vector<double> sums;
  for (int64_t sum : exact_sums(c, x.codes, w.codes)) sums.push_back(double(float(sum)));
  const ConvShape s = conv_shape_of("test", c.x, c.w, c.params);
  return Tensor::of({s.n, s.out_h(), s.out_w(), s.k}, sums);
}

// "" if f32 gives these bits, else what it gives instead.
std::string wrong(const Case& c, const Quantized& x, const Quantized& w, const Tensor& bias) {
  const Tensor got = quant_conv2d(x, w, bias, c.params, c.pad_value), sums = sums_of(c, x, w);
  if (!(got.shape() == sums.shape())) return "shape " + to_string(got.shape());
  for (int64_t i = 0; i < got.size(); ++i) {
    const float want = finished(sums.data<float>()[i], x.scale, w.scale, bias, i % c.w[0]);
    if (memcmp(&want, got.data<float>() + i, 4) != 0)
      return "element " + std::to_string(i) + ": " + std::to_string(got.at(i)) + ", not " + std::to_string(want);
  }
  return "";
}

// Leaves of a graph at the values of quantized operands, and the operands with these as their values.
struct Leaves {
  Leaves(const Quantized& x, const Quantized& w, const Tensor& b)
      : x_value("x", materialize(x).detach()), w_value("w", materialize(w).detach()), bias("bias", b) {
    qx = {x_value.tensor(), x.codes, x.scale};
    qw = {w_value.tensor(), w.codes, w.scale};
  }
  Parameter x_value, w_value, bias;
  Quantized qx, qw;
};

// conv2d of the values, the padding written out where it is not 0.
Tensor by_values(const Case& c, const Tensor& x, const Tensor& w, const Tensor& bias, double pad_value) {
  if (c.pad_value == 0) return conv2d(x, w, bias, c.params);
  Conv2dParams inner = c.params;
  inner.pad_h = inner.pad_w = 0;
  const std::vector<int64_t> around = {0, c.params.pad_h, c.params.pad_w, 0};
  return conv2d(pad(x, around, around, pad_value), w, bias, inner);
}

double difference(const Tensor& a, const Tensor& b) {
  double worst = 0, largest = 1e-300;
  for (double v : b.values()) largest = std::max(largest, std::fabs(v));
  for (int64_t i = 0; i < b.size(); ++i) {
    const double d = std::fabs(a.at(i) - b.at(i));
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
  }
  return a.shape() == b.shape() ? worst / largest : INFINITY;
}

// The largest difference of output and gradients from those of conv2d at the values, relative to the largest element.
double worst_difference(const Case& c, const Quantized& x, const Quantized& w, uint64_t seed) {
  const DType dtype = x.value.dtype();
  const Tensor b = random_tensor({c.w[0]}, seed, dtype);
  Leaves q(x, w, b), v(x, w, b);
  const Tensor y = quant_conv2d(q.qx, q.qw, q.bias.tensor(), c.params, c.pad_value);
  const Tensor want = by_values(c, v.x_value.tensor(), v.w_value.tensor(), v.bias.tensor(),
                                c.pad_value * (x.scale.defined() ? x.scale.at(0) : 1.0));
  const Tensor dy = random_tensor(y.shape(), seed + 1, dtype);
  backward({y}, {dy});
  backward({want}, {dy});
  return std::max({difference(y, want), difference(q.x_value.grad, v.x_value.grad),
                   difference(q.w_value.grad, v.w_value.grad), difference(q.bias.grad, v.bias.grad)});
}

Granularity granularity_of(const QuantSpec& s, uint64_t seed) {
  return traits_of(s.scheme).granular && seed % 2 ? Granularity::kChannel : Granularity::kLayer;
}
Quantized quantized_w(const Case& c, QuantSpec s, uint64_t seed, DType dtype = DType::kF32) {
  s.granularity = granularity_of(s, seed);
  if (traits_of(s.scheme).scaled)
    s.scale = seed % 3 == 0 ? ScaleRule::kNone : seed % 3 == 1 ? ScaleRule::kMean : ScaleRule::kMax;
  return quantize_weight(random_tensor(c.w, seed, dtype, 0.5), s, false);
}

template <class F>
void for_each_pair(F f) {
  uint64_t seed = 1;
  for (const QuantSpec& a : specs_of(Operand::kActivation))
    for (const QuantSpec& b : specs_of(Operand::kWeight)) f(a, b, seed += 10);
}

}  // namespace

// [Eq. 3.9]
TEST_CASE("quant_conv2d: each filter sums the input channels' codes by its codes, and scales the sum, worked by hand") {
  // Two bits of relu, thirds: codes 0 1; 3 2. Ternary by max |w| of each channel: codes 1 -1 and 0 1, scales 4 and 1/2.
  const Tensor a = Tensor::of({1, 1, 2, 2}, {-1, 0.3, 2, 0.7}), f = Tensor::of({2, 1, 1, 2}, {4, -3, 0.125, 0.5});
  const Quantized x = quantize_activation(a, {.scheme = Scheme::kRelu, .bits = 2}, false);
  const Quantized w = quantize_weight(
      f, {.scheme = Scheme::kTernary, .granularity = Granularity::kChannel, .scale = ScaleRule::kMax}, false);
  const float third = 1.0f / 3.0f;
  const Tensor y = quant_conv2d(x, w, Tensor::of({2}, {10, -10}));
  CHECK(y.shape() == Shape{1, 1, 2, 2});
  CHECK(y.values() ==
        std::vector<double>{double(std::fma(-1.0f, third * 4, 10.0f)), double(std::fma(1.0f, third / 2, -10.0f)),
                            double(std::fma(1.0f, third * 4, 10.0f)), double(std::fma(2.0f, third / 2, -10.0f))});
}

// [Eq. 3.9]
TEST_CASE("quant_conv2d: every pair of schemes and bits gives the bits of exact integer arithmetic and one fma") {
  int pairs = 0;
  for_each_pair([&](const QuantSpec& a, const QuantSpec& b, uint64_t seed) {
    CAPTURE(text(a));
    CAPTURE(text(b));
    for (size_t i = 0; i < kCases.size(); ++i) {
      CAPTURE(i);
      const Case& c = kCases[i];
      const Quantized x = quantized_x(c, a, seed), w = quantized_w(c, b, seed + i);
      const Tensor bias = (seed / 10 + i) % 3 == 0 ? Tensor() : random_f32({c.w[0]}, seed + 7);
      REQUIRE(wrong(c, x, w, bias) == "");
    }
    ++pairs;
  });
  CHECK(pairs == 26 * 36);
}

TEST_CASE("quant_conv2d: padding of -1 and +1 is a code, for every scheme of activations and its step") {
  for_each_pair([&](const QuantSpec& a, const QuantSpec& b, uint64_t seed) {
    if (a.scheme == Scheme::kNone || b.bits > 3) return;
    CAPTURE(text(a));
    CAPTURE(text(b));
    for (Case c : kCases)
      for (int pad_value : {-1, 1}) {
        c.pad_value = pad_value;
        REQUIRE(wrong(c, quantized_x(c, a, seed), quantized_w(c, b, seed), random_f32({c.w[0]}, seed)) == "");
      }
  });
}

TEST_CASE("quant_linear: every pair of schemes and bits gives the bits of exact integer arithmetic and one fma") {
  for_each_pair([&](const QuantSpec& a, const QuantSpec& b, uint64_t seed) {
    CAPTURE(text(a));
    CAPTURE(text(b));
    for (int64_t in : {1, 67, 130}) {
      // A linear layer is the convolution of an image of one pixel.
      const Case image{{3, 1, 1, in}, {5, 1, 1, in}, {}}, flat{{3, in}, {5, in}, {}};
      const Quantized x = quantized_x(flat, a, seed), w = quantized_w(flat, b, seed);
      const Tensor bias = in == 67 ? Tensor() : random_f32({5}, seed);
      const Tensor got = quant_linear(x, w, bias);
      Tensor sums;
      if (x.codes.defined())
        sums = sums_of(image, x, w);
      else
        sums = linear(x.value, expand(w.codes, {}, flat.w, DType::kF32), {}, SumOrder::kAny);
      for (int64_t i = 0; i < 15; ++i)
        REQUIRE(got.data<float>()[i] == finished(sums.data<float>()[i], x.scale, w.scale, bias, i % 5));
    }
  });
}

TEST_CASE("quant_conv2d: output and gradients are those of conv2d at the values, f64 to 1e-12") {
  for_each_pair([&](const QuantSpec& a, const QuantSpec& b, uint64_t seed) {
    CAPTURE(text(a));
    CAPTURE(text(b));
    Case c = kCases[seed / 10 % kCases.size()];
    // The same products, scaled before or after they are added up.
    CHECK(worst_difference(c, quantized_x(c, a, seed, DType::kF64), quantized_w(c, b, seed, DType::kF64), seed) <
          1e-12);
    if (a.scheme == Scheme::kNone) return;
    c.pad_value = seed % 20 ? 1 : -1;
    CHECK(worst_difference(c, quantized_x(c, a, seed, DType::kF64), quantized_w(c, b, seed, DType::kF64), seed) <
          1e-12);
  });
}

TEST_CASE("quant_conv2d: output and gradients are those of conv2d at the values, f32 to 1e-5") {
  for_each_pair([&](const QuantSpec& a, const QuantSpec& b, uint64_t seed) {
    CAPTURE(text(a));
    CAPTURE(text(b));
    // Sums of up to 567 products in f32, of either sign: some 10 units of 2^-24 of the largest.
    const Case& c = kCases[seed / 10 % kCases.size()];
    CHECK(worst_difference(c, quantized_x(c, a, seed), quantized_w(c, b, seed), seed) < 1e-5);
  });
}

TEST_CASE("quant_conv2d: only the inputs that want one get a gradient, each the one that it gets among others") {
  const Case& c = kCases[3];
  for (Scheme scheme : {Scheme::kNone, Scheme::kSign, Scheme::kRelu}) {
    const Quantized x = quantized_x(c, {.scheme = scheme}, 1), w = quantized_w(c, {.scheme = Scheme::kXnor}, 2);
    const Tensor b = random_f32({c.w[0]}, 3);
    Leaves all(x, w, b);
    const Tensor y = quant_conv2d(all.qx, all.qw, all.bias.tensor(), c.params), dy = random_f32(y.shape(), 4);
    backward({y}, {dy});
    for (int only = 0; only < 3; ++only) {
      Leaves q(x, w, b);
      const Tensor one =
          quant_conv2d(only == 0 ? q.qx : x, only == 1 ? q.qw : w, only == 2 ? q.bias.tensor() : b, c.params);
      backward({one}, {dy});
      Parameter* const mine[] = {&q.x_value, &q.w_value, &q.bias};
      Parameter* const want[] = {&all.x_value, &all.w_value, &all.bias};
      CHECK(same_tensor(mine[only]->grad, want[only]->grad));
      for (int other = 0; other < 3; ++other)
        if (other != only) CHECK(!mine[other]->grad.defined());
    }
  }
}

TEST_CASE("quant_conv2d: sums at the accumulator's limits are exact, and beyond them it refuses") {
  // 33,025 products of 255 by 255 are the most that stay below 2^31.
  const auto of = [](int64_t n, int64_t in, double value) { return Tensor::full({n, in}, value); };
  const QuantSpec relu{.scheme = Scheme::kRelu, .bits = 8}, tanh{.scheme = Scheme::kTanh, .bits = 8};
  const Quantized x = quantize_activation(of(2, 33025, 1), relu, false);
  std::vector<double> rows(size_t(3 * 33025), 1.0);
  std::fill(rows.begin() + 33025, rows.begin() + 2 * 33025, -1.0);
  rows[2 * 33025] = -1;
  const Quantized w = quantize_weight(Tensor::of({3, 33025}, rows), tanh, false);
  const Tensor y = quant_linear(x, w);
  const int64_t most = int64_t(33025) * 255 * 255;
  CHECK(most < int64_t(1) << 31);
  CHECK(most + 255 * 255 >= int64_t(1) << 31);
  const float scale = (1.0f / 255.0f) * (1.0f / 255.0f);
  for (int64_t n = 0; n < 2; ++n) {
    CHECK(y.data<float>()[3 * n] == std::fma(float(most), scale, 0.0f));
    CHECK(y.data<float>()[3 * n + 1] == std::fma(float(-most), scale, 0.0f));
    CHECK(y.data<float>()[3 * n + 2] == std::fma(float(most - 2 * 255 * 255), scale, 0.0f));
  }
  CHECK(sums_fit(33025, {256, 1, 0}, {256, 2, -255}));
  CHECK_FALSE(sums_fit(33026, {256, 1, 0}, {256, 2, -255}));
  CHECK_THROWS_WITH_AS(
      quant_linear(quantize_activation(of(2, 33026, 1), relu, false), quantize_weight(of(3, 33026, 1), tanh, false)),
      "quant_linear: sums of 33026 products of codes up to 255 and 255 do not fit 32 bits", Error);
  // Bits: sums are floats, exact below 2^24.
  const int64_t long_row = (int64_t(1) << 24) - 1;
  const QuantSpec sign{.scheme = Scheme::kSign};
  const Quantized bits = quantize_activation(of(1, long_row, 1), sign, false);
  CHECK(quant_linear(bits, quantize_weight(of(1, long_row, -1), sign, false)).item() == double(-long_row));
  CHECK_THROWS_WITH_AS(quant_linear(quantize_activation(of(1, long_row + 1, 1), sign, false),
                                    quantize_weight(of(1, long_row + 1, 1), sign, false)),
                       "quant_linear: sums of 16777216 products are too long", Error);
}

TEST_CASE("quant_conv2d: sums beyond 2^24 are exact integers, rounded once") {
  // 577 products of 255 by 255 and a few more: an odd sum above 2^24 that f32 sums would miss.
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Case c{{1, 5, 5, 129}, {9, 3, 3, 129}, {.pad_h = 1, .pad_w = 1}};
    const Quantized x =
        quantize_activation(random_f32(c.x, seed, 0.1, 0.95), {.scheme = Scheme::kRelu, .bits = 8}, false);
    const Quantized w = quantize_weight(random_f32(c.w, seed + 9, 0.1, 2), {.scheme = Scheme::kTanh, .bits = 8}, false);
    int64_t most = 0;
    for (int64_t sum : exact_sums(c, x.codes, w.codes)) most = std::max(most, sum);
    CHECK(most > int64_t(1) << 25);
    CHECK(wrong(c, x, w, {}) == "");
  }
}

TEST_CASE("quant_conv2d: the same bytes for any number of threads, forward and backward, over groups of images") {
  // 40 images of 64 KiB and more: the weight gradient takes them in groups.
  const Case c{{40, 16, 16, 64}, {24, 3, 3, 64}, {.pad_h = 1, .pad_w = 1}};
  const QuantSpec pairs[][2] = {{{.scheme = Scheme::kSign}, {.scheme = Scheme::kBwn}},
                                {{.scheme = Scheme::kRelu, .bits = 4}, {.scheme = Scheme::kXnor}},
                                {{.scheme = Scheme::kNone}, {.scheme = Scheme::kTwn}},
                                {{.scheme = Scheme::kUniform, .bits = 8}, {.scheme = Scheme::kTanh, .bits = 8}}};
  const int before = threads();
  for (const auto& pair : pairs) {
    CAPTURE(text(pair[0]));
    Tensors first;
    for (int n : {1, 4, 3}) {
      set_threads(n);
      Leaves q(quantized_x(c, pair[0], 1), quantized_w(c, pair[1], 2), random_f32({24}, 3));
      const Tensor y = quant_conv2d(q.qx, q.qw, q.bias.tensor(), c.params);
      backward({y}, {random_f32(y.shape(), 4)});
      const Tensors all = {y.detach(), q.x_value.grad, q.w_value.grad, q.bias.grad};
      if (n == 1) first = all;
      for (size_t i = 0; i < all.size(); ++i) CHECK(same_tensor(all[i], first[i]));
    }
  }
  set_threads(before);
}

TEST_CASE(
    "quant_conv2d: on codes its output is made again from what it saves, bit for bit; with real inputs it is kept") {
  for_each_pair([&](const QuantSpec& a, const QuantSpec& b, uint64_t seed) {
    if (b.bits > 3) return;
    CAPTURE(text(a));
    CAPTURE(text(b));
    const Case& c = kCases[seed / 10 % kCases.size()];
    Leaves q(quantized_x(c, a, seed), quantized_w(c, b, seed), random_f32({c.w[0]}, seed));
    const Tensor y = quant_conv2d(q.qx, q.qw, q.bias.tensor(), c.params);
    REQUIRE(recomputable(y) == (a.scheme != Scheme::kNone));
    if (recomputable(y)) CHECK(same_tensor(y.node()->recompute(*y.node()), y.detach()));
    CHECK(y.node()->saved[0].tensor.buffer() == (q.qx.codes.defined() ? q.qx.codes.tensor : q.x_value.value).buffer());
    CHECK(std::string(y.node()->saved[0].name) == (q.qx.codes.defined() ? "codes" : "input"));
    CHECK(y.node()->saved[1].tensor.buffer() == q.qw.codes.tensor.buffer());
  });
}

namespace {

// value(at) + h(x) - h(at): what the quantizer gives at `at`, with the derivative of its surrogate h.
Tensor straight_through(const Tensor& value, const Tensor& x, const Tensor& at,
                        const std::function<Tensor(const Tensor&)>& h) {
  std::vector<double> v = value.values();
  const std::vector<double> now = h(x).values(), then = h(at).values();
  for (size_t i = 0; i < v.size(); ++i) v[i] += now[i] - then[i];
  return Tensor::of(x.shape(), v, DType::kF64);
}
Tensor clamped(const Tensor& x, double lo, double hi) {
  std::vector<double> v = x.values();
  for (double& e : v) e = std::min(std::max(e, lo), hi);
  return Tensor::of(x.shape(), v, x.dtype());
}
Tensor over_its_largest_tanh(const Tensor& w) {
  std::vector<double> v = w.values();
  double most = 0;
  for (double& e : v) e = std::tanh(e), most = std::max(most, std::fabs(e));
  for (double& e : v) e /= most;
  return Tensor::of(w.shape(), v, w.dtype());
}
Tensor same(const Tensor& x) { return x; }

}  // namespace

TEST_CASE("quant_conv2d, quant_linear: gradients are those of the quantizers' declared surrogates") {
  const struct {
    QuantSpec x, w;
    std::function<Tensor(const Tensor&)> hx, hw;
    std::vector<double> kinks;
  } pairs[] = {
      {{.scheme = Scheme::kRelu, .bits = 3},
       {.scheme = Scheme::kTanh, .bits = 3},
       [](const Tensor& x) { return clamped(x, 0, 1); },
       over_its_largest_tanh,
       {0, 1}},
      {{.scheme = Scheme::kUniform, .surrogate = Surrogate::kClip, .bits = 4},
       {.scheme = Scheme::kTwn},
       [](const Tensor& x) { return clamped(x, -1, 1); },
       same,
       {-1, 1}},
      {{.scheme = Scheme::kSign, .surrogate = Surrogate::kClip},
       {.scheme = Scheme::kBwn, .scale = ScaleRule::kMean},
       [](const Tensor& x) { return clamped(x, -1, 1); },
       same,
       {-1, 0, 1}},
      {{.scheme = Scheme::kNone}, {.scheme = Scheme::kUniform, .bits = 3, .scale = ScaleRule::kMax}, same, same, {}},
  };
  for (const auto& pair : pairs)
    for (int pad_value : {0, 1}) {
      if (pad_value && pair.x.scheme == Scheme::kNone) continue;
      CAPTURE(text(pair.x));
      CAPTURE(pad_value);
      const Case c{{2, 3, 4, 4}, {4, 3, 2, 2}, {.stride_w = 2, .pad_h = 1, .pad_w = 1, .groups = 2}, pad_value};
      const auto off_kinks = [&](const Shape& shape, uint64_t seed) {
        std::vector<double> v = random_f64(shape, seed).values();
        for (double& e : v)
          for (double kink : pair.kinks)
            if (std::fabs(e - kink) < 0.01) e = kink + 0.02;
        return Tensor::of(shape, v, DType::kF64);
      };
      const auto values = [&](const Tensors& in, const Tensor& x0, const Tensor& w0) {
        const Tensor vx = materialize(quantize_activation(x0, pair.x, true)).detach();
        const Tensor vw = materialize(quantize_weight(w0, pair.w, true)).detach();
        return Tensors{straight_through(vx, in[0], x0, pair.hx), straight_through(vw, in[1], w0, pair.hw)};
      };
      const Tensor x0 = off_kinks(c.x, 1), w0 = off_kinks(c.w, 2);
      GradcheckOptions options;
      options.surrogate = [&](const Tensors& in) {
        const Tensors v = values(in, x0, w0);
        const Quantized q = quantize_activation(x0, pair.x, false);
        return by_values(c, v[0], v[1], in[2], pad_value * (q.scale.defined() ? q.scale.at(0) : 1.0));
      };
      CHECK(gradcheck(
                "quant_conv2d",
                [&](const Tensors& in) {
                  return quant_conv2d(quantize_activation(in[0], pair.x, false), quantize_weight(in[1], pair.w, false),
                                      in[2], c.params, pad_value);
                },
                {x0, w0, random_f64({4}, 3)}, options) == "");
      if (pad_value) continue;
      const Tensor x1 = off_kinks({3, 7}, 4), w1 = off_kinks({4, 7}, 5);
      options.surrogate = [&](const Tensors& in) {
        const Tensors v = values(in, x1, w1);
        return linear(v[0], v[1], in[2]);
      };
      CHECK(gradcheck(
                "quant_linear",
                [&](const Tensors& in) {
                  return quant_linear(quantize_activation(in[0], pair.x, false), quantize_weight(in[1], pair.w, false),
                                      in[2]);
                },
                {x1, w1, random_f64({4}, 6)}, options) == "");
    }
}

TEST_CASE(
    "arithmetic_of: bits by bits run on bits, other codes as integers, real inputs and scales by kernel as floats") {
  const QuantSpec none, sign{.scheme = Scheme::kSign}, relu{.scheme = Scheme::kRelu};
  const QuantSpec one_bit_tanh{.scheme = Scheme::kTanh, .bits = 1}, two_bit_tanh{.scheme = Scheme::kTanh, .bits = 2};
  const WeightShape conv{9, 1}, grouped{9, 3}, dense{1, 1};
  for (const QuantSpec& w :
       {sign, QuantSpec{.scheme = Scheme::kBwn}, QuantSpec{.scheme = Scheme::kXnor}, one_bit_tanh}) {
    CHECK(arithmetic_of(w, sign, conv) == Arithmetic::kBits);
    CHECK(arithmetic_of(w, relu, conv) == Arithmetic::kCodes);
    CHECK(arithmetic_of(w, none, conv) == Arithmetic::kCodedWeights);
    // Groups of plain signs stay conv2d of the values, as they were.
    CHECK(arithmetic_of(w, sign, grouped) == (w == sign ? Arithmetic::kCodedWeights : Arithmetic::kCodes));
  }
  CHECK(arithmetic_of(two_bit_tanh, sign, conv) == Arithmetic::kCodes);
  CHECK(arithmetic_of(none, relu, conv) == Arithmetic::kReal);
  for (Scheme scheme : {Scheme::kBwn, Scheme::kXnor, Scheme::kTwn, Scheme::kTernary, Scheme::kUniform}) {
    const QuantSpec by_kernel{.scheme = scheme, .granularity = Granularity::kKernel};
    CHECK(arithmetic_of(by_kernel, relu, conv) == Arithmetic::kReal);
    CHECK(arithmetic_of(by_kernel, relu, dense) == Arithmetic::kCodes);
    CHECK(arithmetic_of(by_kernel, none, dense) == Arithmetic::kCodedWeights);
  }
}

TEST_CASE("quant_conv2d: what does not fit is an error that names the op and the shapes") {
  const QuantSpec relu{.scheme = Scheme::kRelu}, twn{.scheme = Scheme::kTwn};
  const auto activations = [&](const Shape& s) { return quantize_activation(Tensor::zeros(s), relu, false); };
  const auto weights = [&](const Shape& s) { return quantize_weight(Tensor::zeros(s), twn, false); };
  const Quantized x = activations({1, 4, 4, 3}), w = weights({2, 3, 3, 3});
  CHECK_THROWS_WITH_AS(quant_conv2d(x, weights({2, 3, 3, 4})),
                       "quant_conv2d: weight has 4 input channels, input has 3 [1,4,4,3]", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d(x, w, {}, {}, 2), "quant_conv2d: padding must be 0, +1 or -1", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d({x.value}, w, {}, {}, 1), "quant_conv2d: padding of real activations is 0", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d(x, {w.value}), "quant_conv2d: weights have no codes", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d(x, {w.value, weights({2, 3, 3, 2}).codes}),
                       "quant_conv2d: codes do not fit the weight [2,3,3,3]", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d({x.value, activations({1, 4, 4, 2}).codes}, w),
                       "quant_conv2d: codes of 2 channels do not fit the value [1,4,4,3]", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d(x, w, Tensor::zeros({3})), "quant_conv2d: bias must be [2], is [3]", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d(x, w, Tensor::zeros({2}, DType::kF64)),
                       "quant_conv2d: input is f32, weight, scale or bias is not", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d({x.value, x.codes, Tensor::zeros({3})}, w),
                       "quant_conv2d: activations have one scale", Error);
  const Quantized by_kernel = quantize_weight(Tensor::zeros({2, 3, 3, 3}),
                                              {.scheme = Scheme::kTwn, .granularity = Granularity::kKernel}, false);
  CHECK_THROWS_WITH_AS(quant_conv2d(x, by_kernel),
                       "quant_conv2d: weights have one scale or one for each output channel, not [2,3]", Error);
  CHECK_THROWS_WITH_AS(quant_conv2d({Tensor::zeros({1, 4, 4, 3}, DType::kI32)}, w), "quant_conv2d: input is i32",
                       Error);
  CHECK_THROWS_WITH_AS(quant_linear(activations({2, 5}), weights({4, 6})),
                       "quant_linear: weight has 6 inputs, input has 5 [2,5]", Error);
  CHECK_THROWS_WITH_AS(quant_linear(x, weights({4, 3})), "quant_linear: input must be [N,in], is [1,4,4,3]", Error);
  CHECK_THROWS_WITH_AS(quant_linear(activations({2, 5}), w), "quant_linear: weight must be [out,in], is [2,3,3,3]",
                       Error);
  {
    const DryRun dry;
    const Quantized huge = quantize_activation(Tensor::empty({1, 1, int64_t(1) << 24, 4096}), relu, false);
    const Quantized one = quantize_weight(Tensor::empty({1, 1, 1, 4096}), twn, false);
    CHECK_THROWS_WITH_AS(quant_conv2d(huge, one),
                         "quant_conv2d: input [1,1,16777216,4096] or weight [1,1,1,4096] is too large", Error);
  }
}
