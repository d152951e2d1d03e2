#include "ops/kernels/elementwise.h"

#include <doctest/doctest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "core/rng.h"
#include "ops/kernels/elementwise_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

const float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

// Below, at and above the vector lengths 4, 8, 16 and their doubles; a prime; one with all parts of the loops.
const std::vector<int64_t> kSizes = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 101, 1000};

std::vector<float> special_floats(int64_t n, uint64_t seed) {
  std::vector<float> v = normal_floats(n, seed);
  // Special values wherever there is room, in every lane over the sizes.
  const float special[] = {0.0f, -0.0f, kNan, kInf, -kInf, 1.0f, -1.0f, FLT_MIN, FLT_TRUE_MIN, FLT_MAX};
  for (size_t i = 0; i < v.size(); i += 3) v[i] = i % 2 ? v[i] : special[(i / 6 + seed) % 10];
  return v;
}

// Same bits, or both NaN (the payload of a NaN is not promised).
bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}
int64_t first_difference(const std::vector<float>& got, const std::vector<float>& want) {
  if (got.size() != want.size()) return -2;
  for (size_t i = 0; i < got.size(); ++i)
    if (!same(got[i], want[i])) return int64_t(i);
  return -1;
}

// `kernel(out)` writes n floats and nothing after them.
template <class F> std::vector<float> run(int64_t n, F kernel) {
  std::vector<float> out(size_t(n) + 16, 12345.0f);
  kernel(out.data());
  for (size_t i = size_t(n); i < out.size(); ++i) CHECK(out[i] == 12345.0f);
  out.resize(size_t(n));
  return out;
}
template <class F> std::vector<float> reference(const std::vector<float>& x, F f) {
  std::vector<float> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) out[i] = f(x[i]);
  return out;
}

// Distance in units of the last place of the exact result, at least 2^-149.
double ulp_error(float got, double want) {
  if (std::isinf(float(want)) && got == float(want)) return 0;
  int e;
  std::frexp(want, &e);
  const double ulp = std::ldexp(1.0, std::max(e - 24, -149));
  return std::fabs(double(got) - want) / ulp;
}

// Holds the error of `kernel` over floats of all magnitudes in [lo, hi] to `bound` ulp.
template <class K, class F> void check_ulp(K kernel, F exact, float lo, float hi, double bound) {
  std::vector<float> x;
  const Rng rng(7, kRngTest);
  for (uint32_t i = 0; i < 100000; ++i) {
    const float v = std::bit_cast<float>(rng.bits(i));
    if (v >= lo && v <= hi) x.push_back(v);
    x.push_back(lo + (hi - lo) * rng.uniform(1000000 + i));
    const float small = 4 * rng.uniform(2000000 + i) - 2;
    if (small >= lo && small <= hi) x.push_back(small);
  }
  std::vector<float> y(x.size());
  kernel(x.data(), y.data(), int64_t(x.size()));
  double worst = 0;
  float where = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double e = ulp_error(y[i], exact(double(x[i])));
    if (!(e <= worst)) {
      worst = e;
      where = x[i];
    }
  }
  CHECK_MESSAGE(worst <= bound, "error " << worst << " ulp at x = " << where);
}

}  // namespace

TEST_CASE(
    "elementwise: arithmetic equals the reference bit for bit, on every target, odd sizes, one value against all") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : kSizes) {
      CAPTURE(n);
      const auto a = special_floats(n, 1), b = special_floats(n, 2);
      for (Binary op : {Binary::kAdd, Binary::kSub, Binary::kMul, Binary::kDiv}) {
        CAPTURE(int(op));
        std::vector<float> want(a.size());
        for (size_t i = 0; i < a.size(); ++i) want[i] = ref::binary(op, a[i], b[i]);
        CHECK(first_difference(run(n, [&](float* o) { binary_f32(op, a.data(), 1, b.data(), 1, o, n); }), want) == -1);
        const float s = -1.7f;
        CHECK(first_difference(run(n, [&](float* o) { binary_f32(op, a.data(), 1, &s, 0, o, n); }),
                               reference(a, [&](float x) { return ref::binary(op, x, s); })) == -1);
        CHECK(first_difference(run(n, [&](float* o) { binary_f32(op, &s, 0, a.data(), 1, o, n); }),
                               reference(a, [&](float x) { return ref::binary(op, s, x); })) == -1);
        CHECK(first_difference(run(n, [&](float* o) { binary_f32(op, &s, 0, &s, 0, o, n); }),
                               std::vector<float>(a.size(), ref::binary(op, s, s))) == -1);
      }
      std::vector<float> want(a.size());
      for (size_t i = 0; i < a.size(); ++i) want[i] = a[i] + b[i];
      auto in_place = a;
      add_into(in_place.data(), b.data(), n);
      CHECK(first_difference(in_place, want) == -1);
    }
  });
}

