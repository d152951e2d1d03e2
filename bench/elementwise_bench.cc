// Operations that only move memory, one thread: "of_copy" is the rate of bytes (each pass over an operand counted) over
// that of memcpy on arrays of the same size in the same run; 1 is what can be had without moving less. Passes: relu and
// prelu read 1 and write 1, add reads 2, batch norm reads 2 (the input twice) and writes 1 forward, reads 4 and writes
// 1 backward, where the gradient that comes in becomes the one that goes out in place: its lines are in the cache, so
// ratios above 1 occur.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "ops/activations.h"
#include "ops/arith.h"
#include "ops/batch_norm.h"
#include "ops/dropout.h"
#include "ops/loss.h"
#include "ops/norm_act.h"
#include "ops/pool.h"
#include "optim/optimizer.h"

namespace bantam {
namespace {

// CPU seconds of this thread: other programs on the machine cost no time, though they do cost bandwidth.
double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

Tensor random(const Shape& shape) {
  Tensor t = Tensor::empty(shape);
  const Rng rng(1, kRngTest);
  for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<float>()[i] = rng.uniform(uint64_t(i)) - 0.5f;
  return t;
}

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "elementwise_bench: wrong result of %s\n", what);
  std::exit(1);
}

// Alternates the operation with memcpy and compares the best of each.
void run(benchmark::State& state, const Tensor& x, double passes, const std::function<void()>& op) {
  set_threads(1);
  Tensor copy = Tensor::empty(x.shape());
  double best = 1e9, best_copy = 1e9;
  op();
  for (auto _ : state) {
    double t = cpu_seconds();
    op();
    best = std::min(best, cpu_seconds() - t);
    state.PauseTiming();
    t = cpu_seconds();
    std::memcpy(copy.raw(), x.raw(), x.bytes());
    benchmark::DoNotOptimize(copy.raw());
    best_copy = std::min(best_copy, cpu_seconds() - t);
    state.ResumeTiming();
  }
  const double bytes = double(x.bytes());
  state.counters["GB/s"] = 1e-9 * passes * bytes / best;
  state.counters["copy_GB/s"] = 1e-9 * 2 * bytes / best_copy;
  state.counters["of_copy"] = (passes / best) / (2 / best_copy);
}

// [N,H,W,C] by number: activations of nets of the zoo, in memory, in L3 and in L2.
const Shape kShapes[] = {{128, 32, 32, 64}, {128, 32, 32, 80}, {128, 28, 28, 10},
                         {128, 4, 4, 512},  {16, 8, 8, 64},    {64, 28, 28, 6}};
void shapes(benchmark::internal::Benchmark* b) {
  for (int64_t i = 0; i < int64_t(std::size(kShapes)); ++i) b->Arg(i);
}
Tensor input(benchmark::State& state) {
  const Shape& s = kShapes[state.range(0)];
  state.SetLabel(to_string(s));
  return random(s);
}

void relu_forward(benchmark::State& state) {
  const Tensor x = input(state);
  require(relu(x).at(5) == std::max(0.0, x.at(5)), "relu");
  run(state, x, 2, [&] { relu(x); });
}
void prelu_forward(benchmark::State& state) {
  const Tensor x = input(state), slope = Tensor::full({1}, 0.25);
  require(prelu(x, slope).at(5) == (x.at(5) < 0 ? 0.25 : 1) * x.at(5), "prelu");
  run(state, x, 2, [&] { prelu(x, slope); });
}
void residual_add(benchmark::State& state) {
  const Tensor x = input(state), y = x.clone();
  require(add(x, y).at(5) == 2 * x.at(5), "add");
  run(state, x, 3, [&] { add(x, y); });
}
void bias_add(benchmark::State& state) {
  const Tensor x = input(state), bias = Tensor::full({x.shape()[-1]}, 1);
  require(add(x, bias).at(5) == double(float(x.at(5)) + 1.0f), "add of a bias");
  run(state, x, 2, [&] { add(x, bias); });
}
void batch_norm_forward(benchmark::State& state) {
  const Tensor x = input(state), gamma = Tensor::full({x.shape()[-1]}, 1), beta = Tensor::zeros({x.shape()[-1]});
  const Tensor y = batch_norm(x, gamma, beta, nullptr, nullptr);
  double mean = 0;
  for (double v : y.values()) mean += v / double(y.size());
  require(std::abs(mean) < 1e-4, "batch_norm");
  run(state, x, 3, [&] { batch_norm(x, gamma, beta, nullptr, nullptr); });
}
void batch_norm_evaluation(benchmark::State& state) {
  const Tensor x = input(state), one = Tensor::full({x.shape()[-1]}, 1), zero = Tensor::zeros({x.shape()[-1]});
  require(std::abs(batch_norm_eval(x, one, zero, zero, one).at(5) - x.at(5)) < 1e-5, "batch_norm_eval");
  run(state, x, 2, [&] { batch_norm_eval(x, one, zero, zero, one); });
}
// The gradient of one op: forward once, then its backward function again and again.
void gradient(benchmark::State& state, const Tensor& y, const Tensor& like, double passes) {
  const Node& node = *y.node();
  const Tensor dy = random(like.shape());
  run(state, like, passes, [&] { node.backward(BackwardArgs{dy, node.saved, node.needs}); });
}
void relu_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  gradient(state, relu(x.tensor()), x.value, 3);
}
void prelu_backward(benchmark::State& state) {
  Parameter x("x", input(state)), slope("slope", Tensor::full({1}, 0.25));
  gradient(state, prelu(x.tensor(), slope.tensor()), x.value, 5);
}
void hardtanh_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  gradient(state, hardtanh(x.tensor()), x.value, 2 + 1.0 / 32);
}
void batch_norm_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  const int64_t c = x.value.shape()[-1];
  Parameter gamma("gamma", Tensor::full({c}, 1)), beta("beta", Tensor::zeros({c}));
  gradient(state, batch_norm(x.tensor(), gamma.tensor(), beta.tensor(), nullptr, nullptr), x.value, 5);
}

