#include "ops/quant/binary_conv2d.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/parallel.h"
#include "core/pool.h"
#include "ops/linear.h"
#include "ops/quant/sign.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

struct Case {
  Shape x, w;
  Conv2dParams params;
  int pad_value = 0;
};

// Channels around the word; every stride, padding and dilation that the kernel tests go through more densely.
const std::vector<Case> kCases = {
    {{2, 5, 6, 1}, {3, 3, 3, 1}, {.pad_h = 1, .pad_w = 1}, 0},
    {{1, 7, 7, 63}, {17, 3, 3, 63}, {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}, 0},
    {{3, 4, 4, 64}, {16, 3, 3, 64}, {.pad_h = 1, .pad_w = 1}, 1},
    {{2, 6, 5, 65}, {5, 2, 3, 65}, {.stride_w = 2, .pad_h = 1, .pad_w = 2, .dilation_w = 2}, -1},
    {{2, 8, 8, 130}, {33, 1, 1, 130}, {.stride_h = 2, .stride_w = 2}, 0},
};

Tensor small_integers(const Shape& shape, uint64_t seed) {
  const Rng rng(seed, kRngTest);
  std::vector<double> v(size_t(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = double(rng.below(i, 7)) - 3;
  return Tensor::of(shape, v);
}

Tensor signs_of(const Tensor& t) {
  std::vector<double> v = t.values();
  for (double& e : v) e = sign_value(e);
  return Tensor::of(t.shape(), v, t.dtype());
}

// The image with its padding written out.
Tensor padded(const Tensor& x, const Conv2dParams& p, double value) {
  const int64_t n = x.dim(0), h = x.dim(1), w = x.dim(2), c = x.dim(3), ph = h + 2 * p.pad_h, pw = w + 2 * p.pad_w;
  std::vector<double> v(size_t(n * ph * pw * c), value);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t y = 0; y < h; ++y)
      for (int64_t z = 0; z < w; ++z)
        for (int64_t k = 0; k < c; ++k)
          v[size_t(((i * ph + y + p.pad_h) * pw + z + p.pad_w) * c + k)] = x.at(((i * h + y) * w + z) * c + k);
  return Tensor::of({n, ph, pw, c}, v, x.dtype());
}

// conv2d on +-1 values, the padding written out where it is not 0.
Tensor by_values(const Case& c, const Tensor& x, const Tensor& w, const Tensor& bias) {
  if (c.pad_value == 0) return conv2d(x, w, bias, c.params);
  Conv2dParams inner = c.params;
  inner.pad_h = inner.pad_w = 0;
  return conv2d(padded(x, c.params, c.pad_value), w, bias, inner);
}

// Values at least 0.05 away from the kinks -1, 0 and 1 of the surrogates.
Tensor off_kinks(const Shape& shape, uint64_t seed) {
  std::vector<double> v = random_f64(shape, seed).values();
  for (double& e : v)
    for (double kink : {-1.0, 0.0, 1.0})
      if (std::fabs(e - kink) < 0.05) e = kink + 0.05;
  return Tensor::of(shape, v, DType::kF64);
}

// sign(at) + h(x) - h(at): equal to the sign at `at`, and with the derivative of the surrogate h.
Tensor straight_through(const Tensor& x, const Tensor& at, Surrogate s) {
  auto h = [s](double v) { return s == Surrogate::kClip ? std::min(std::max(v, -1.0), 1.0) : v; };
  std::vector<double> v = x.values();
  const std::vector<double> a = at.values();
  for (size_t i = 0; i < v.size(); ++i) v[i] = sign_value(a[i]) + h(v[i]) - h(a[i]);
  return Tensor::of(x.shape(), v, DType::kF64);
}

}  // namespace

TEST_CASE("binary_conv2d: by hand: one pixel of two channels, forward and all gradients") {
  Parameter x("x", Tensor::of({1, 1, 1, 2}, {0.5, -2})), w("w", Tensor::of({1, 1, 1, 2}, {-3, -0.5})),
      b("b", Tensor::of({1}, {0.25}));
  const Tensor y = binary_conv2d(sign(x.tensor(), Surrogate::kClip), w.tensor(), Surrogate::kClip, b.tensor());
  CHECK(y.item() == 1 * -1 + -1 * -1 + 0.25);
  backward({y}, {Tensor::of({1, 1, 1, 1}, {3})});
  CHECK(x.grad.values() == std::vector<double>{-3, 0});  // 3 * sign(w); |-2| > 1
  CHECK(w.grad.values() == std::vector<double>{0, -3});  // |-3| > 1; 3 * sign(x)
  CHECK(b.grad.values() == std::vector<double>{3});
}

