#include "ops/kernels/pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/rng.h"
#include "ops/kernels/pool_ref.h"
#include "ops/kernels_train/max_pool_positions.h"
#include "ops/kernels_train/pool_grad.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"
#include "tests/shapes/pool_shapes.h"

using namespace bantam;

namespace {

// Values from few levels, so that windows have ties, zeros of both signs among them.
std::vector<float> levels(int64_t n, uint64_t seed) {
  const Rng rng(seed, kRngTest);
  std::vector<float> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const int level = int(rng.below(uint64_t(i), 7)) - 3;
    v[size_t(i)] = level == 3 ? -0.0f : 0.3f * float(level);
  }
  return v;
}

}  // namespace

TEST_CASE("pool kernels: values, positions and gradients equal the definition bit for bit, on every target") {
  for (const NamedPool& p : kTestPools) {
    const ConvShape& s = p.shape;
    const int64_t rows = s.n * s.out_h() * s.out_w(), pixels = s.n * s.h * s.w;
    const auto x = levels(pixels * s.c, 1), dy = levels(rows * s.c, 2);
    std::vector<float> v = x;  // NaN at the start of a window stays, elsewhere it is passed over
    for (size_t i = 0; i < v.size(); i += 5) v[i] = std::nanf("");
    std::vector<float> y(dy.size()), want_y(dy.size()), dx(x.size()), want_dx(x.size());
    std::vector<uint8_t> at(size_t(max_pool_planes(s) * max_pool_plane_bytes(s))), want_at(at.size());
    for_each_target([&](const std::string& target) {
      INFO(p.name << " on " << target);
      ref::max_pool(s, v.data(), want_y.data(), want_at.data(), 0, rows);
      std::fill(y.begin(), y.end(), 99.0f);
      std::fill(at.begin(), at.end(), 99);
      for (int64_t r = 0; r < rows; r += 8)
        max_pool_positions_f32(s, v.data(), y.data(), at.data(), r, std::min(r + 8, rows));
      CHECK(same_bits(y, want_y));
      CHECK(at == want_at);
      std::fill(y.begin(), y.end(), 99.0f);
      for (int64_t r = 0; r < rows; r += 5) max_pool_f32(s, v.data(), y.data(), r, std::min(r + 5, rows));
      CHECK(same_bits(y, want_y));

      ref::max_pool_grad(s, dy.data(), want_at.data(), want_dx.data(), 0, pixels);
      for (int64_t step : {1, 2, 3, 64}) {
        std::fill(dx.begin(), dx.end(), 99.0f);
        for (int64_t l = 0; l < s.n * s.h; l += step)
          max_pool_grad_f32(s, dy.data(), want_at.data(), dx.data(), l, std::min(l + step, s.n * s.h));
        CHECK(same_bits(dx, want_dx));
      }

      ref::avg_pool(s, x.data(), want_y.data(), 0, rows);
      avg_pool_f32(s, x.data(), y.data(), 0, rows);
      CHECK(same_bits(y, want_y));
      ref::avg_pool_grad(s, dy.data(), want_dx.data(), 0, pixels);
      avg_pool_grad_f32(s, dy.data(), dx.data(), 0, pixels);
      CHECK(same_bits(dx, want_dx));

      std::vector<float> mean(size_t(s.n * s.c)), want_mean(mean.size());
      ref::global_avg_pool(x.data(), s.h * s.w, s.c, want_mean.data(), 0, s.n);
      global_avg_pool_f32(x.data(), s.h * s.w, s.c, mean.data(), 0, s.n);
      CHECK(same_bits(mean, want_mean));
      ref::global_avg_pool_grad(want_mean.data(), s.h * s.w, s.c, want_dx.data(), 0, s.n);
      global_avg_pool_grad_f32(want_mean.data(), s.h * s.w, s.c, dx.data(), 0, s.n);
      CHECK(same_bits(dx, want_dx));

      const AdaptivePool a{s.n, s.h, s.w, s.c, 7, 5};
      const auto da = levels(a.n * a.oh * a.ow * a.c, 3);
      std::vector<float> ya(da.size()), want_ya(da.size());
      ref::adaptive_avg_pool(a, x.data(), want_ya.data(), 0, a.n * a.oh * a.ow);
      for (int64_t r = 0; r < a.n * a.oh * a.ow; r += 5)
        adaptive_avg_pool_f32(a, x.data(), ya.data(), r, std::min(r + 5, a.n * a.oh * a.ow));
      CHECK(same_bits(ya, want_ya));
      ref::adaptive_avg_pool_grad(a, da.data(), want_dx.data(), 0, pixels);
      for (int64_t r = 0; r < pixels; r += 7)
        adaptive_avg_pool_grad_f32(a, da.data(), dx.data(), r, std::min(r + 7, pixels));
      CHECK(same_bits(dx, want_dx));
    });
  }
}

TEST_CASE("max_pool_positions_f32: the first of equal values wins") {
  const ConvShape s{1, 2, 2, 1, 1, 2, 2, 2, 2, 0, 0, 1, 1, 1};
  const float x[4] = {-1, 3, 3, 3};
  float y = 0;
  uint8_t at[] = {99, 99};  // two planes of one bit
  max_pool_positions_f32(s, x, &y, at, 0, 1);
  CHECK(y == 3.0f);
  CHECK((at[0] & 1) == 1);
  CHECK((at[1] & 1) == 0);
}
