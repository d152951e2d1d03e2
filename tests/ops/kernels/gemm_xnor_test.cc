#include "ops/kernels/gemm_xnor.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/fixed_point.h"
#include "core/rng.h"
#include "ops/kernels/gemm_xnor_ref.h"
#include "ops/kernels/threshold_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

std::vector<uint64_t> random_bits(int64_t pixels, int64_t channels, uint64_t seed) {
  const Rng rng(seed, kRngTest);
  const int64_t words = int64_t(words_for(size_t(channels)));
  std::vector<uint64_t> bits(size_t(pixels * words));
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = uint64_t(rng.bits(2 * i)) << 32 | rng.bits(2 * i + 1);
  if (channels % 64 != 0)
    for (int64_t p = 0; p < pixels; ++p) bits[size_t(p * words + words - 1)] &= ~(~uint64_t(0) << (channels % 64));
  return bits;
}

std::string text(const ConvShape& s) {
  std::string t;
  for (int64_t v :
       {s.n, s.h, s.w, s.c, s.k, s.kh, s.kw, s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.dilation_h, s.dilation_w})
    t += " " + std::to_string(v);
  return "n h w c k kh kw sh sw ph pw dh dw =" + t;
}

// All three outputs against the definition, whole and in two ranges of rows.
void check(const ConvShape& s, int pad_value) {
  CAPTURE(text(s));
  CAPTURE(pad_value);
  const std::vector<uint64_t> x = random_bits(s.n * s.h * s.w, s.c, 1), w = random_bits(s.k * s.taps(), s.c, 2);
  const int64_t rows = s.n * s.out_h(), row_size = s.out_w() * s.k, words = int64_t(words_for(size_t(s.k)));
  std::vector<int32_t> want(size_t(rows * row_size));
  ref::xnor_conv(s, pad_value, x.data(), w.data(), want.data());

  GuardedMemory packed(xnor_packed_bytes(s, pad_value)), scratch(xnor_scratch_bytes(s));
  xnor_pack_weights(s, pad_value, w.data(), packed.data());

  std::vector<int32_t> sums(want.size() + 1, 77);
  xnor_conv_i32(s, pad_value, x.data(), xnor_weights(s, packed.data()), 0, rows, scratch.data(), sums.data());
  REQUIRE(sums.back() == 77);
  sums.pop_back();
  REQUIRE(sums == want);
  const int64_t split = rows / 2;
  sums.assign(want.size(), 77);
  xnor_conv_i32(s, pad_value, x.data(), xnor_weights(s, packed.data()), 0, split, scratch.data(), sums.data());
  xnor_conv_i32(s, pad_value, x.data(), xnor_weights(s, packed.data()), split, rows, scratch.data(),
                sums.data() + split * row_size);
  REQUIRE(sums == want);

  const Rng rng(3, kRngTest);
  std::vector<float> bias(size_t(s.k)), values(want.size() + 1, 77.0f);
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = float(rng.normal(i));
  for (const float* b : {static_cast<const float*>(nullptr), static_cast<const float*>(bias.data())}) {
    xnor_conv_f32(s, pad_value, x.data(), xnor_weights(s, packed.data()), b, 0, rows, scratch.data(), values.data());
    for (size_t i = 0; i < want.size(); ++i)
      REQUIRE(values[i] == (b ? float(want[i]) + b[i % size_t(s.k)] : float(want[i])));
    REQUIRE(values.back() == 77.0f);
  }

  std::vector<int32_t> lo(size_t(s.k), 0), hi(size_t(s.k), 0);
  std::vector<uint64_t> flip = random_bits(1, s.k, 4);
  for (size_t i = 0; i < lo.size(); ++i) {
    lo[i] = i % 3 == 0 ? INT32_MIN : int32_t(rng.below(100 + i, 7)) - 3;
    hi[i] = i % 3 == 1 ? INT32_MAX : int32_t(rng.below(900 + i, 7)) + 1;
  }
  const Thresholds t{lo.data(), hi.data(), flip.data()};
  std::vector<uint64_t> bits(size_t(rows * s.out_w() * words) + 1, ~uint64_t(0)), want_bits = bits;
  xnor_conv_bits(s, pad_value, x.data(), xnor_weights(s, packed.data()), t, 0, rows, scratch.data(), bits.data());
  ref::threshold_bits(want.data(), rows * s.out_w(), s.k, t, want_bits.data());
  REQUIRE(bits == want_bits);
  REQUIRE(packed.guards_stand());
  REQUIRE(scratch.guards_stand());
}

}  // namespace