TEST_CASE("elementwise: axpy is one fused multiply-add where the target has it") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : kSizes) {
      auto y = special_floats(n, 3);
      const auto x = special_floats(n, 4);
      std::vector<float> want(y.size());
      for (size_t i = 0; i < y.size(); ++i) want[i] = fuses(target) ? std::fma(0.3f, x[i], y[i]) : 0.3f * x[i] + y[i];
      axpy_f32(y.data(), 0.3f, x.data(), n);
      CHECK(first_difference(y, want) == -1);
    }
  });
}

TEST_CASE("elementwise: activations equal the reference, NaN, -0 and infinities included") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : kSizes) {
      CAPTURE(n);
      const auto x = special_floats(n, uint64_t(n));
      CHECK(first_difference(run(n, [&](float* o) { relu_f32(x.data(), o, n); }), reference(x, ref::relu<float>)) ==
            -1);
      CHECK(first_difference(run(n, [&](float* o) { prelu_f32(x.data(), 0.25f, o, n); }),
                             reference(x, [](float v) { return ref::prelu(v, 0.25f); })) == -1);
      CHECK(first_difference(run(n, [&](float* o) { clamp_f32(x.data(), -1, 1, o, n); }),
                             reference(x, [](float v) { return ref::clamp(v, -1.0f, 1.0f); })) == -1);
      CHECK(first_difference(run(n, [&](float* o) { hard_swish_f32(x.data(), o, n); }),
                             reference(x, ref::hard_swish<float>)) == -1);
    }
    float x[] = {kNan, -0.0f, -2, 3}, y[4];
    relu_f32(x, y, 4);
    CHECK(std::bit_cast<uint32_t>(y[0]) == 0);
    CHECK(std::bit_cast<uint32_t>(y[1]) == 0);
    CHECK(y[3] == 3);
    prelu_f32(x, 0.5f, y, 4);
    CHECK(std::isnan(y[0]));
    CHECK(y[2] == -1);
    clamp_f32(x, -1, 1, y, 4);
    CHECK(std::isnan(y[0]));
    CHECK(y[2] == -1);
    CHECK(y[3] == 1);
  });
}

// Against its definition in f64, written once more. Before the last rounding, of half an ulp, relative errors of 2^-24
// (x + 3, exact near -3), 2^-25 (1/6) and 2^-24 (the gate), each at most 1, 0.5 and 1 ulp of the result: 3 ulp.
TEST_CASE("elementwise: hard_swish is within 3 ulp of f64, exact at its special points, equal on every target") {
  const float at_minus_3[] = {-kInf, -FLT_MAX, std::nextafter(-3.0f, -4.0f), -3.0f};
  const float from_3[] = {3.0f, std::nextafter(3.0f, 4.0f), 100.0f, FLT_MAX, kInf};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    const auto exact = [](double v) { return v * std::fmin(std::fmax(v + 3, 0), 6) / 6; };
    check_ulp(hard_swish_f32, exact, -20.0f, 20.0f, 3.0);
    check_ulp(hard_swish_f32, exact, -3.01f, -2.99f, 3.0);
    float y[5];
    hard_swish_f32(at_minus_3, y, 4);
    for (int i = 0; i < 4; ++i) CHECK(std::bit_cast<uint32_t>(y[i]) == 0);  // +0, whose sign is +1
    hard_swish_f32(from_3, y, 5);
    for (int i = 0; i < 5; ++i) CHECK(y[i] == from_3[i]);
    const float inside[] = {std::nextafter(-3.0f, 0.0f), -0.0f, 0.0f, kNan, -1.5f};
    hard_swish_f32(inside, y, 5);
    CHECK(y[0] < 0);
    CHECK(std::bit_cast<uint32_t>(y[1]) == 0x80000000u);
    CHECK(std::bit_cast<uint32_t>(y[2]) == 0);
    CHECK(std::isnan(y[3]));
    CHECK(y[4] == -0.375f);
    // Every float whose low 12 bits are 0, as a digest: of Python's doubles, rounded to f32 after each step.
    std::vector<float> x, got;
    for (uint32_t i = 0; i < 1u << 20; ++i)
      if (const float v = std::bit_cast<float>(i << 12); !std::isnan(v)) x.push_back(v);
    got.resize(x.size());
    hard_swish_f32(x.data(), got.data(), int64_t(x.size()));
    uint64_t digest = 0;
    for (float v : got) digest = (digest ^ std::bit_cast<uint32_t>(v)) * 0x9E3779B97F4A7C15u;
    CHECK(digest == 0x4C66F93782705CC5u);
  });
}

// The bounds are those that math-inl.h states. Derivation: the polynomial's share is below 0.1 ulp (see there), each
// rounding adds at most half an ulp of what it rounds, and the last ones dominate.
TEST_CASE("elementwise: exp, log, tanh, sigmoid are as close to f64 as stated, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    check_ulp(exp_f32, [](double v) { return std::exp(v); }, -87.0f, 88.72f, 1.0);
    check_ulp(exp_f32, [](double v) { return std::exp(v); }, -104.0f, -87.0f, 2.0);
    check_ulp(log_f32, [](double v) { return std::log(v); }, FLT_TRUE_MIN, FLT_MAX, 1.0);
    check_ulp(log_f32, [](double v) { return std::log(v); }, 0.5f, 2.0f, 1.0);
    check_ulp(tanh_f32, [](double v) { return std::tanh(v); }, -20.0f, 20.0f, 2.0);
    check_ulp(sigmoid_f32, [](double v) { return 1 / (1 + std::exp(-v)); }, -87.0f, 87.0f, 2.5);
  });
}

