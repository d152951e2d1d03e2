// Nets of every pair of codebooks, as recipes name them.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/named_enum.h"
#include "core/parallel.h"
#include "nn/norm_groups.h"
#include "nn/quantize.h"
#include "ops/loss.h"
#include "ops/quant/quantize.h"
#include "optim/optimizer.h"
#include "tests/core/tensors.h"
#include "tests/effort.h"
#include "tests/nn/net_calls.h"

using namespace bantam;

namespace {

constexpr int64_t kSize = 12, kClasses = 4;

// Strided, grouped, depthwise and 1x1 layers, dense ones, a residual sum; what some layers read is a relu's alone.
NetSpec small_net() {
  NetBuilder g(kSize, kSize, 3, kClasses);
  const auto conv = [](int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
    return ConvConfig{.out_channels = out,
                      .kernel_h = kernel,
                      .kernel_w = kernel,
                      .stride_h = stride,
                      .stride_w = stride,
                      .pad_h = kernel / 2,
                      .pad_w = kernel / 2,
                      .groups = groups};
  };
  int x = g.batch_norm("bn1", g.conv("first", g.input(), conv(8, 3, 1, 1)));
  x = g.conv("strided", g.unary(Kind::kRelu, "relu1", x), conv(16, 3, 2, 1));
  const int y = g.batch_norm("bn2", x);
  x = g.batch_norm("bn3", g.conv("depthwise", g.unary(Kind::kRelu, "relu2", y), conv(16, 3, 1, 16)));
  x = g.batch_norm("bn4", g.conv("pointwise", x, conv(16, 1, 1, 1)));
  x = g.add("add", g.batch_norm("bn5", g.conv("grouped", x, conv(16, 3, 1, 2))), y);
  x = g.linear("dense", g.unary(Kind::kGlobalAvgPool, "pool", x), {.out_features = 16});
  g.linear("last", x, {.out_features = kClasses});
  return g.build();
}

// Every scheme that recipes know for an operand, with several numbers of bits; granularities and scales by turns.
std::vector<QuantSpec> specs_of(Operand operand) {
  std::vector<QuantSpec> all;
  int turn = 0;
  for (Scheme scheme : all_values<Scheme>())
    for (int bits : {1, 2, 4, 8})
      for (Granularity g : {Granularity::kLayer, Granularity::kChannel, Granularity::kKernel}) {
        QuantSpec s{scheme, ++turn % 2 ? Surrogate::kClip : Surrogate::kIdentity, bits, g, ScaleRule::kNone};
        constexpr ScaleRule kOfWeights[] = {ScaleRule::kMean, ScaleRule::kMax, ScaleRule::kLearned};
        constexpr ScaleRule kOfActivations[] = {ScaleRule::kMax, ScaleRule::kLearned, ScaleRule::kNone};
        if (operand == Operand::kWeight) s.scale = kOfWeights[turn / 2 % 3];
        if (operand == Operand::kActivation) s.scale = kOfActivations[turn / 3 % 3];
        if (!refusal(s, operand).empty()) s.scale = ScaleRule::kMax;
        // One step up to the largest value: hardly any value takes it.
        if (operand == Operand::kActivation && bits == 1 && s.scale == ScaleRule::kMax) s.scale = ScaleRule::kNone;
        if (operand == Operand::kActivation && traits_of(scheme).ranged && s.scale == ScaleRule::kNone)
          s.low = -1.5, s.high = 2;
        QuantSpec same = s;  // but for how the gradient goes and what the scale is
        same.surrogate = normal(s, operand).surrogate, same.scale = normal(s, operand).scale;
        if (operand == Operand::kActivation && g != Granularity::kLayer) continue;
        if (same == normal(s, operand) && refusal(s, operand).empty()) all.push_back(normal(s, operand));
      }
  return all;
}
std::string text(const QuantSpec& s) {
  return std::string(name_of(s.scheme)) + " " + std::to_string(s.bits) + " " + name_of(s.granularity) + " " +
         name_of(s.scale) + " " + name_of(s.surrogate);
}

Tensor labels_of(int64_t n) {
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(double(i * 7 % kClasses));
  return Tensor::of({n}, y, DType::kI32);
}

// Signs that are drawn make losses that jump, and learn more slowly; of weights, which are all alike at first, begin at
// chance.
bool is_drawn(const QuantSpec& s) { return s.scheme == Scheme::kStochastic; }
double mean(std::vector<double>::const_iterator begin, std::vector<double>::const_iterator end) {
  return std::accumulate(begin, end, 0.0) / double(end - begin);
}

// Losses of a few steps on one batch.
std::vector<double> train(Net& net, int steps) {
  std::vector<Parameter*> scales, others;  // steps of 8 bits are smaller than what Adam takes at once
  for (Parameter* p : net.parameters.all()) (net.parameters.is_scale(*p) ? scales : others).push_back(p);
  auto adam = make_adam({{others, 1, 0.0}, {scales, 0.01, 0.0}}, {});
  const Tensor x = random_f32({8, kSize, kSize, 3}, 1), y = labels_of(8);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(scores(net, Context::training(0, step), x), y);
    losses.push_back(loss.item());
    backward(loss);
    adam->step(1e-2);
    for (Parameter* p : net.parameters.all()) p->zero_grad();
  }
  return losses;
}

}  // namespace