// [Eq. 3.9]
TEST_CASE("binary_conv2d: each filter sums the input channels' quantized map by its quantized kernel, worked by hand") {
  const Tensor a = Tensor::of({1, 1, 3, 2}, {0.5, -1, -2, 0.25, 3, -0.125});  // signs + - +; - + -
  const Tensor f = Tensor::of({2, 1, 2, 2}, {0.25, -1, -4, 2,                 // filter 1: + -; - +
                                             1, 0.5, 1, -0.5});               // filter 2: + +; + -
  const Tensor o = binary_conv2d(sign(a, Surrogate::kClip), f, Surrogate::kIdentity);
  CHECK(o.shape() == Shape{1, 1, 2, 2});
  CHECK(o.values() == std::vector<double>{2 + 2, 0 - 2, -2 - 2, 0 + 2});
}

TEST_CASE("binary_conv2d: forward equals conv2d on the +-1 values bit for bit, with and without bias") {
  uint64_t seed = 10;
  for (const Case& c : kCases) {
    const Tensor x = random_f32(c.x, ++seed), w = random_f32(c.w, ++seed), bias = random_f32({c.w[0]}, ++seed);
    for (const Tensor& b : {Tensor(), bias}) {
      const Tensor got = binary_conv2d(sign(x, Surrogate::kClip), w, Surrogate::kIdentity, b, c.params, c.pad_value);
      const Tensor want = by_values(c, signs_of(x), signs_of(w), b);
      REQUIRE(got.shape() == want.shape());
      CHECK(got.values() == want.values());
    }
  }
}

TEST_CASE("binary_conv2d: gradients equal those of conv2d at the +-1 values, exactly where the sums are") {
  uint64_t seed = 30;
  for (const Case& c : kCases)
    for (Surrogate surrogate : {Surrogate::kIdentity, Surrogate::kClip}) {
      Parameter x("x", random_f32(c.x, ++seed)), w("w", random_f32(c.w, ++seed)),
          bias("bias", random_f32({c.w[0]}, ++seed));
      const Tensor y = binary_conv2d(sign(x.tensor(), Surrogate::kIdentity), w.tensor(), surrogate, bias.tensor(),
                                     c.params, c.pad_value);
      const Tensor dy = small_integers(y.shape(), ++seed);
      backward({y}, {dy});

      Parameter xv("x", signs_of(x.value)), wv("w", signs_of(w.value)), bv("bias", bias.value);
      const Tensor full =
          conv2d(xv.tensor(), wv.tensor(), bv.tensor(), c.params);  // right for all but dw of a filled padding
      backward({full}, {dy});
      CHECK(x.grad.values() == xv.grad.values());
      CHECK(bias.grad.values() == bv.grad.values());
      wv.zero_grad();
      backward({by_values(c, signs_of(x.value), wv.tensor(), Tensor())}, {dy});
      std::vector<double> want = wv.grad.values();
      for (size_t i = 0; i < want.size(); ++i)
        if (surrogate == Surrogate::kClip && std::fabs(w.value.at(int64_t(i))) > 1) want[i] = 0;
      CHECK(w.grad.values() == want);
    }
}

TEST_CASE("binary_conv2d: gradients are those of the declared surrogates") {
  for (Surrogate s : {Surrogate::kIdentity, Surrogate::kClip})
    for (int pad_value : {0, 1, -1}) {
      const Conv2dParams params{.stride_w = 2, .pad_h = 1, .pad_w = 1};
      const Tensor x0 = off_kinks({2, 3, 4, 3}, 1), w0 = off_kinks({2, 3, 2, 3}, 2);
      const Case c{x0.shape(), w0.shape(), params, pad_value};
      GradcheckOptions options;
      options.surrogate = [&](const Tensors& in) {
        return by_values(c, straight_through(in[0], x0, s), straight_through(in[1], w0, s), in[2]);
      };
      CHECK(gradcheck(
                "binary_conv2d",
                [&](const Tensors& in) { return binary_conv2d(sign(in[0], s), in[1], s, in[2], params, pad_value); },
                {x0, w0, random_f64({2}, 3)}, options) == "");
    }
}

