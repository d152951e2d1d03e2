#include "ops/kernels/conv_codes.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/base/fixed_point.h"
#include "core/rng.h"
#include "ops/kernels/conv_codes_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

std::string text(const ConvShape& s) {
  std::string t;
  for (int64_t v : {s.n, s.h, s.w, s.c, s.k, s.kh, s.kw, s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.dilation_h,
                    s.dilation_w, s.groups})
    t += " " + std::to_string(v);
  return "n h w c k kh kw sh sw ph pw dh dw groups =" + t;
}

// Bytes of codes and bits of signs, whole and in two ranges of rows, against the definition.
void check(const ConvShape& s, int32_t mul, int32_t add, int32_t pad) {
  CAPTURE(text(s));
  CAPTURE(mul);
  CAPTURE(pad);
  const Rng rng(1, kRngTest);
  const int64_t pixels = s.n * s.h * s.w, words = int64_t(words_for(size_t(s.c)));
  std::vector<uint8_t> bytes(size_t(pixels * s.c));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(rng.bits(i));
  std::vector<uint64_t> bits(size_t(pixels * words));
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t c = 0; c < s.c; ++c)
      bits[size_t(p * words + c / 64)] |= uint64_t(bytes[size_t(p * s.c + c)] & 1) << (c % 64);
  std::vector<int16_t> w(size_t(s.k * s.taps() * s.group_c()));
  for (size_t i = 0; i < w.size(); ++i) w[i] = int16_t(int(rng.bits(i + bytes.size()) % 511) - 255);
  // The same weights as numbers of 8 bits, of every second code, and of 3.
  for (int bits : {3, 8}) {
    const int64_t depth = s.taps() * s.group_c(), row = (depth * bits + 7) / 8;
    std::vector<uint8_t> numbers(size_t(s.k * row));
    std::vector<int16_t> codes(w.size());
    for (size_t i = 0; i < w.size(); ++i) {
      const uint32_t v = uint32_t(w[i] + 255) >> (bits == 8 ? 1 : 6);
      const size_t k = i / size_t(depth), at = i % size_t(depth) * size_t(bits);
      for (int bit = 0; bit < bits; ++bit)
        numbers[k * size_t(row) + (at + size_t(bit)) / 8] |= uint8_t((v >> bit & 1) << ((at + size_t(bit)) % 8));
      codes[i] = int16_t(2 * int(v) - 7);
    }
    const int32_t reach = bits == 8 ? 503 : 7;
    const PackedNumbers packed_numbers{numbers.data(), bits, 2, -7, reach};
    GuardedMemory a(codes_packed_bytes(s, reach)), b(codes_packed_bytes(s, reach));
    codes_pack_weights(s, codes.data(), reach, a.data());
    codes_pack_numbers(s, packed_numbers, b.data());
    REQUIRE(memcmp(a.data(), b.data(), a.size) == 0);
    REQUIRE(b.guards_stand());
  }
  const int64_t rows = s.n * s.out_h(), row_size = s.out_w() * s.k;
  // Weights of two bytes and of one; bytes of codes and bits of signs.
  for (const int form : {0, 1, 2, 3}) {
    CAPTURE(form);
    const bool of_bits = form % 2 == 1;
    const int32_t reach = form < 2 ? 255 : 127;
    if (form == 2)
      for (int16_t& v : w) v = int16_t(v / 2);
    GuardedMemory packed(codes_packed_bytes(s, reach)), scratch(codes_scratch_bytes(s));
    codes_pack_weights(s, w.data(), reach, packed.data());
    CodeInput x;
    x.pad = pad;
    if (of_bits)
      x.bits = bits.data();
    else
      x.bytes = bytes.data(), x.mul = mul, x.add = add;
    std::vector<int32_t> want(size_t(rows * row_size)), got(want.size() + 1, 77);
    ref::codes_conv_i32(s, x, w.data(), want.data());
    codes_conv_i32(s, x, packed.data(), reach, 0, rows, scratch.data(), got.data());
    REQUIRE(got.back() == 77);
    got.pop_back();
    REQUIRE(got == want);
    got.assign(want.size(), 77);
    codes_conv_i32(s, x, packed.data(), reach, 0, rows / 2, scratch.data(), got.data());
    codes_conv_i32(s, x, packed.data(), reach, rows / 2, rows, scratch.data(), got.data() + rows / 2 * row_size);
    REQUIRE(got == want);
    REQUIRE(packed.guards_stand());
    REQUIRE(scratch.guards_stand());
  }
}