TEST_CASE("codebooks: a net of every pair of them learns, and evaluates to the same bytes for 1 and 4 threads") {
  const int before = threads();
  const NetSpec floats = small_net();
  const Tensor x = random_f32({48, kSize, kSize, 3}, 2);
  constexpr int kEvery = kWatched ? 7 : 1;
  int pairs = 0, pair = 0;
  for (const QuantSpec& a : specs_of(Operand::kActivation))
    for (const QuantSpec& w : specs_of(Operand::kWeight)) {
      if (w.scheme == Scheme::kNone && a.scheme == Scheme::kNone) continue;
      if (pair++ % kEvery) continue;
      CAPTURE(text(w));
      CAPTURE(text(a));
      set_threads(1);
      QuantRecipe recipe;
      recipe.weight = w, recipe.activation = a;
      const NetSpec spec = quantize(floats, recipe);
      CHECK(to_json(net_spec_from_json(to_json(spec))) == to_json(spec));
      Net net(spec);
      net.parameters.initialize(1);
      const bool drawn = is_drawn(w) || is_drawn(a);
      const std::vector<double> losses = train(net, kWatched ? 2 : is_drawn(w) ? 200 : drawn ? 60 : 12);
      bool finite = true;
      for (double loss : losses) finite &= std::isfinite(loss);
      CHECK(finite);
      if (!kWatched) {
        if (!drawn)
          CHECK(losses.back() < 0.9 * losses.front());
        else if (!is_drawn(w))
          CHECK(mean(losses.end() - 20, losses.end()) < 0.9 * mean(losses.begin(), losses.begin() + 20));
        else if (bits_of(a) >= 4)  // fewer leave too little of the sums to learn so soon
          CHECK(mean(losses.end() - 20, losses.end()) < 0.9 * std::log(double(kClasses)));
      }
      NoGrad off;
      const Tensor one = scores(net, {}, x);
      set_threads(4);
      CHECK(same_tensor(scores(net, {}, x), one));
      // An image by itself scores as among others.
      const Tensor alone = scores(net, {}, x.slice_outer(7, 8));
      for (int64_t k = 0; k < kClasses; ++k) CHECK(alone.at(k) == one.at(7 * kClasses + k));
      ++pairs;
    }
  CHECK(pairs > 300 / kEvery);
  set_threads(before);
}

