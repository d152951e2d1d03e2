// Binary 3x3 convolutions at ResNet-18's four sizes: bits in, and sums, or bits by thresholds, out. Each is 115.6
// million multiply-accumulates. "of_limit" is the rate over that of xor + popcount + add in registers, measured in the
// same run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "core/base/fixed_point.h"
#include "core/tensor.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/gemm_xnor.h"
#include "ops/kernels/gemm_xnor_ref.h"
#include "ops/kernels/threshold_ref.h"
#include "ops/kernels_train/popcount_burst.h"

namespace bantam {
namespace {

// CPU seconds of this thread, the time that Google Benchmark's rates are made of.
double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

// Multiply-accumulates a second, the best of a few tries.
double limit() {
  const std::vector<uint64_t> words(24, 0x0123456789ABCDEFull);
  double best = 0;
  for (int i = 0; i < 10; ++i) {
    uint64_t value = 0;
    const double start = cpu_seconds();
    const int64_t count = popcount_burst(2000000, words.data(), &value);
    benchmark::DoNotOptimize(value);
    const double seconds = cpu_seconds() - start;
    best = std::max(best, double(count) * 64 / seconds);
  }
  return best;
}

struct Case {
  ConvShape s;
  Tensor x, packed, scratch, out, thresholds_memory;
  std::vector<int32_t> lo, hi;
  std::vector<uint64_t> flip;
  Thresholds thresholds() const { return {lo.data(), hi.data(), flip.data()}; }
  const uint64_t* bits() const { return static_cast<const uint64_t*>(x.raw()); }
};

uint64_t next(uint64_t* state) {
  *state = *state * 6364136223846793005ull + 1442695040888963407ull;
  return *state ^ *state >> 29;
}

[[noreturn]] void wrong(const char* what) {
  std::fprintf(stderr, "xnor_bench: %s differ from the definition\n", what);
  std::exit(6);
}

// Sizes, random bits, and one check of both outputs.
std::unique_ptr<Case> make(int64_t size, int64_t channels) {
  auto c = std::make_unique<Case>();
  c->s = {.h = size, .w = size, .c = channels, .k = channels, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  const int64_t words = channels / 64, pixels = size * size;
  uint64_t seed = 1;
  c->x = Tensor::empty({pixels * words * 8}, DType::kU8);
  for (int64_t i = 0; i < pixels * words; ++i) static_cast<uint64_t*>(c->x.raw())[i] = next(&seed);
  std::vector<uint64_t> w(size_t(channels * 9 * words));
  for (uint64_t& v : w) v = next(&seed);
  c->packed = Tensor::empty({int64_t(xnor_packed_bytes(c->s, 0))}, DType::kU8);
  c->scratch = Tensor::empty({int64_t(xnor_scratch_bytes(c->s))}, DType::kU8);
  c->out = Tensor::empty({pixels * channels}, DType::kI32);
  xnor_pack_weights(c->s, 0, w.data(), c->packed.raw());
  c->lo.assign(size_t(channels), 0);
  c->hi.assign(size_t(channels), INT32_MAX);
  c->flip.assign(size_t(words), 0x5555555555555555ull);

  std::vector<int32_t> want(size_t(pixels * channels));
  ref::xnor_conv(c->s, 0, c->bits(), w.data(), want.data());
  xnor_conv_i32(c->s, 0, c->bits(), xnor_weights(c->s, c->packed.raw()), 0, size, c->scratch.raw(),
                c->out.mutable_data<int32_t>());
  for (size_t i = 0; i < want.size(); ++i)
    if (c->out.data<int32_t>()[i] != want[i]) wrong("sums");
  std::vector<uint64_t> bits(size_t(pixels * words)), want_bits(bits.size());
  xnor_conv_bits(c->s, 0, c->bits(), xnor_weights(c->s, c->packed.raw()), c->thresholds(), 0, size, c->scratch.raw(),
                 bits.data());
  ref::threshold_bits(want.data(), pixels, channels, c->thresholds(), want_bits.data());
  if (bits != want_bits) wrong("bits");
  return c;
}

void report(benchmark::State& state, const ConvShape& s) {
  static const double kLimit = limit();
  const double rate = double(s.macs()) * double(state.iterations());
  state.counters["GMAC/s"] = benchmark::Counter(rate * 1e-9, benchmark::Counter::kIsRate);
  state.counters["of_limit"] = benchmark::Counter(rate / kLimit, benchmark::Counter::kIsRate);
  state.counters["limit_GMAC/s"] = kLimit * 1e-9;
}

void sums(benchmark::State& state) {
  const auto c = make(state.range(0), state.range(1));
  for (auto _ : state) {
    xnor_conv_i32(c->s, 0, c->bits(), xnor_weights(c->s, c->packed.raw()), 0, c->s.h, c->scratch.raw(),
                  c->out.mutable_data<int32_t>());
    benchmark::ClobberMemory();
  }
  report(state, c->s);
}

void bits(benchmark::State& state) {
  const auto c = make(state.range(0), state.range(1));
  uint64_t* out = static_cast<uint64_t*>(c->out.raw());
  for (auto _ : state) {
    xnor_conv_bits(c->s, 0, c->bits(), xnor_weights(c->s, c->packed.raw()), c->thresholds(), 0, c->s.h,
                   c->scratch.raw(), out);
    benchmark::ClobberMemory();
  }
  report(state, c->s);
}

// f32 to bits: bytes read a second.
void pack(benchmark::State& state) {
  const int64_t pixels = state.range(0) * state.range(0), channels = state.range(1);
  const Tensor x = Tensor::full({pixels, channels}, 0.5);
  Tensor packed = Tensor::empty({pixels * channels / 8}, DType::kU8);
  for (auto _ : state) {
    pack_signs(x.data<float>(), pixels, channels, static_cast<uint64_t*>(packed.raw()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * pixels * channels * 4);
}

void sizes(benchmark::internal::Benchmark* b) {
  for (int64_t size : {56, 28, 14, 7}) b->Args({size, 64 * 56 / size});
}
BENCHMARK(sums)->Apply(sizes)->Unit(benchmark::kMicrosecond);
BENCHMARK(bits)->Apply(sizes)->Unit(benchmark::kMicrosecond);
BENCHMARK(pack)->Apply(sizes)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bantam

BENCHMARK_MAIN();