// prelu, norm, residual sum and relu as one: forward reads the input twice and the sum's other term, and writes; behind
// it the gradient is masked into the residual's, then as for the norm.
struct NormAct {
  Tensor x;
  Parameter in, gamma, beta, slope, other;
  Tensor y;
  explicit NormAct(const Tensor& input, bool residual)
      : x(input),
        in("x", input),
        gamma("gamma", Tensor::full({input.shape()[-1]}, 1)),
        beta("beta", Tensor::zeros({input.shape()[-1]})),
        slope("slope", Tensor::full({1}, 0.25)),
        other("other", residual ? input.clone() : Tensor()) {}
  Tensor operator()() {
    return norm_act(in.tensor(), {.pre = NormPre::kPRelu, .post = NormPost::kRelu},
                    {.slope = slope.tensor(), .gamma = gamma.tensor(), .beta = beta.tensor(),
                     .residual = other.value.defined() ? other.tensor() : Tensor()});
  }
};
void prelu_norm_relu_forward(benchmark::State& state) {
  NormAct op(input(state), false);
  require(op().at(5) >= 0, "norm_act");
  const NoGrad off;
  run(state, op.x, 3, [&] { op(); });
}
void prelu_norm_add_relu_forward(benchmark::State& state) {
  NormAct op(input(state), true);
  require(op().at(5) >= 0, "norm_act");
  const NoGrad off;
  run(state, op.x, 4, [&] { op(); });
}
void prelu_norm_relu_backward(benchmark::State& state) {
  NormAct op(input(state), false);
  gradient(state, op(), op.x, 5);
}
void prelu_norm_add_relu_backward(benchmark::State& state) {
  NormAct op(input(state), true);
  gradient(state, op(), op.x, 7 + 1.0 / 32);
}
void dropout_forward(benchmark::State& state) {
  const Tensor x = input(state);
  const Rng rng(1, kRngTest);
  require(dropout(x, 0.5, rng).at(5) == (rng.uniform(5) < 0.5f ? 0 : 2 * x.at(5)), "dropout");
  run(state, x, 2 + 1.0 / 32, [&] { dropout(x, 0.5, rng); });
}
void dropout_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  gradient(state, dropout(x.tensor(), 0.5, Rng(1, kRngTest)), x.value, 2 + 1.0 / 32);
}
void max_pool_forward(benchmark::State& state) {
  const Tensor x = input(state);
  require(max_pool(x).at(0) >= x.at(0), "max_pool");
  run(state, x, 1.25, [&] { max_pool(x); });
}
// The same of an op whose output is smaller than its input.
void gradient_of_part(benchmark::State& state, const Tensor& y, const Tensor& input, double passes) {
  const Node& node = *y.node();
  const Tensor dy = random(y.shape());
  run(state, input, passes, [&] { node.backward(BackwardArgs{dy, node.saved, node.needs}); });
}
void max_pool_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  gradient_of_part(state, max_pool(x.tensor()), x.value, 1.25 + 1.0 / 64);
}

// Averages: global, and over windows of 2x2.
void global_average_forward(benchmark::State& state) {
  const Tensor x = input(state);
  require(std::abs(global_avg_pool(x).at(0)) < 0.5, "global_avg_pool");
  run(state, x, 1, [&] { global_avg_pool(x); });
}
void global_average_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  gradient_of_part(state, global_avg_pool(x.tensor()), x.value, 1);
}
void average_pool_forward(benchmark::State& state) {
  const Tensor x = input(state);
  require(std::abs(avg_pool(x).at(0)) <= 0.5, "avg_pool");
  run(state, x, 1.25, [&] { avg_pool(x); });
}
void average_pool_backward(benchmark::State& state) {
  Parameter x("x", input(state));
  gradient_of_part(state, avg_pool(x.tensor()), x.value, 1.25);
}

