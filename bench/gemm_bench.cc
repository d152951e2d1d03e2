// Matrix product: `of_peak` is the share of (threads * FMA peak of one core), measured in the same run.
//   build/bench/gemm_bench [--benchmark_filter=...] ; BANTAM_THREADS=2 for two threads (default 1)
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>

#include "cmd/report/machine.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "ops/kernels/gemm_f32_ref.h"
#include "ops/matmul.h"

using namespace bantam;

namespace {

Tensor random_matrix(int64_t rows, int64_t cols, uint64_t seed) {
  Tensor t = Tensor::empty({rows, cols});
  const Rng rng(seed, kRngTest);
  for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<float>()[i] = rng.uniform(uint64_t(i)) - 0.5f;
  return t;
}

void product(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const Tensor a = random_matrix(m, k, 1), b = random_matrix(k, n, 2);
  const Tensor c = matmul(a, b);
  for (int64_t i = 0; i < c.size(); i += 1 + c.size() / 97) {
    float chain = 0;
    for (int64_t t = 0; t < k; ++t)
      chain = ref::mul_add(a.data<float>()[i / n * k + t], b.data<float>()[t * n + i % n], chain);
    if (chain != c.data<float>()[i]) return state.SkipWithError("the product is wrong");
  }
  const double peak = fma_peak();
  for (auto _ : state) benchmark::DoNotOptimize(matmul(a, b));
  const double macs = double(m) * double(k) * double(n);
  state.counters["GMAC/s"] = benchmark::Counter(macs * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(macs / peak, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  const char* count = std::getenv("BANTAM_THREADS");
  set_threads(count ? std::atoi(count) : 1);
  benchmark::internal::Benchmark* b = benchmark::RegisterBenchmark("product", product);
  b->ArgNames({"m", "k", "n"})->Unit(benchmark::kMicrosecond);
  const int64_t sizes[][3] = {{512, 512, 512}, {1024, 1024, 1024}, {128, 3136, 10}, {1, 3136, 10},
                              {1, 512, 512},   {128, 512, 512},    {100, 100, 100}};
  for (const auto& [m, k, n] : sizes) b->Args({m, k, n});
  if (threads() > 1) b->UseRealTime();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
