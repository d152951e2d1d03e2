#include "ops/kernels_train/resize_u8.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/rng.h"
#include "ops/kernels_train/resize_u8_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

struct Taps {
  std::vector<int32_t> first, count, weights;
  ResizeTaps view;
};

// n outputs over `in` inputs, 1 to 5 taps each, weights of any sign whose sums go over both ends of u8.
Taps random_taps(int64_t in, int64_t n, uint64_t seed) {
  const Rng rng(seed, kRngTest);
  Taps t;
  t.view.n = n;
  t.view.most = 6;
  for (int64_t i = 0; i < n; ++i) {
    const auto count = int32_t(std::min<int64_t>(in, 1 + rng.below(uint64_t(8 * i), 5)));
    t.count.push_back(count);
    t.first.push_back(int32_t(rng.below(uint64_t(8 * i + 1), uint32_t(in - count + 1))));
    for (uint64_t j = 0; j < 6; ++j)
      t.weights.push_back(int32_t(rng.below(uint64_t(8 * i) + 2 + j, 3 << 20)) - (1 << 20));
  }
  t.view.first = t.first.data();
  t.view.count = t.count.data();
  t.view.weights = t.weights.data();
  return t;
}

}  // namespace

TEST_CASE("resize_u8: halves are rounded up, sums clamped to 0 and 255") {
  const int32_t one = 1 << kResizeWeightBits;
  const std::vector<int32_t> first = {0, 0, 0, 1}, count = {2, 2, 2, 1};
  const std::vector<int32_t> weights = {one / 2, one / 2, -one, one / 2, one, one / 2, one, 0};
  const ResizeTaps taps{4, 2, first.data(), count.data(), weights.data()};
  const std::vector<uint8_t> in = {200, 111};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    std::vector<uint8_t> out(4);
    resize_rows_u8(in.data(), 2, 1, 1, taps, out.data());
    CHECK(out == std::vector<uint8_t>{156, 0, 255, 111});  // 155.5; -144.5; 255.5; 111
    resize_columns_u8(in.data(), 1, 1, taps, out.data());
    CHECK(out == std::vector<uint8_t>{156, 0, 255, 111});
  });
}

TEST_CASE("resize_u8: rows and columns equal their definition, read and write nothing else") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    uint64_t seed = 0;
    for (const int64_t c : {1, 3})
      for (const int64_t rows : {1, 2, 4, 5, 6, 9})
        for (const int64_t w : {1, 2, 7, 31})
          for (const int64_t n : {1, 5, 17}) {
            const Taps taps = random_taps(w, n, ++seed);
            const int64_t stride = w * c + (seed % 3 == 0 ? 5 : 0);
            // Exactly sized on the heap, so that the address sanitizer sees a byte too many.
            const std::vector<uint8_t> in = random_bytes(size_t((rows - 1) * stride + w * c), seed);
            std::vector<uint8_t> got(size_t(rows * n * c) + 8, 77), want = got;
            resize_rows_u8(in.data(), stride, rows, c, taps.view, got.data());
            ref::resize_rows_u8(in.data(), stride, rows, c, taps.view, want.data());
            REQUIRE(got == want);
          }
    for (const int64_t h : {1, 2, 9})
      for (const int64_t row_bytes : {1, 3, 4, 7, 8, 15, 16, 17, 63, 64, 65, 130})
        for (const int64_t n : {1, 5}) {
          const Taps taps = random_taps(h, n, ++seed);
          const int64_t stride = row_bytes + (seed % 3 == 0 ? 5 : 0);
          const std::vector<uint8_t> in = random_bytes(size_t((h - 1) * stride + row_bytes), seed);
          std::vector<uint8_t> got(size_t(n * row_bytes) + 8, 77), want = got;
          resize_columns_u8(in.data(), stride, row_bytes, taps.view, got.data());
          ref::resize_columns_u8(in.data(), stride, row_bytes, taps.view, want.data());
          REQUIRE(got == want);
        }
  });
}
