#include "ops/kernels/gemm_f32.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/rng.h"
#include "ops/kernels/fma.h"
#include "ops/kernels/gemm_f32_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

int64_t up16(int64_t n) { return (n + 15) / 16 * 16; }

// A matrix product as the caller of a dense layer sets it up.
GemmRows dense(const float* a, int64_t rows, int64_t depth, float* c, int64_t cols) {
  GemmRows g;
  g.src = a;
  g.images = rows;
  g.pixel = g.channels = depth;
  g.dst = c;
  g.dst_image = cols;
  return g;
}

GemmRows conv(const float* x, int64_t n, int64_t h, int64_t w, int64_t c, int64_t kernel, int64_t stride, int64_t pad,
              int64_t dilation, float* y, int64_t k) {
  GemmRows g;
  g.src = x;
  g.images = n;
  g.h = h;
  g.w = w;
  g.pixel = g.channels = c;
  g.taps_h = g.taps_w = kernel;
  g.step_h = g.step_w = dilation;
  g.stride_h = g.stride_w = stride;
  g.first_h = g.first_w = -pad;
  g.out_h = (h + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  g.out_w = (w + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  g.dst = y;
  g.dst_pixel = k;
  g.dst_row = g.out_w * k;
  g.dst_image = g.out_h * g.dst_row;
  return g;
}

// Equal bits where MulAdd is fused; where it is not (SSE4), each of the `depth` steps may round once more, by at most
// half an ulp of a partial sum: 2^-24 * depth * sum |a b|.
bool agrees(const std::string& target, float got, float want, double bound) {
  if (fuses(target)) return memcmp(&got, &want, 4) == 0;
  return std::fabs(double(got) - double(want)) <= bound;
}

void check_against_chain(const std::string& target, const GemmRows& g, int64_t cols, const std::vector<float>& w,
                         const std::vector<float>* bias) {
  const int64_t depth = g.depth();
  int64_t bad = 0;
  for (int64_t r = 0; r < g.rows(); ++r) {
    const int64_t ox = r % g.out_w, oy = r / g.out_w % g.out_h, i = r / (g.out_w * g.out_h);
    const float* got = g.dst + i * g.dst_image + oy * g.dst_row + ox * g.dst_pixel;
    for (int64_t n = 0; n < cols; ++n) {
      const auto b = [&](int64_t k, int64_t column) { return w[size_t(column * depth + k)]; };
      const float want = ref::gemm_element(g, r, n, b, bias ? bias->data() : nullptr);
      double size = 1;
      for (int64_t k = 0; k < depth; ++k) size += std::fabs(double(ref::gathered(g, r, k)) * b(k, n));
      bad += !agrees(target, got[n], want, std::ldexp(double(depth) * size, -24));
    }
  }
  CHECK_MESSAGE(bad == 0, target << ": " << bad << " of " << g.rows() * cols << " outputs, depth " << depth);
}

}  // namespace

TEST_CASE("gemm_f32: a 2x2 product with bias has the values worked by hand") {
  const std::vector<float> a = {1, 2, 3, 4}, w = {5, 7, 6, 8},
                           bias = {0.5f, -1};  // w is [cols][depth]: B = {{5, 6}, {7, 8}}
  std::vector<float> c(4), panels(size_t(gemm_f32_panel_floats(2, 2)));
  std::vector<float> scratch(size_t(gemm_f32_scratch(2, kGemmMinBlockRows)));
  gemm_f32_pack_columns(w.data(), 2, 2, 2, 0, 1, panels.data());
  gemm_f32(dense(a.data(), 2, 2, c.data(), 2), 0, 2, GemmB::panels(panels.data(), 2), 0, 2, bias.data(), scratch.data(),
           kGemmMinBlockRows);
  CHECK(c == std::vector<float>{19.5f, 21, 43.5f, 49});
}

TEST_CASE("gemm_f32: every output is the scalar fma chain, on every target, for odd rows, columns and depths") {
  for_each_target([](const std::string& target) {
    for (int64_t rows : {1, 2, 3, 5, 13, 14, 15, 29})
      for (int64_t cols : {1, 10, 16, 17, 33, 64})
        for (int64_t depth : {1, 3, 16, 31, 257, 520}) {
          if (rows * cols * depth > 40000) continue;
          const auto a = normal_floats(rows * depth, 1), w = normal_floats(cols * depth, 2),
                     bias = normal_floats(cols, 3);
          std::vector<float> c(size_t(rows * cols)), panels(size_t(gemm_f32_panel_floats(depth, cols)));
          std::vector<float> scratch(size_t(gemm_f32_scratch(depth, 28)));
          gemm_f32_pack_columns(w.data(), depth, depth, cols, 0, (cols + 31) / 32, panels.data());
          const GemmRows g = dense(a.data(), rows, depth, c.data(), cols);
          gemm_f32(g, 0, rows, GemmB::panels(panels.data(), cols), 0, cols, bias.data(), scratch.data(), 28);
          check_against_chain(target, g, cols, w, &bias);
        }
  });
}

TEST_CASE("gemm_f32: gathered windows with padding, stride and dilation equal the chain over zero-padded taps") {
  struct Case {
    int64_t h, w, c, kernel, stride, pad, dilation;
  };
  for_each_target([](const std::string& target) {
    for (const Case& s : {Case{7, 5, 1, 3, 1, 1, 1}, Case{6, 7, 3, 3, 2, 1, 1}, Case{5, 5, 16, 3, 1, 1, 1},
                          Case{9, 8, 17, 3, 1, 2, 2}, Case{7, 7, 32, 1, 2, 0, 1}, Case{8, 8, 5, 5, 3, 2, 1}}) {
      const int64_t cols = 19, depth = s.kernel * s.kernel * s.c;
      const auto x = normal_floats(2 * s.h * s.w * s.c, 4), w = normal_floats(cols * depth, 5);
      GemmRows g = conv(x.data(), 2, s.h, s.w, s.c, s.kernel, s.stride, s.pad, s.dilation, nullptr, cols);
      std::vector<float> y(size_t(g.rows() * cols)), panels(size_t(gemm_f32_panel_floats(depth, cols)));
      std::vector<float> scratch(size_t(gemm_f32_scratch(depth, 56)));
      g.dst = y.data();
      gemm_f32_pack_columns(w.data(), depth, depth, cols, 0, 1, panels.data());
      gemm_f32(g, 0, g.rows(), GemmB::panels(panels.data(), cols), 0, cols, nullptr, scratch.data(), 56);
      check_against_chain(target, g, cols, w, nullptr);
    }
  });
}

TEST_CASE("gemm_f32: ranges of rows and columns in any block size give the same bytes and write nothing outside") {
  const int64_t rows = 47, cols = 70, depth = 300, pitch = cols + 3;
  const auto a = normal_floats(rows * depth, 6), w = normal_floats(cols * depth, 7);
  std::vector<float> panels(size_t(gemm_f32_panel_floats(depth, cols))), scratch(size_t(gemm_f32_scratch(depth, 224)));
  gemm_f32_pack_columns(w.data(), depth, depth, cols, 0, 3, panels.data());
  for_each_target([&](const std::string& target) {
    std::vector<float> whole(size_t(rows * pitch), 99.0f);
    GemmRows g = dense(a.data(), rows, depth, whole.data(), pitch);
    gemm_f32(g, 0, rows, GemmB::panels(panels.data(), cols), 0, cols, nullptr, scratch.data(), 224);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t n = cols; n < pitch; ++n) REQUIRE(whole[size_t(r * pitch + n)] == 99.0f);
    for (int64_t block : {14, 20, 56}) {
      std::vector<float> pieces(size_t(rows * pitch), 99.0f);
      g.dst = pieces.data();
      for (int64_t r = 0; r < rows; r += 11)
        for (int64_t n : {64, 0})
          gemm_f32(g, r, r + 11 < rows ? r + 11 : rows, GemmB::panels(panels.data(), cols), n, n == 64 ? cols : 64,
                   nullptr, scratch.data(), block);
      CHECK_MESSAGE(same_bits(whole, pieces), target << ", block " << block);
    }
  });
}