TEST_CASE("codebooks: training gives the same bytes for 1 and 4 threads") {
  const int before = threads();
  const NetSpec floats = small_net();
  for (const QuantSpec& a : specs_of(Operand::kActivation)) {
    QuantRecipe recipe;
    recipe.weight = {.scheme = Scheme::kXnor, .granularity = Granularity::kChannel}, recipe.activation = a;
    CAPTURE(text(a));
    Tensors first;
    for (int n : {1, 4}) {
      set_threads(n);
      Net net(quantize(floats, recipe));
      net.parameters.initialize(2);
      train(net, 3);
      const auto state = net.parameters.state_dict();
      for (size_t i = 0; i < state.size(); ++i)
        if (n == 1)
          first.push_back(state[i].tensor.clone());
        else
          CHECK_MESSAGE(same_tensor(state[i].tensor, first[i]), state[i].name);
    }
  }
  set_threads(before);
}

TEST_CASE("codebooks: training in fused groups, and a pass with a tap, node by node, give the same values") {
  const NetSpec floats = small_net();
  for (const QuantSpec& a : specs_of(Operand::kActivation))
    for (Scheme scheme : {Scheme::kSign, Scheme::kTwn, Scheme::kTanh}) {
      QuantRecipe recipe;
      recipe.weight = {.scheme = scheme, .bits = 3}, recipe.activation = a;
      CAPTURE(text(a));
      CAPTURE(std::string(name_of(scheme)));
      Net fused(quantize(floats, recipe)), single(quantize(floats, recipe));
      fused.parameters.initialize(3), single.parameters.initialize(3);
      const Tensor x = random_f32({8, kSize, kSize, 3}, 1), y = labels_of(8);
      Context watch = Context::training(0, 0);
      size_t seen = 0;
      watch.tap = [&](const NodeSpec&, const Tensor&) { ++seen; };
      const Tensor la = cross_entropy(scores(fused, Context::training(0, 0), x), y);
      const Tensor lb = cross_entropy(scores(single, watch, x), y);
      CHECK(seen == single.spec().nodes.size());
      CHECK(la.item() == lb.item());
      backward(la);
      backward(lb);
      for (const Parameter* p : fused.parameters.all()) {
        const Tensor& other = single.parameters.find(p->name)->grad;
        double worst = 0, largest = 0;
        for (int64_t i = 0; i < other.size(); ++i) {
          worst = std::max(worst, std::fabs(p->grad.at(i) - other.at(i)));
          largest = std::max(largest, std::fabs(other.at(i)));
        }
        CHECK_MESSAGE(worst <= 1e-4 * largest + 1e-7, p->name);  // sums of a norm's gradient in another order
      }
    }
}

TEST_CASE(
    "codebooks: a layer's arithmetic follows from its codebooks, and only integer layers leave values unwritten") {
  const auto of = [](const QuantSpec& w, const QuantSpec& a, const char* layer) {
    QuantRecipe recipe;
    recipe.weight = w, recipe.activation = a;
    const NetSpec spec = quantize(small_net(), recipe);
    const int node = spec.find(layer);
    REQUIRE(Plan(spec).arithmetic(size_t(node)) == arithmetic_of_layer(spec, node));
    return arithmetic_of_layer(spec, node);
  };
  const QuantSpec sign{.scheme = Scheme::kSign}, relu{.scheme = Scheme::kRelu}, tanh{.scheme = Scheme::kTanh};
  CHECK(of(sign, sign, "strided") == Arithmetic::kBits);
  CHECK(of(sign, sign, "dense") == Arithmetic::kBits);
  CHECK(of(sign, sign, "first") == Arithmetic::kReal);
  CHECK(of(sign, relu, "strided") == Arithmetic::kCodes);
  CHECK(of(tanh, relu, "depthwise") == Arithmetic::kCodes);
  CHECK(of(tanh, {}, "depthwise") == Arithmetic::kCodedWeights);
  CHECK(of({}, relu, "grouped") == Arithmetic::kReal);
  const QuantSpec by_kernel{.scheme = Scheme::kTwn, .granularity = Granularity::kKernel};
  CHECK(of(by_kernel, relu, "strided") == Arithmetic::kReal);
  CHECK(of(by_kernel, relu, "pointwise") == Arithmetic::kCodes);
}
