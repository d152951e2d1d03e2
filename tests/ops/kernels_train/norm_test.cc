#include "ops/kernels_train/norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "ops/kernels_train/norm_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

// Where a target does not fuse, z and dx are rounded once more: |z| < 100 and |dx| < 200 here, so by less than 2^-17
// each; an element whose z is that close to a kink may go either way.
bool near(const std::string& target, float a, float b) { return fuses(target) ? a == b : std::fabs(a - b) <= 2e-5f; }

const NormPost kPosts[] = {NormPost::kNone, NormPost::kRelu, NormPost::kHardtanh, NormPost::kHardSwish};
// How far z is from where post bends.
float to_kink(NormPost post, float z) {
  switch (post) {
    case NormPost::kNone: break;
    case NormPost::kRelu: return std::fabs(z);
    case NormPost::kHardtanh: return std::fabs(std::fabs(z) - 1);
    case NormPost::kHardSwish: return std::fabs(std::fabs(z) - 3);
  }
  return INFINITY;
}

}  // namespace

TEST_CASE(
    "norm kernels: forward, sums and input gradient equal the reference, every form, few and many channels, every "
    "target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 3, 10, 16, 17, 64, 80, 101, 1040})
      for (int64_t rows : {0, 1, 5, 16, 70, 300})
        for (NormPost post : kPosts)
          for (bool pre : {false, true}) {
            if (c > 1000 && rows > 16) continue;
            CAPTURE(c);
            CAPTURE(rows);
            CAPTURE(int(post));
            CAPTURE(pre);
            const int64_t n = rows * c;
            const auto x = floats_with_zero(n, 1), dy = floats_with_zero(n, 2), residual = floats_with_zero(n, 3),
                       slope = floats_with_zero(c, 4), mean = floats_with_zero(c, 5), scale = floats_with_zero(c, 6),
                       shift = floats_with_zero(c, 7), a = floats_with_zero(c, 8), b = floats_with_zero(c, 9),
                       d = floats_with_zero(c, 10), back = floats_with_zero(c, 11);
            const NormRows p{pre ? slope.data() : nullptr, mean.data(), scale.data(), shift.data()};
            const NormGrad q{a.data(), b.data(), d.data(), back.data()};
            auto channel = [&](int64_t i) {
              const size_t k = size_t(i % c);
              return ref::NormChannel<float>{pre, slope[k], mean[k], scale[k], shift[k]};
            };
            auto kink = [&](int64_t i) {  // z too close to where post bends, for a target that rounds otherwise
              if (fuses(target)) return false;
              return to_kink(post, ref::norm_forward(NormPost::kNone, channel(i), x[size_t(i)])) < 2e-5f;
            };
            std::vector<float> y(x.size()), with(x.size()), dx = dy;
            std::vector<uint8_t> passed(size_t(n + 7) / 8), passed_want(passed.size());
            norm_forward_f32(post, p, x.data(), nullptr, {y.data()}, rows, c);
            norm_forward_f32(post, p, x.data(), residual.data(), {with.data(), passed.data()}, rows, c);
            norm_grad_f32(post, p, q, dx.data(), x.data(), dx.data(), rows, c);  // in place
            bool forward_good = true, residual_good = true, grad_good = true;
            std::vector<double> s(static_cast<size_t>(c)), t(s), s_want(s), t_want(s), s_size(s), t_size(s);
            norm_sums_f32(post, p, dy.data(), x.data(), rows, c, s.data(), t.data());
            for (int64_t i = 0; i < n; ++i) {
              const size_t e = size_t(i), k = size_t(i % c);
              const auto r = channel(i);
              forward_good &= near(target, y[e], ref::norm_forward(post, r, x[e]));
              passed_want[e / 8] |= uint8_t((with[e] > 0) << (e % 8));
              residual_good &= near(target, with[e], ref::norm_forward(post, r, x[e], residual[e]));
              float want = ref::norm_grad(post, r, a[k], b[k], d[k], dy[e], x[e]);
              if (pre && !(x[e] > 0)) want *= back[k];
              grad_good &= near(target, dx[e], want) || kink(i);
              const double g = ref::norm_passed(post, r, dy[e], x[e]), dev = r.deviation(x[e]);
              // Hard-swish's derivative follows z, which may differ by a rounding, though g itself be near 0.
              const double bent = !fuses(target) && post == NormPost::kHardSwish ? std::fabs(double(dy[e])) : 0;
              s_want[k] += g;
              t_want[k] += g * dev;
              s_size[k] += kink(i) ? 1e9 : std::fabs(g) + bent;
              t_size[k] += kink(i) ? 1e9 : (std::fabs(g) + bent) * std::fabs(dev);
            }
            CHECK(forward_good);
            CHECK(residual_good);
            CHECK(passed == passed_want);
            CHECK(grad_good);
            // Within 70 * 2^-24 of the sum of magnitudes (columns-inl.h; two more roundings in a term).
            bool sums_good = true;
            for (size_t k = 0; k < s.size(); ++k) {
              sums_good &= std::fabs(s[k] - s_want[k]) <= 70.0 / (1 << 24) * s_size[k];
              sums_good &= std::fabs(t[k] - t_want[k]) <= 70.0 / (1 << 24) * t_size[k];
            }
            CHECK(sums_good);
          }
  });
}