TEST_CASE("binary_linear: gradients are those of the declared surrogates") {
  for (Surrogate s : {Surrogate::kIdentity, Surrogate::kClip}) {
    const Tensor x0 = off_kinks({3, 7}, 4), w0 = off_kinks({4, 7}, 5);
    GradcheckOptions options;
    options.surrogate = [&](const Tensors& in) {
      return linear(straight_through(in[0], x0, s), straight_through(in[1], w0, s), in[2]);
    };
    CHECK(gradcheck("binary_linear", [&](const Tensors& in) { return binary_linear(sign(in[0], s), in[1], s, in[2]); },
                    {x0, w0, random_f64({4}, 6)}, options) == "");
  }
}

TEST_CASE("binary_linear: forward and gradients equal linear's on the +-1 values") {
  for (int64_t in : {1, 63, 64, 65, 513}) {
    Parameter x("x", random_f32({9, in}, 1)), w("w", random_f32({10, in}, 2)), b("b", random_f32({10}, 3));
    const Tensor y =
        binary_linear(sign(x.tensor(), Surrogate::kIdentity), w.tensor(), Surrogate::kIdentity, b.tensor());
    Parameter xv("x", signs_of(x.value)), wv("w", signs_of(w.value)), bv("b", b.value);
    const Tensor want = linear(xv.tensor(), wv.tensor(), bv.tensor());
    CHECK(y.values() == want.values());
    const Tensor dy = small_integers(y.shape(), 4);
    backward({y}, {dy});
    backward({want}, {dy});
    CHECK(x.grad.values() == xv.grad.values());
    CHECK(w.grad.values() == wv.grad.values());
    CHECK(b.grad.values() == bv.grad.values());
  }
}

TEST_CASE("binary_conv2d: f64 equals f32, whose sums are exact") {
  for (const Case& c : kCases) {
    const Tensor x = random_f32(c.x, 50), w = random_f32(c.w, 51);
    const Tensor y32 = binary_conv2d(sign(x, Surrogate::kClip), w, Surrogate::kIdentity, {}, c.params, c.pad_value);
    const Tensor y64 = binary_conv2d(sign(x.to(DType::kF64), Surrogate::kClip), w.to(DType::kF64), Surrogate::kIdentity,
                                     {}, c.params, c.pad_value);
    CHECK(y32.values() == y64.values());
  }
}

TEST_CASE(
    "binary_conv2d: weight gradients over several groups of images, and any number of threads, give the same bytes") {
  // 40 images of 128 KiB as f32: two groups.
  const int before = threads();
  Parameter x("x", random_f32({40, 16, 16, 128}, 60)), w("w", random_f32({24, 3, 3, 128}, 61));
  const Tensor dy = random_f32({40, 16, 16, 24}, 62), exact = small_integers(dy.shape(), 63);
  const Conv2dParams params{.pad_h = 1, .pad_w = 1};
  std::vector<double> y1, dx1, dw1;
  for (int n : {1, 2, 3}) {
    set_threads(n);
    x.zero_grad(), w.zero_grad();
    const Tensor y = binary_conv2d(sign(x.tensor(), Surrogate::kClip), w.tensor(), Surrogate::kClip, {}, params);
    backward({y}, {dy});
    if (n == 1) y1 = y.values(), dx1 = x.grad.values(), dw1 = w.grad.values();
    CHECK(y.values() == y1);
    CHECK(x.grad.values() == dx1);
    CHECK(w.grad.values() == dw1);
  }
  set_threads(before);
  w.zero_grad();
  backward({binary_conv2d(sign(x.value, Surrogate::kClip), w.tensor(), Surrogate::kIdentity, {}, params)}, {exact});
  Parameter wv("w", signs_of(w.value));
  backward({conv2d(signs_of(x.value), wv.tensor(), {}, params)}, {exact});
  CHECK(w.grad.values() == wv.grad.values());
}