TEST_CASE("xnor_conv: two channels, by hand: padding of 0 adds nothing, -1 and +1 add their products") {
  // a = (+1, -1) at both pixels; w = (+1, +1), (-1, -1), (+1, -1) at the three taps.
  ConvShape s{.h = 1, .w = 2, .c = 2, .k = 1, .kw = 3, .pad_w = 1};
  const std::vector<uint64_t> x = {0b01, 0b01}, w = {0b11, 0b00, 0b01};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int pad : {0, -1, 1}) {
      GuardedMemory packed(xnor_packed_bytes(s, pad)), scratch(xnor_scratch_bytes(s));
      xnor_pack_weights(s, pad, w.data(), packed.data());
      int32_t out[2];
      xnor_conv_i32(s, pad, x.data(), xnor_weights(s, packed.data()), 0, 1, scratch.data(), out);
      CHECK(out[0] == 2 * pad + 0 + 2);
      CHECK(out[1] == 0 + 0 + 0 * pad);
    }
  });
}

TEST_CASE("xnor_conv: every number of input channels from 1 to 257 equals the sum of products") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t c = 1; c <= 257; ++c)
      check({.n = 1, .h = 3, .w = 4, .c = c, .k = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}, int(c % 3) - 1);
  });
}

TEST_CASE("xnor_conv: kernels, strides, paddings and dilations, at channels around the word and the panel") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    int64_t turn = 0;
    for (int64_t kernel : {1, 2, 3, 5})
      for (int64_t stride : {1, 2, 3})
        for (int64_t pad : {0, 1, 2, 3})
          for (int64_t dilation : {1, 2}) {
            if (dilation * (kernel - 1) + 1 > 7 + 2 * pad) continue;
            for (int pad_value : {0, 1, -1}) {
              const int64_t cs[] = {1, 3, 63, 64, 65, 130}, ks[] = {1, 2, 15, 16, 17, 33};
              ConvShape s{.n = 2, .h = 7, .w = 9, .c = cs[turn % 6], .k = ks[turn / 6 % 6], .kh = kernel, .kw = kernel};
              s.stride_h = s.stride_w = stride;
              s.pad_h = s.pad_w = pad;
              s.dilation_h = s.dilation_w = dilation;
              check(s, pad_value);
              ++turn;
            }
          }
  });
}

TEST_CASE("xnor_conv: the two axes are not confused, and padding may exceed the kernel") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int pad_value : {0, 1, -1}) {
      check({.n = 3, .h = 5, .w = 8, .c = 65, .k = 18, .kh = 3, .kw = 2, .stride_h = 2, .pad_w = 1, .dilation_w = 3},
            pad_value);
      check({.n = 1, .h = 9, .w = 3, .c = 3, .k = 16, .kh = 1, .kw = 3, .stride_w = 2, .pad_h = 2, .pad_w = 4},
            pad_value);
      check({.n = 1, .h = 1, .w = 1, .c = 70, .k = 9, .kh = 5, .kw = 5, .pad_h = 4, .pad_w = 4}, pad_value);
    }
  });
}

TEST_CASE("xnor_conv: widths that leave every remainder of a tile, and blocks that cross images") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t w = 1; w <= 16; ++w)
      check({.n = 5, .h = 3, .w = w, .c = 64, .k = 16, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}, 0);
    check({.n = 1, .h = 2, .w = 61, .c = 32, .k = 24, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}, 0);
  });
}

TEST_CASE("xnor_conv: more steps than byte counters hold, with all bits differing") {
  const ConvShape s{.n = 1, .h = 3, .w = 3, .c = 64 * 12, .k = 17, .kh = 3, .kw = 3};
  const std::vector<uint64_t> x(9 * 12, ~uint64_t(0)), w(17 * 9 * 12, 0);
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    GuardedMemory packed(xnor_packed_bytes(s, 0)), scratch(xnor_scratch_bytes(s));
    xnor_pack_weights(s, 0, w.data(), packed.data());
    std::vector<int32_t> out(17);
    xnor_conv_i32(s, 0, x.data(), xnor_weights(s, packed.data()), 0, 1, scratch.data(), out.data());
    CHECK(out == std::vector<int32_t>(17, -64 * 12 * 9));
    check(s, 0);
  });
}

TEST_CASE("xnor_conv: a linear layer is a convolution of single pixels") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : {1, 2, 6, 7, 8, 29}) check({.n = n, .c = 200, .k = 10}, 0);
  });
}

TEST_CASE("xnor sizes: the same whatever the target") {
  const ConvShape s{.n = 2, .h = 8, .w = 8, .c = 65, .k = 20, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  // 32 channels of 18 words, 18 + 8 + 8 numbers, and 3 x 3 classes of 32 bases; 7 rows of 3 x 10 pixels of 2 words and
  // 56 pixels.
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    CHECK(xnor_packed_bytes(s, 0) == 64 * ((32 * 18 * 8 + 34 * 4 + 9 * 32 * 4 + 63) / 64));
    CHECK(xnor_packed_bytes(s, 1) == 64 * ((32 * 18 * 8 + 34 * 4 + 32 * 4 + 63) / 64));
    CHECK(xnor_scratch_bytes(s) == 64 * ((7 * 60 * 8 + 56 * 8 + 63) / 64));
  });
}