TEST_CASE("norm kernels: sums behind a mask are those of what it lets pass, from any place in it; g may be dy") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 10, 16, 17, 80, 101})
      for (int64_t rows : {0, 1, 5, 70, 300})
        for (int64_t first : {0, 8, 13})
          for (bool pre : {false, true}) {
            CAPTURE(c);
            CAPTURE(rows);
            CAPTURE(first);
            const int64_t n = rows * c;
            const auto x = floats_with_zero(n, 1), dy = floats_with_zero(n, 2), slope = floats_with_zero(c, 4),
                       mean = floats_with_zero(c, 5), scale = floats_with_zero(c, 6), shift = floats_with_zero(c, 7);
            const auto bits = random_bytes(size_t(first + n + 7) / 8, 8);
            const NormRows p{pre ? slope.data() : nullptr, mean.data(), scale.data(), shift.data()};
            std::vector<float> want(dy), g(dy);
            for (int64_t i = 0; i < n; ++i)
              if (!(bits[size_t(first + i) / 8] >> ((first + i) % 8) & 1)) want[size_t(i)] = 0;
            std::vector<double> s(static_cast<size_t>(c)), t(s), s_want(s), t_want(s);
            norm_sums_f32(NormPost::kNone, p, want.data(), x.data(), rows, c, s_want.data(), t_want.data());
            norm_masked_sums_f32(p, g.data(), {bits.data(), first, first + n}, x.data(), g.data(), rows, c, s.data(),
                                 t.data());
            CHECK(same_bits(g, want));
            CHECK(s == s_want);
            CHECK(t == t_want);
          }
  });
}

TEST_CASE(
    "norm kernels: the gradient with the slope's sums is the one without, and the sums are those of dpre x below 0; dx "
    "may be x") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 10, 16, 17, 80, 101})
      for (int64_t rows : {0, 1, 5, 70, 300})
        for (NormPost post : kPosts) {
          CAPTURE(c);
          CAPTURE(rows);
          const int64_t n = rows * c;
          const auto x = floats_with_zero(n, 1), dy = floats_with_zero(n, 2), slope = floats_with_zero(c, 4),
                     mean = floats_with_zero(c, 5), scale = floats_with_zero(c, 6), shift = floats_with_zero(c, 7),
                     a = floats_with_zero(c, 8), b = floats_with_zero(c, 9), d = floats_with_zero(c, 10),
                     one = std::vector<float>(size_t(c), 1.0f);
          const NormRows p{slope.data(), mean.data(), scale.data(), shift.data()};
          std::vector<float> want(x.size()), dpre(x.size()), dx = x;
          norm_grad_f32(post, p, {a.data(), b.data(), d.data(), slope.data()}, dy.data(), x.data(), want.data(), rows,
                        c);
          norm_grad_f32(post, p, {a.data(), b.data(), d.data(), one.data()}, dy.data(), x.data(), dpre.data(), rows, c);
          std::vector<double> sums(static_cast<size_t>(c), 99.0), sums_want(sums.size()), sizes(sums.size());
          norm_grad_slope_f32(post, p, {a.data(), b.data(), d.data(), slope.data()}, dy.data(), dx.data(), dx.data(),
                              rows, c, sums.data());
          for (size_t i = 0; i < x.size(); ++i) {
            const double term = x[i] >= 0 ? 0 : double(dpre[i]) * x[i];
            sums_want[i % size_t(c)] += term;
            sizes[i % size_t(c)] += std::fabs(term);
          }
          CHECK(same_bits(dx, want));
          bool good = true;  // within 70 * 2^-24 of the sum of magnitudes (columns-inl.h)
          for (size_t k = 0; k < sums.size(); ++k)
            good &= std::fabs(sums[k] - sums_want[k]) <= 70.0 / (1 << 24) * sizes[k];
          CHECK(good);
        }
  });
}