TEST_CASE("gemm_f32: weights as panels, as rows and as sign bits give the same bytes") {
  for (int64_t cols : {10, 48, 64, 75}) {
    const int64_t rows = 21, depth = 270, stride = up16(cols) + 16, bytes = up16(cols) / 8 + 2;
    const auto a = normal_floats(rows * depth, 8), w = normal_floats(cols * depth, 9);
    std::vector<float> signs(w.size()), k_major(size_t(depth * stride), 7.0f);
    std::vector<uint8_t> bits(size_t(depth * bytes), 0xFF);
    for (int64_t n = 0; n < cols; ++n)
      for (int64_t k = 0; k < depth; ++k) {
        const bool plus = w[size_t(n * depth + k)] >= 0;
        signs[size_t(n * depth + k)] = k_major[size_t(k * stride + n)] = plus ? 1.0f : -1.0f;
        if (!plus) bits[size_t(k * bytes + n / 8)] &= uint8_t(~(1 << (n % 8)));
      }
    std::vector<float> panels(size_t(gemm_f32_panel_floats(depth, cols))), repacked(panels.size());
    std::vector<float> scratch(size_t(gemm_f32_scratch(depth, 14, true)));
    for_each_target([&](const std::string& target) {
      gemm_f32_pack_columns(signs.data(), depth, depth, cols, 0, (cols + 31) / 32, panels.data());
      for (int64_t k = 0; k < depth; k += 100)  // in pieces
        gemm_f32_pack_rows(k_major.data() + k * stride, stride, depth, k, k + 100 < depth ? 100 : depth - k, cols, 0,
                           (cols + 31) / 32, repacked.data());
      CHECK(panels == repacked);
      std::vector<float> c[3];
      for (auto& v : c) v.assign(size_t(rows * cols), 99.0f);
      const GemmB b[3] = {GemmB::panels(panels.data(), cols), GemmB::rows(k_major.data(), cols, stride),
                          GemmB::signs(bits.data(), cols, bytes)};
      for (int i = 0; i < 3; ++i)
        gemm_f32(dense(a.data(), rows, depth, c[i].data(), cols), 0, rows, b[i], 0, cols, nullptr, scratch.data(), 14);
      CHECK_MESSAGE(c[0] == c[1], target);
      CHECK_MESSAGE(c[0] == c[2], target);
    });
  }
}

TEST_CASE("fma_by_double: equals std::fma on random bits, near cancellation, at ties, in the subnormal range") {
  const Rng rng(11, kRngTest);
  auto bits_of = [](float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
  };
  int64_t bad = 0;
  uint64_t at = 0;
  for (int i = 0; i < 400000; ++i) {
    uint32_t u[3] = {rng.bits(at), rng.bits(at + 1), rng.bits(at + 2)};
    at += 3;
    const int kind = i % 4;
    for (uint32_t& v : u) {
      if (kind == 1) v = (v & 0x807FFFFFu) | (0x3F000000u + (v >> 25 & 3) * 0x800000u);  // exponents close together
      if (kind == 2) v = (v & 0x80FFFFFFu) | 0x20000000u;                                // product about 2^-126
    }
    float x, y, z;
    memcpy(&x, &u[0], 4);
    memcpy(&y, &u[1], 4);
    memcpy(&z, &u[2], 4);
    if (kind == 3) z = -x * y;
    if (kind == 2) z = std::ldexp(z, -80);
    const float want = std::fma(x, y, z), got = fma_by_double(x, y, z);
    bad += !(bits_of(want) == bits_of(got) || (std::isnan(want) && std::isnan(got)));
  }
  CHECK(bad == 0);
}
