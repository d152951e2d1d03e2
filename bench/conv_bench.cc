// Convolution layers of VGG-11, ResNet-14, the strided ones of ResNet-18 (batch 128), LeNet (64) and some depthwise
// ones, forward and both gradients: `of_peak` is the share of (threads * FMA peak of one core), measured in the same
// run; padding counts as multiplied. The last benchmarks add up a whole VGG-11 step's convolutions.
//   build/bench/conv_bench [--benchmark_filter=...] ; BANTAM_THREADS=2 for two threads (default 1), BANTAM_LOOSE=1 for
//   Winograd with tiles of 4x4 where it applies
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <string>

#include "cmd/report/machine.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "ops/conv/work.h"
#include "tests/shapes/conv_shapes.h"

using namespace bantam;

namespace {

SumOrder g_order = SumOrder::kAny;

enum class Pass { kForward, kInputGrad, kWeightGrad };
constexpr const char* kPassNames[] = {"forward", "input_grad", "weight_grad"};

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  const Rng rng(seed, kRngTest);
  for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<float>()[i] = rng.uniform(uint64_t(i)) - 0.5f;
  return t;
}

struct Layer {
  ConvShape s;
  Tensor x, w, y;
  explicit Layer(const ConvShape& shape)
      : s(shape),
        x(random_tensor({s.n, s.h, s.w, s.c}, 1)),
        w(random_tensor({s.k, s.kh, s.kw, s.group_c()}, 2)),
        y(random_tensor({s.n, s.out_h(), s.out_w(), s.k}, 3)) {}
  // One pass, from tensors that exist to one that is made: as in training.
  Tensor run(Pass pass) const {
    Tensor out = Tensor::empty(pass == Pass::kForward ? y.shape() : pass == Pass::kInputGrad ? x.shape() : w.shape());
    if (pass == Pass::kForward) conv_forward(s, x, w, {}, &out, g_order);
    if (pass == Pass::kInputGrad) conv_input_grad(s, y, w, &out, g_order);
    if (pass == Pass::kWeightGrad) conv_weight_grad(s, x, y, &out);
    return out;
  }
  // The rounding error of one image, relative to the size of what is computed: root mean squares, against f64. The
  // weight gradient is of all images, too many for f64: it is checked by <dw, w> = <y, conv(x, w)>.
  double error(Pass pass) const {
    const Tensor got = run(pass);
    if (pass == Pass::kWeightGrad) {
      const Tensor conv = run(Pass::kForward);
      double a = 0, b = 0, size = 0;
      for (int64_t i = 0; i < w.size(); ++i) a += got.at(i) * w.at(i);
      for (int64_t i = 0; i < y.size(); ++i) b += conv.at(i) * y.at(i), size += conv.at(i) * conv.at(i);
      return std::fabs(a - b) / std::sqrt(size * double(y.size()));
    }
    const auto first = [](const Tensor& t) { return t.slice_outer(0, 1).clone().to(DType::kF64); };
    const Tensor w64 = w.to(DType::kF64);
    Tensor want;
    ConvShape one = s;
    one.n = 1;
    if (pass == Pass::kForward) {
      want = Tensor::empty({1, s.out_h(), s.out_w(), s.k}, DType::kF64);
      conv_forward(one, first(x), w64, {}, &want);
    } else {
      want = Tensor::empty({1, s.h, s.w, s.c}, DType::kF64);
      conv_input_grad(one, first(y), w64, &want);
    }
    double wrong = 0, size = 0;
    for (int64_t i = 0; i < want.size(); ++i)
      wrong += (got.at(i) - want.at(i)) * (got.at(i) - want.at(i)), size += want.at(i) * want.at(i);
    return std::sqrt(wrong / size);
  }
};

void layer(benchmark::State& state, const NamedConv& conv, Pass pass) {
  const Layer l(conv.shape);
  const double error = l.error(pass);
  if (!(error < 1e-4)) return state.SkipWithError("the result is wrong");
  const double limit = fma_peak(), macs = double(conv.shape.macs());
  for (auto _ : state) benchmark::DoNotOptimize(l.run(pass));
  state.counters["rms_error"] = error;
  state.counters["GMAC/s"] = benchmark::Counter(macs * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(macs / limit, benchmark::Counter::kIsIterationInvariantRate);
}

// All convolutions of a training step: three passes of each layer, but no input gradient of the first.
void vgg11_step(benchmark::State& state) {
  std::vector<Layer> layers;
  for (const NamedConv& c : kVgg11Convs) layers.emplace_back(c.shape);
  const double limit = fma_peak();
  double macs = 0;
  for (const Layer& l : layers) macs += double(l.s.macs()) * (&l == &layers[0] ? 2 : 3);
  for (auto _ : state)
    for (const Layer& l : layers) {
      benchmark::DoNotOptimize(l.run(Pass::kForward));
      if (&l != &layers[0]) benchmark::DoNotOptimize(l.run(Pass::kInputGrad));
      benchmark::DoNotOptimize(l.run(Pass::kWeightGrad));
    }
  state.counters["of_peak"] = benchmark::Counter(macs / limit, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  const char* t = std::getenv("BANTAM_THREADS");
  set_threads(t ? std::atoi(t) : 1);
  if (std::getenv("BANTAM_LOOSE")) g_order = SumOrder::kLoose;
  // One thread is timed by its processor time, which others on the machine disturb least.
  const auto timed = [](benchmark::internal::Benchmark* b) {
    b->Unit(benchmark::kMillisecond);
    if (threads() > 1) b->UseRealTime();
  };
  const auto add = [&](const NamedConv& c) {
    for (Pass p : {Pass::kForward, Pass::kInputGrad, Pass::kWeightGrad})
      timed(benchmark::RegisterBenchmark((std::string(c.name) + "/" + kPassNames[int(p)]).c_str(), layer, c, p));
  };
  for (const NamedConv& c : kVgg11Convs) add(c);
  for (const NamedConv& c : kResNet14Convs) add(c);
  for (const NamedConv& c : kResNet18Convs) add(c);
  for (const NamedConv& c : kDepthwiseConvs) add(c);
  for (const NamedConv& c : kLenetConvs) add(c);
  timed(benchmark::RegisterBenchmark("vgg11.step", vgg11_step));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