TEST_CASE("norm kernels: what is written past the caches, as part of something large, is the same, on every target") {
  const int64_t c = 64, rows = 40, large = int64_t(1) << 30;
  const auto x = normal_floats(rows * c, 1), dy = normal_floats(rows * c, 2), mean = normal_floats(c, 5),
             scale = normal_floats(c, 6), shift = normal_floats(c, 7), slope = normal_floats(c, 8);
  const NormRows p{slope.data(), mean.data(), scale.data(), shift.data()};
  const NormGrad q{scale.data(), mean.data(), shift.data(), slope.data()};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    std::vector<float> room(x.size() + 16), want(x.size());
    std::vector<double> sums(static_cast<size_t>(c)), sums_want(sums);
    float* aligned = room.data() + (64 - reinterpret_cast<uintptr_t>(room.data()) % 64) % 64 / sizeof(float);
    const auto same = [&] { return memcmp(aligned, want.data(), want.size() * sizeof(float)) == 0; };
    norm_forward_f32(NormPost::kRelu, p, x.data(), nullptr, {want.data()}, rows, c);
    norm_forward_f32(NormPost::kRelu, p, x.data(), nullptr, {aligned, nullptr, large}, rows, c);
    CHECK(same());
    norm_grad_f32(NormPost::kRelu, p, q, dy.data(), x.data(), want.data(), rows, c);
    norm_grad_f32(NormPost::kRelu, p, q, dy.data(), x.data(), aligned, rows, c, large);
    CHECK(same());
    room.assign(room.size(), 0);
    norm_grad_slope_f32(NormPost::kRelu, p, q, dy.data(), x.data(), want.data(), rows, c, sums_want.data());
    norm_grad_slope_f32(NormPost::kRelu, p, q, dy.data(), x.data(), aligned, rows, c, sums.data(), large);
    CHECK(same());
    CHECK(sums == sums_want);
  });
}

TEST_CASE("norm kernels: by hand") {
  // pre(-2) = -2 * 0.5 = -1, d = -1 - 1 = -2, z = -2 * 3 + 5 = -1: relu stops it, and a residual of 4 lets it through.
  const float x = -2, slope = 0.5, mean = 1, scale = 3, shift = 5, residual = 4, dy = 7, a = 10, b = 100, d = 1000,
              back = 2;
  const NormRows p{&slope, &mean, &scale, &shift};
  float y, dx;
  norm_forward_f32(NormPost::kNone, p, &x, nullptr, {&y}, 1, 1);
  CHECK(y == -1);
  norm_forward_f32(NormPost::kRelu, p, &x, nullptr, {&y}, 1, 1);
  CHECK(y == 0);
  norm_forward_f32(NormPost::kRelu, p, &x, &residual, {&y}, 1, 1);
  CHECK(y == 3);
  norm_grad_f32(NormPost::kNone, p, {&a, &b, &d, &back}, &dy, &x, &dx, 1, 1);
  CHECK(dx == 2 * (10 * 7 + 100 * -2 + 1000));
  norm_grad_f32(NormPost::kHardtanh, p, {&a, &b, &d, &back}, &dy, &x, &dx, 1, 1);  // z = -1 is outside
  CHECK(dx == 2 * (100 * -2 + 1000));
  norm_forward_f32(NormPost::kHardSwish, p, &x, nullptr, {&y}, 1, 1);
  CHECK(y == -1 * (2 * (1.0f / 6)));
  norm_grad_f32(NormPost::kHardSwish, p, {&a, &b, &d, &back}, &dy, &x, &dx, 1, 1);  // f'(-1) = 1 / 6
  CHECK(dx == 2 * std::fma(10.0f, 7 * (1.0f / 6), 100.0f * -2 + 1000));
}
