#include "ops/kernels_train/philox.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/rng.h"
#include "tests/ops/each_target.h"

using namespace bantam;

namespace {
// Where the low word of a block's counter overflows, and ordinary places.
const uint64_t kPlaces[] = {0,
                            8,
                            uint64_t(1) << 20,
                            (uint64_t(1) << 34) - 64,
                            (uint64_t(1) << 34) - 8,
                            uint64_t(1) << 34,
                            (uint64_t(5) << 34) + 8};
}  // namespace

TEST_CASE("philox_numbers: the stream's numbers one by one, from any place, any length, on every target") {
  for_each_target([&](const std::string& target) {
    const Rng rng(0x123456789abcdef0, kRngTest, 5, 6);
    for (uint64_t place : kPlaces)
      for (uint64_t offset : {0, 1, 2, 3, 5})
        for (int64_t n : {0, 1, 2, 3, 4, 7, 31, 32, 33, 101}) {
          INFO(target << ": " << n << " numbers from " << place << " + " << offset);
          std::vector<uint32_t> got(size_t(n) + 1, 77), want(size_t(n) + 1, 77);
          philox_numbers(rng.stream(), place + offset, got.data(), n);
          for (int64_t i = 0; i < n; ++i) want[size_t(i)] = rng.bits(place + offset + uint64_t(i));
          CHECK(got == want);
        }
  });
}

TEST_CASE(
    "dropout_f32: keeps where the stream's uniform number is at least p, from any place, any length, on every target") {
  for_each_target([&](const std::string& target) {
    const Rng rng(7, kRngTest, 5, 6);
    for (uint64_t place : kPlaces)
      for (int64_t n : {1, 7, 8, 9, 31, 32, 33, 64, 127, 200})
        for (uint32_t least : {1u, 1u << 22, 1u << 23, (1u << 24) - 1, 1u << 24}) {
          INFO(target << ": " << n << " from " << place << ", least " << least);
          std::vector<float> x(size_t(n), 0.0f), y(x.size() + 1, 77.0f), want_y(y);
          std::vector<uint8_t> bits(size_t(n + 7) / 8 + 1, 77), want_bits(bits.size(), 0);
          want_bits.back() = 77;
          for (int64_t i = 0; i < n; ++i) {
            x[size_t(i)] = float(i) - 3.5f;
            const bool kept = rng.uniform(place + uint64_t(i)) >= float(least) * 0x1p-24f;
            want_y[size_t(i)] = kept ? x[size_t(i)] * 1.25f : 0.0f;
            want_bits[size_t(i / 8)] |= uint8_t(kept << (i % 8));
          }
          dropout_f32(rng.stream(), place, least, 1.25f, x.data(), y.data(), bits.data(), n);
          CHECK(y == want_y);
          CHECK(bits == want_bits);
        }
  });
}
