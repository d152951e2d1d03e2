#include "core/pool.h"

#include <doctest/doctest.h>

#include <cstdint>

#include "core/tensor.h"

using namespace bantam;

TEST_CASE("pool: size classes waste at most an eighth and are multiples of 64") {
  for (size_t n = 1; n < 5000; ++n) {
    const size_t c = size_class(n);
    CHECK(c >= n);
    CHECK(c % 64 == 0);
    CHECK(size_class(c) == c);
    if (n > 512) CHECK(double(c) <= 1.125 * double(n) + 1);
  }
  CHECK(size_class(size_t(1) << 30) == size_t(1) << 30);
}

TEST_CASE("pool: buffers are 64-byte aligned, and a size seen before needs no malloc") {
  { Tensor warm = Tensor::empty({1000}); }
  [[maybe_unused]] const uint64_t before = pool_stats().mallocs;
  for (int i = 0; i < 10; ++i) {
    Tensor t = Tensor::empty({1000});
    CHECK(reinterpret_cast<uintptr_t>(t.raw()) % 64 == 0);
  }
#ifndef BANTAM_POOL_OFF
  CHECK(pool_stats().mallocs == before);
#endif
}

TEST_CASE("pool: the high-water mark is the largest sum of what lives together") {
  const size_t base = pool_stats().live_bytes;
  reset_high_water();
  {
    Tensor a = Tensor::empty({1024});
    { Tensor b = Tensor::empty({2048}); }
    Tensor c = Tensor::empty({512});
  }
  CHECK(pool_stats().high_water_bytes - base == (1024 + 2048) * 4);
  CHECK(pool_stats().live_bytes == base);
}

TEST_CASE("pool: a dry run counts the same bytes without memory, and a trace tells each buffer's life") {
  auto work = [] {
    static const std::string who = "layer";
    AllocLabel label("output", &who);
    Tensor a = Tensor::empty({1000});
    Tensor b = Tensor::zeros({500}, DType::kF64);
    a = Tensor();
    Tensor c = Tensor::full({10}, 3.0);
  };
  const size_t base = pool_stats().live_bytes;
  reset_high_water();
  work();
  const size_t real = pool_stats().high_water_bytes - base;
  reset_high_water();
  start_alloc_trace();
  {
    DryRun dry;
    CHECK(Tensor::empty({4}).raw() == nullptr);
    work();
  }
  const auto events = stop_alloc_trace();
  CHECK(pool_stats().high_water_bytes - base == real);
  REQUIRE(events.size() == 4);
  CHECK(events[1].who == "layer");
  CHECK(events[1].what == "output");
  CHECK(events[1].bytes == 4096);
  CHECK(events[1].died < events[3].born);
  CHECK(events[2].died != UINT64_MAX);
}

TEST_CASE("pool: what is free of every size class is given back, to the byte") {
#ifndef BANTAM_POOL_OFF
  release_free_buffers();
  const size_t before = pool_stats().reserved_bytes;
  {
    std::vector<BufferPtr> all;
    for (size_t bytes = 1; bytes < (size_t(1) << 22); bytes = bytes * 17 / 16 + 1) all.push_back(allocate(bytes));
    CHECK(pool_stats().reserved_bytes > before);
  }
  const uint64_t mallocs = pool_stats().mallocs;
  for (size_t bytes = 1; bytes < (size_t(1) << 22); bytes = bytes * 17 / 16 + 1) allocate(bytes);  // each finds its own
  CHECK(pool_stats().mallocs == mallocs);
  release_free_buffers();
  CHECK(pool_stats().reserved_bytes == before);
#endif
}
