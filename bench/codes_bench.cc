// Integer convolutions of 3x3 on one thread: multiply-adds of pairs (conv_codes) beside planes of bits (conv_planes),
// for the pairs of bits that both can do. Each result is checked before it is timed; `of_multiply_adds` is the ratio of
// both rates in this run, which planes_pay() is set by.
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "ops/kernels/conv_planes.h"
#include "tests/ops/kernels/values.h"

namespace bantam {
namespace {

struct Case {
  ConvShape s;
  Planes p;
};

void run(benchmark::State& state, const Case& c) {
  const ConvShape& s = c.s;
  const Rng rng(1, kRngTest);
  std::vector<uint8_t> bytes(size_t(s.h * s.w * s.c));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(rng.bits(i) & ((1u << c.p.x) - 1));
  const int64_t row = (s.taps() * s.c * c.p.w + 7) / 8;
  std::vector<uint8_t> numbers(size_t(s.k * row));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = uint8_t(rng.bits(i + 7));
  const PackedNumbers w{numbers.data(), c.p.w, 2, 1 - (1 << c.p.w), (1 << c.p.w) - 1};
  CodeInput x;
  x.bytes = bytes.data();
  GuardedMemory packed(codes_packed_bytes(s, w.reach)), scratch(codes_scratch_bytes(s));
  GuardedMemory planes(planes_packed_bytes(s, c.p)), plane_scratch(planes_scratch_bytes(s, c.p));
  codes_pack_numbers(s, w, packed.data());
  planes_pack_numbers(s, c.p, w, planes.data());
  std::vector<int32_t> want(size_t(s.out_h() * s.out_w() * s.k)), got(want.size());
  const auto multiply_adds = [&] {
    codes_conv_i32(s, x, packed.data(), w.reach, 0, s.out_h(), scratch.data(), want.data());
  };
  const auto by_planes = [&] {
    planes_conv_i32(s, c.p, x, planes.data(), 0, s.out_h(), plane_scratch.data(), got.data());
  };
  multiply_adds();
  by_planes();
  if (want != got) return state.SkipWithError("the two kernels differ");
  using Clock = std::chrono::steady_clock;
  double seconds[2] = {};
  int64_t runs = 0;
  for (auto _ : state) {  // in turns, so that both meet the same machine
    const auto t0 = Clock::now();
    multiply_adds();
    const auto t1 = Clock::now();
    by_planes();
    seconds[0] += std::chrono::duration<double>(t1 - t0).count();
    seconds[1] += std::chrono::duration<double>(Clock::now() - t1).count();
    ++runs;
  }
  const double macs = double(s.macs()) * double(runs) * 1e-9;
  state.counters["GMAC/s, multiply-adds"] = macs / seconds[0];
  state.counters["GMAC/s, planes"] = macs / seconds[1];
  state.counters["of_multiply_adds"] = seconds[0] / seconds[1];
  state.counters["taken"] = planes_pay(s, c.p);
}

}  // namespace
}  // namespace bantam

int main(int argc, char** argv) {
  using namespace bantam;
  for (int64_t side_channels : {56064, 28128, 14256, 7512, 16032, 32016})
    for (const auto& [x, w] : {std::pair(1, 1), std::pair(2, 1), std::pair(3, 1), std::pair(4, 1), std::pair(2, 2),
                               std::pair(8, 1), std::pair(4, 4)}) {
      const int64_t side = side_channels / 1000, c = side_channels % 1000;
      const Case one{{.n = 1, .h = side, .w = side, .c = c, .k = c, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
                     {.x = x, .w = w}};
      benchmark::RegisterBenchmark((std::to_string(side) + "x" + std::to_string(c) + ", " + std::to_string(x) + " x " +
                                    std::to_string(w) + " bits")
                                       .c_str(),
                                   [one](benchmark::State& state) { run(state, one); });
    }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