TEST_CASE("codes_conv: all channel counts from 1 to 67, kernels 1 to 7, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c = 1; c <= 67; c += c < 9 ? 1 : 7)
      check({.n = 1, .h = 5, .w = 6, .c = c, .k = 1 + 3 * c % 70, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}, 1, 0, 0);
    for (int64_t kernel = 1; kernel <= 7; ++kernel)
      check({.n = 2, .h = 8, .w = 9, .c = 5, .k = 19, .kh = kernel, .kw = 8 - kernel, .pad_h = kernel / 2, .pad_w = 3},
            2, -255, -3);
    for (int64_t k : {15, 16, 17, 31, 32, 33, 48, 65, 257})
      check({.n = 1, .h = 4, .w = 3, .c = 4, .k = k, .kh = 1, .kw = 2}, 1, -128, 0);
    check({.n = 3, .c = 257, .k = 10}, 2, -255, 0);  // a linear layer
  });
}

TEST_CASE("codes_conv: strides, dilations, groups, depthwise and every padding, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    check({.n = 2,
           .h = 9,
           .w = 8,
           .c = 6,
           .k = 8,
           .kh = 3,
           .kw = 3,
           .stride_h = 2,
           .stride_w = 3,
           .pad_h = 1,
           .pad_w = 2},
          1, 0, 7);
    check({.n = 1, .h = 9, .w = 9, .c = 3, .k = 33, .kh = 3, .kw = 2, .pad_h = 2, .pad_w = 1, .dilation_h = 2,
           .dilation_w = 3},
          2, -3, -1);
    for (int64_t groups : {2, 3, 6})
      check({.n = 2, .h = 6, .w = 5, .c = 12, .k = 36, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1, .groups = groups}, 1,
            0, 1);
    for (int64_t c : {2, 7, 16, 21, 64})
      check({.n = 2, .h = 7, .w = 6, .c = c, .k = c, .kh = 3, .kw = 5, .stride_h = 2, .pad_h = 1, .pad_w = 2,
             .dilation_h = 2, .groups = c},
            2, -255, 3);
  });
}

TEST_CASE("codes_conv: sums up to the accumulator's limits are exact") {
  // 33,025 products of 255 by 255 are the most that stay below 2^31.
  const ConvShape s{.n = 2, .c = 33025, .k = 3};
  std::vector<uint8_t> bytes(size_t(2 * s.c), 255);
  std::fill(bytes.begin() + s.c, bytes.end(), uint8_t(0));
  std::vector<int16_t> w(size_t(3 * s.c), 255);
  std::fill(w.begin() + s.c, w.begin() + 2 * s.c, int16_t(-255));
  w[size_t(2 * s.c)] = 254;
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    GuardedMemory packed(codes_packed_bytes(s, 255)), scratch(codes_scratch_bytes(s));
    codes_pack_weights(s, w.data(), 255, packed.data());
    int32_t out[6];
    codes_conv_i32(s, {.bytes = bytes.data(), .mul = 2, .add = -255}, packed.data(), 255, 0, 2, scratch.data(), out);
    const int32_t most = 33025 * 255 * 255;
    CHECK(most > 2147000000);
    CHECK(out[0] == most);
    CHECK(out[1] == -most);
    CHECK(out[2] == most - 255);
    CHECK(out[3] == -most);
    CHECK(out[4] == most);
    float y[6];
    sums_to_f32(out, y, 6);
    for (int i = 0; i < 6; ++i) CHECK(y[i] == float(out[i]));
  });
}

TEST_CASE("codes_conv: sums of bytes by weights of a byte are exact up to the accumulator's limits") {
  // 66,311 products of 255 by 127. On the way, byte by weight times 2 passes 2^31.
  const ConvShape s{.n = 2, .c = 66311, .k = 3};
  std::vector<uint8_t> bytes(size_t(2 * s.c), 255);
  std::fill(bytes.begin() + s.c, bytes.end(), uint8_t(0));
  std::vector<int16_t> w(size_t(3 * s.c), 127);
  std::fill(w.begin() + s.c, w.begin() + 2 * s.c, int16_t(-127));
  w[size_t(2 * s.c)] = 126;
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    GuardedMemory packed(codes_packed_bytes(s, 127)), scratch(codes_scratch_bytes(s));
    codes_pack_weights(s, w.data(), 127, packed.data());
    const int32_t most = 66311 * 255 * 127;
    CHECK(most > 2147000000);
    for (int32_t add : {0, -255}) {
      int32_t out[6];
      codes_conv_i32(s, {.bytes = bytes.data(), .mul = add ? 2 : 1, .add = add}, packed.data(), 127, 0, 2,
                     scratch.data(), out);
      CHECK(out[0] == most);
      CHECK(out[1] == -most);
      CHECK(out[2] == most - 255);
      CHECK(out[3] == (add ? -most : 0));
      CHECK(out[4] == (add ? most : 0));
      CHECK(out[5] == (add ? 255 - most : 0));
    }
  });
}

}  // namespace