TEST_CASE("binary_conv2d: saves the bits of its input, and makes its output again from them") {
  Parameter x("x", random_f32({2, 8, 8, 96}, 70)), w("w", random_f32({16, 3, 3, 96}, 71)), b("b", random_f32({16}, 72));
  const Quantized q = sign(x.tensor(), Surrogate::kIdentity);
  const Tensor y = binary_conv2d(q, w.tensor(), Surrogate::kIdentity, b.tensor(), {.pad_h = 1, .pad_w = 1});
  size_t own = 0;  // bytes that are not the parameters'
  for (const SavedTensor& s : y.node()->saved)
    if (s.tensor.buffer() != w.value.buffer() && s.tensor.buffer() != b.value.buffer()) own += s.tensor.bytes();
  CHECK(own == 2 * 8 * 8 * 2 * 8);
  CHECK(recomputable(y));
  CHECK(y.node()->recompute(*y.node()).values() == y.values());
}

TEST_CASE("binary_conv2d: a dry run takes the memory of the real one") {
  auto high_water = [] {
    const size_t before = pool_stats().live_bytes;
    reset_high_water();
    Parameter x("x", Tensor::zeros({40, 16, 16, 128})), w("w", Tensor::zeros({24, 3, 3, 128})),
        b("b", Tensor::zeros({24}));
    const Tensor y = binary_conv2d(sign(x.tensor(), Surrogate::kClip), w.tensor(), Surrogate::kClip, b.tensor(),
                                   {.pad_h = 1, .pad_w = 1}, 1);
    backward({y}, {Tensor::zeros(y.shape())});
    return pool_stats().high_water_bytes - before;
  };
  const size_t real = high_water();
  const DryRun dry;
  CHECK(high_water() == real);
}

TEST_CASE(
    "BinaryConnect: conv2d with sign_ste weights takes real inputs, and hands its weights the declared gradient") {
  Parameter x("x", Tensor::of({1, 1, 1, 2}, {0.5, -2})), w("w", Tensor::of({1, 1, 1, 2}, {-3, 0.5}));
  const Tensor y = conv2d(x.tensor(), sign_ste(w.tensor(), Surrogate::kClip));
  CHECK(y.item() == -0.5 - 2);
  backward({y}, {Tensor::of({1, 1, 1, 1}, {3})});
  CHECK(x.grad.values() == std::vector<double>{-3, 3});
  CHECK(w.grad.values() == std::vector<double>{0, -6});
}

TEST_CASE("binary_conv2d: what does not fit is an error that names the op and the shapes") {
  const Quantized x = sign(Tensor::zeros({1, 4, 4, 3}), Surrogate::kClip);
  const Surrogate s = Surrogate::kIdentity;
  CHECK_THROWS_WITH_AS(binary_conv2d(x, Tensor::zeros({2, 3, 3, 4}), s),
                       "binary_conv2d: weight has 4 input channels, input has 3 [1,4,4,3]", Error);
  CHECK_THROWS_WITH_AS(binary_conv2d(x, Tensor::zeros({2, 3, 3, 3}), s, {}, {}, 2),
                       "binary_conv2d: padding must be 0, +1 or -1", Error);
  CHECK_THROWS_WITH_AS(binary_conv2d(x, Tensor::zeros({2, 3, 3, 1}), s, {}, {.groups = 3}),
                       "binary_conv2d: groups must be 1", Error);
  CHECK_THROWS_WITH_AS(binary_conv2d({Tensor::zeros({1, 4, 4, 3})}, Tensor::zeros({2, 3, 3, 3}), s),
                       "binary_conv2d: input must be signs of step 1", Error);
  CHECK_THROWS_WITH_AS(binary_conv2d(x, Tensor::zeros({2, 3, 3, 3}), s, Tensor::zeros({3})),
                       "binary_conv2d: bias must be [2], is [3]", Error);
  {
    const DryRun dry;
    const Quantized huge = sign(Tensor::empty({1, 1, int64_t(1) << 23, 4096}), Surrogate::kIdentity);
    CHECK_THROWS_WITH_AS(binary_conv2d(huge, Tensor::empty({1, 1, 1, 4096}), s),
                         "binary_conv2d: input [1,1,8388608,4096] or weight [1,1,1,4096] is too large", Error);
  }
  CHECK_THROWS_WITH_AS(binary_linear(sign(Tensor::zeros({2, 5}), s), Tensor::zeros({4, 6}), s),
                       "binary_linear: weight has 6 inputs, input has 5 [2,5]", Error);
}
