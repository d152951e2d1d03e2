#include "ops/kernels/conv_planes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/fixed_point.h"
#include "core/rng.h"
#include "ops/kernels/conv_codes_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

// Random codes of `p` on both sides, whole, in two ranges of rows and in parts of the channels, against the definition.
void check(const ConvShape& s, const Planes& p, bool of_bits) {
  CAPTURE(s.c);
  CAPTURE(s.k);
  CAPTURE(s.kh);
  CAPTURE(s.kw);
  CAPTURE(p.x);
  CAPTURE(p.w);
  CAPTURE(p.mul);
  CAPTURE(p.add);
  CAPTURE(p.pad);
  const Rng rng(1, kRngTest);
  const int64_t pixels = s.n * s.h * s.w, words = int64_t(words_for(size_t(s.c)));
  std::vector<uint8_t> bytes(size_t(pixels * s.c));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(rng.bits(i) & ((1u << p.x) - 1));
  std::vector<uint64_t> bits(size_t(pixels * words));
  for (int64_t i = 0; i < pixels * s.c; ++i)
    bits[size_t(i / s.c * words + i % s.c / 64)] |= uint64_t(bytes[size_t(i)] & 1) << (i % s.c % 64);
  const int64_t depth = s.taps() * s.c, row = (depth * p.w + 7) / 8;
  std::vector<uint8_t> numbers(size_t(s.k * row));
  std::vector<int16_t> codes(size_t(s.k * depth));
  for (int64_t k = 0; k < s.k; ++k)
    for (int64_t i = 0; i < depth; ++i) {
      const uint32_t v = rng.below(uint64_t(k * depth + i) + bytes.size(), 1u << p.w);
      for (int bit = 0; bit < p.w; ++bit)
        numbers[size_t(k * row + (i * p.w + bit) / 8)] |= uint8_t((v >> bit & 1) << ((i * p.w + bit) % 8));
      codes[size_t(k * depth + i)] = int16_t(2 * int(v) - ((1 << p.w) - 1));
    }
  CodeInput x;
  if (of_bits)
    x.bits = bits.data();
  else
    x.bytes = bytes.data();
  x.mul = p.mul, x.add = p.add, x.pad = p.pad;
  const PackedNumbers w{numbers.data(), p.w, 2, 1 - (1 << p.w), (1 << p.w) - 1};
  const int64_t rows = s.n * s.out_h(), row_size = s.out_w() * s.k;
  std::vector<int32_t> want(size_t(rows * row_size)), got(want.size() + 1, 77);
  ref::codes_conv_i32(s, x, codes.data(), want.data());
  GuardedMemory packed(planes_packed_bytes(s, p)), scratch(planes_scratch_bytes(s, p));
  planes_pack_numbers(s, p, w, packed.data());
  planes_conv_i32(s, p, x, packed.data(), 0, rows, scratch.data(), got.data());
  REQUIRE(got.back() == 77);
  got.pop_back();
  REQUIRE(got == want);
  got.assign(want.size(), 77);
  planes_conv_i32(s, p, x, packed.data(), 0, rows / 2, scratch.data(), got.data());
  planes_conv_i32(s, p, x, packed.data(), rows / 2, rows, scratch.data(), got.data() + rows / 2 * row_size);
  REQUIRE(got == want);
  for (int64_t k = 0; k < s.k && s.k > 64; k += 64) {
    const int64_t n = std::min<int64_t>(64, s.k - k);
    std::vector<int32_t> part(size_t(rows * s.out_w() * n) + 1, 77);
    planes_conv_i32(s, p, x, packed.data(), 0, rows, scratch.data(), part.data(), {k, k + n});
    REQUIRE(part.back() == 77);
    for (int64_t i = 0; i < rows * s.out_w() * n; ++i)
      REQUIRE(part[size_t(i)] == want[size_t(i / n * s.k + k + i % n)]);
  }
  REQUIRE(packed.guards_stand());
  REQUIRE(scratch.guards_stand());
}

}  // namespace

TEST_CASE("planes_conv: all pairs of 1 to 8 bits equal the definition, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    const ConvShape s{.n = 2, .h = 4, .w = 5, .c = 9, .k = 18, .kh = 3, .kw = 2, .pad_h = 1, .pad_w = 1};
    for (int x = 1; x <= 8; ++x)
      for (int w = 1; w <= 8; ++w)
        check(s, {.x = x, .w = w, .mul = 1 + (x + w) % 2, .add = -x, .pad = w % 3 - 1}, false);
    for (int pad : {-1, 0, 1})
      for (int w : {1, 2, 5}) check(s, {.x = 1, .w = w, .mul = 2, .add = -1, .pad = pad}, true);
  });
}

TEST_CASE("planes_conv: channels from 1 to 257, kernels 1 to 7, strides, dilations, every padding, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 7, 8, 63, 64, 65, 130})
      check({.n = 1, .h = 5, .w = 6, .c = c, .k = 1 + 3 * c % 70, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}, {.x = 2},
            false);
    for (int64_t kernel = 1; kernel <= 7; ++kernel)
      check({.n = 2, .h = 8, .w = 9, .c = 5, .k = 19, .kh = kernel, .kw = 8 - kernel, .pad_h = kernel / 2, .pad_w = 3},
            {.x = 3, .w = 1, .mul = 2, .add = -7, .pad = 1}, false);
    for (int64_t k : {15, 16, 17, 33, 65, 257})
      check({.n = 1, .h = 4, .w = 3, .c = 4, .k = k, .kh = 1, .kw = 2}, {.x = 2, .w = 2}, false);
    check({.n = 3, .c = 257, .k = 10}, {.x = 4, .w = 1}, false);  // a linear layer
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
          {.x = 2, .w = 3, .pad = -1}, false);
    check({.n = 1,
           .h = 9,
           .w = 9,
           .c = 3,
           .k = 33,
           .kh = 3,
           .kw = 2,
           .pad_h = 2,
           .pad_w = 1,
           .dilation_h = 2,
           .dilation_w = 3},
          {.x = 1, .w = 2, .mul = 2, .add = -1, .pad = 0}, true);
  });
}

TEST_CASE("planes_conv: sums up to the accumulator's limits are exact, though what they are made of wraps around") {
  // 33,025 products of 255 by 255 are the most that stay below 2^31; the counts alone would be twice that.
  const ConvShape s{.n = 2, .c = 33025, .k = 2};
  std::vector<uint8_t> bytes(size_t(2 * s.c), 255);
  std::fill(bytes.begin() + s.c, bytes.end(), uint8_t(0));
  std::vector<uint8_t> numbers(size_t(2 * s.c), 255);
  std::fill(numbers.begin() + s.c, numbers.end(), uint8_t(0));
  const Planes p{.x = 8, .w = 8, .mul = 2, .add = -255};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    GuardedMemory packed(planes_packed_bytes(s, p)), scratch(planes_scratch_bytes(s, p));
    planes_pack_numbers(s, p, {numbers.data(), 8, 2, -255, 255}, packed.data());
    int32_t out[4];
    planes_conv_i32(s, p, {.bytes = bytes.data(), .mul = 2, .add = -255}, packed.data(), 0, 2, scratch.data(), out);
    const int32_t most = 33025 * 255 * 255;
    CHECK(out[0] == most);
    CHECK(out[1] == -most);
    CHECK(out[2] == -most);
    CHECK(out[3] == most);
  });
}