TEST_CASE("elementwise: exp, log, tanh, sigmoid at the ends") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    const float x[] = {kNan, kInf, -kInf, 0.0f, -0.0f, 1.0f, -1.0f, 200.0f, -200.0f};
    float y[9];
    exp_f32(x, y, 9);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == kInf);
    CHECK(y[2] == 0);
    CHECK(y[3] == 1);
    CHECK(y[4] == 1);
    CHECK(y[7] == kInf);
    CHECK(y[8] == 0);
    log_f32(x, y, 9);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == kInf);
    CHECK(std::isnan(y[2]));
    CHECK(y[3] == -kInf);
    CHECK(y[4] == -kInf);
    CHECK(y[5] == 0);
    CHECK(std::isnan(y[6]));
    tanh_f32(x, y, 9);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 1);
    CHECK(y[2] == -1);
    CHECK(std::bit_cast<uint32_t>(y[3]) == 0);
    CHECK(std::bit_cast<uint32_t>(y[4]) == 0x80000000u);
    CHECK(y[7] == 1);
    sigmoid_f32(x, y, 9);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 1);
    CHECK(y[2] == 0);
    CHECK(y[3] == 0.5f);
    CHECK(y[7] == 1);
    CHECK(y[8] == 0);
  });
}

TEST_CASE("elementwise: comparisons give bits in order, pad bits 0, nothing written beyond") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : kSizes) {
      CAPTURE(n);
      const auto x = special_floats(n, uint64_t(n) + 1);
      const size_t bytes = size_t(n + 7) / 8;
      auto check = [&](auto kernel, auto predicate) {
        std::vector<uint8_t> got(bytes + 4, 0xAB), want(bytes + 4, 0xAB);
        kernel(got.data());
        ref::fill_bits(want.data(), n, [&](int64_t i) { return predicate(x[size_t(i)]); });
        CHECK(got == want);
        return got;
      };
      check([&](uint8_t* b) { gt_bits_f32(x.data(), 0.0f, b, n); }, [](float v) { return v > 0; });
      const auto inside =
          check([&](uint8_t* b) { inside_bits_f32(x.data(), -1, 1, b, n); }, [](float v) { return v > -1 && v < 1; });
      check([&](uint8_t* b) { within_bits_f32(x.data(), -1, 1, b, n); }, [](float v) { return v >= -1 && v <= 1; });
      std::vector<float> want(x.size());
      for (size_t i = 0; i < x.size(); ++i) want[i] = ref::get_bit(inside.data(), int64_t(i)) ? x[i] * 1.5f : 0.0f;
      CHECK(first_difference(run(n, [&](float* o) { select_bits_f32(x.data(), inside.data(), 1.5f, o, n); }), want) ==
            -1);
    }
  });
}

TEST_CASE("elementwise: per-channel kernels equal the reference for few, odd and many channels") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    auto fma = [&](float a, float b, float c) { return fuses(target) ? std::fma(a, b, c) : a * b + c; };
    for (int64_t c : {1, 2, 3, 8, 10, 15, 16, 17, 64, 72, 80, 101, 1025, 2048})
      for (int64_t rows : {0, 1, 2, 5, 16, 67, 300}) {
        if (c > 1000 && rows > 16) continue;
        CAPTURE(c);
        CAPTURE(rows);
        const int64_t n = rows * c;
        const auto x = special_floats(n, 5), p = special_floats(c, 6), q = special_floats(c, 8);
        auto check = [&](auto kernel, auto f) {
          std::vector<float> want(x.size());
          ref::map_channels(x.data(), want.data(), rows, c, f);
          CHECK(first_difference(run(n, kernel), want) == -1);
        };
        check([&](float* o) { affine_channels_f32(x.data(), p.data(), q.data(), o, rows, c); },
              [&](float v, int64_t k) { return fma(v, p[size_t(k)], q[size_t(k)]); });
        check([&](float* o) { bias_channels_f32(x.data(), p.data(), o, rows, c); },
              [&](float v, int64_t k) { return v + p[size_t(k)]; });
        check([&](float* o) { scale_channels_f32(x.data(), p.data(), o, rows, c); },
              [&](float v, int64_t k) { return v * p[size_t(k)]; });
        check([&](float* o) { prelu_channels_f32(x.data(), p.data(), o, rows, c); },
              [&](float v, int64_t k) { return ref::prelu(v, p[size_t(k)]); });
      }
  });
}

TEST_CASE("elementwise: the f32 reference of the normalization is the fused expression that the kernels compute") {
  CHECK(ref::affine(3.0f, 2.0f, 1.0f) == 7.0f);
  CHECK(ref::affine(1.0f + FLT_EPSILON, 1.0f - FLT_EPSILON, -1.0f) ==
        -FLT_EPSILON * FLT_EPSILON);  // 0 if rounded twice
}