// Logits [128, classes]: forward reads them, backward reads them and writes.
void cross_entropy_forward(benchmark::State& state) {
  const Tensor x = random({128, state.range(0)}), labels = Tensor::zeros({128}, DType::kI32);
  const double loss = cross_entropy(x, labels).item(), even = std::log(double(state.range(0)));
  require(std::abs(loss - even) < 1, "cross_entropy");
  run(state, x, 1, [&] { cross_entropy(x, labels); });
}
void cross_entropy_backward(benchmark::State& state) {
  Parameter x("x", random({128, state.range(0)}));
  const Tensor loss = cross_entropy(x.tensor(), Tensor::zeros({128}, DType::kI32)), one = Tensor::full({}, 1);
  const Node& node = *loss.node();
  run(state, x.value, 2, [&] { node.backward(BackwardArgs{one, node.saved, node.needs}); });
}

// A step over the parameters of LeNet-5, over 11 million in one tensor, or over as many as LeNet-5's in one.
const std::vector<Shape> kParameters[] = {
    {{6, 5, 5, 1}, {6}, {16, 5, 5, 6}, {16}, {120, 400}, {120}, {84, 120}, {84}, {10, 84}, {10}},
    {{11000000}},
    {{61706}}};
void optimizer_step(benchmark::State& state, double passes,
                    std::unique_ptr<Optimizer> (*make)(std::vector<ParameterGroup>)) {
  std::vector<std::unique_ptr<Parameter>> owned;
  ParameterGroup group;
  int64_t size = 0;
  for (const Shape& s : kParameters[state.range(0)]) {
    owned.push_back(std::make_unique<Parameter>("p", random(s)));
    owned.back()->grad = random(s);
    group.parameters.push_back(owned.back().get());
    size += owned.back()->value.size();
  }
  state.SetLabel(std::to_string(owned.size()) + " tensors, " + std::to_string(size));
  const auto optimizer = make({group});
  const double before = owned[0]->value.at(0);
  optimizer->step(1e-3);
  require(owned[0]->value.at(0) != before, "an optimizer");
  run(state, random({size}), passes, [&] { optimizer->step(1e-3); });
}
void sgd_momentum_step(benchmark::State& state) {  // reads parameter, gradient and velocity, writes two of them
  optimizer_step(state, 5, [](std::vector<ParameterGroup> g) { return make_sgd(std::move(g), {.momentum = 0.9}); });
}
void adam_step(benchmark::State& state) {  // two velocities
  optimizer_step(state, 7, [](std::vector<ParameterGroup> g) { return make_adam(std::move(g), {}); });
}

BENCHMARK(relu_forward)->Apply(shapes);
BENCHMARK(prelu_forward)->Apply(shapes);
BENCHMARK(residual_add)->Apply(shapes);
BENCHMARK(bias_add)->Apply(shapes);
BENCHMARK(batch_norm_forward)->Apply(shapes);
BENCHMARK(batch_norm_evaluation)->Apply(shapes);
BENCHMARK(relu_backward)->Apply(shapes);
BENCHMARK(prelu_backward)->Apply(shapes);
BENCHMARK(hardtanh_backward)->Apply(shapes);
BENCHMARK(batch_norm_backward)->Apply(shapes);
BENCHMARK(prelu_norm_relu_forward)->Apply(shapes);
BENCHMARK(prelu_norm_add_relu_forward)->Apply(shapes);
BENCHMARK(prelu_norm_relu_backward)->Apply(shapes);
BENCHMARK(prelu_norm_add_relu_backward)->Apply(shapes);
BENCHMARK(dropout_forward)->Apply(shapes);
BENCHMARK(dropout_backward)->Apply(shapes);
BENCHMARK(max_pool_forward)->Apply(shapes);
BENCHMARK(max_pool_backward)->Apply(shapes);
BENCHMARK(average_pool_forward)->Apply(shapes);
BENCHMARK(average_pool_backward)->Apply(shapes);
BENCHMARK(global_average_forward)->Apply(shapes);
BENCHMARK(global_average_backward)->Apply(shapes);
BENCHMARK(cross_entropy_forward)->Arg(10)->Arg(200)->Arg(1000);
BENCHMARK(cross_entropy_backward)->Arg(10)->Arg(200)->Arg(1000);
BENCHMARK(sgd_momentum_step)->DenseRange(0, 2);
BENCHMARK(adam_step)->DenseRange(0, 2);

}  // namespace
}  // namespace bantam

BENCHMARK_MAIN();
