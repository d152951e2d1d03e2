#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <optional>

#include "compress/angle_penalty.h"
#include "compress/distance_penalty.h"
#include "compress/soft_projection.h"
#include "nn/net.h"
#include "nn/quantize.h"
#include "ops/loss.h"
#include "ops/quant/quantize.h"
#include "tests/core/error_text.h"
#include "tests/nn/forms.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

// A convolution of 3 filters on 2 channels, 3x3, between real layers.
NetSpec net_with(const QuantSpec& weight) {
  NetBuilder g(4, 4, 2, 3);
  int x = g.conv("conv1", g.input(), {.out_channels = 2});
  ConvConfig c{.out_channels = 3, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  c.weight = weight;
  x = g.unary(Kind::kGlobalAvgPool, "pool", g.conv("conv2", x, c));
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = 3});
  return g.build();
}
QuantSpec bwn(Granularity granularity, ScaleRule scale = ScaleRule::kMean) {
  return {.scheme = Scheme::kBwn, .granularity = granularity, .scale = scale};
}
// f(v) of a layer in f64, and its gradient by central differences.
std::vector<double> differences(Tensor* v, const std::function<double()>& f) {
  constexpr double h = 1e-6;
  std::vector<double> all;
  for (int64_t i = 0; i < v->size(); ++i) {
    double& x = v->mutable_data<double>()[i];
    const double was = x;
    x = was + h;
    const double up = f();
    x = was - h;
    const double down = f();
    x = was;
    all.push_back((up - down) / (2 * h));
  }
  return all;
}

}  // namespace

// [Eq. 6.8]
TEST_CASE("angle penalty: of signs by hand: 1 - |v|_1 / (|v|_2 sqrt(numel)) of each vector") {
  Parameter w("w", Tensor::of({2, 2}, {3, -4, 1, 1}));
  const LatentWeight channels{"fc", &w, nullptr, bwn(Granularity::kChannel)};
  // (3, -4): cosine 7 / (5 sqrt 2); (1, 1): cosine 1.
  const double first = 7 / (5 * std::sqrt(2.0));
  CHECK(mean_cosine(channels) == doctest::Approx((first + 1) / 2).epsilon(1e-15));
  CHECK(angle_penalty(channels, 3, nullptr) == doctest::Approx(3 * (1 - first) / 2).epsilon(1e-15));
  const LatentWeight layer{"fc", &w, nullptr, bwn(Granularity::kLayer)};
  CHECK(mean_cosine(layer) == doctest::Approx(9 / (std::sqrt(27.0) * 2)).epsilon(1e-15));
  // No vector at all, and no NaN: the cosine of zeros counts as 0.
  Parameter none("w", Tensor::zeros({2, 2}));
  Tensor g = Tensor::zeros({2, 2});
  CHECK(angle_penalty({"fc", &none, nullptr, bwn(Granularity::kChannel)}, 1, &g) == 1);
  for (double v : g.values()) CHECK(std::isfinite(v));
}

// [Eq. 6.7]
TEST_CASE(
    "angle penalty: of signs, the closed form is what quantized values give; scaling the vectors changes nothing") {
  for (Granularity granularity : {Granularity::kLayer, Granularity::kChannel, Granularity::kKernel}) {
    Parameter w("w", random_f64({4, 3, 3, 5}, 1));
    const LatentWeight latent{"conv", &w, nullptr, bwn(granularity)};
    const Tensor q = quantized_value(latent);
    const double cosine = mean_cosine(latent);
    double sum = 0;
    const int64_t vectors = granularity == Granularity::kLayer ? 1 : granularity == Granularity::kChannel ? 4 : 20;
    for (int64_t n = 0; n < vectors; ++n) {
      double dot = 0, vv = 0, qq = 0;
      for (int64_t i = 0; i < 180; ++i) {
        const int64_t of = vectors == 1 ? 0 : vectors == 4 ? i / 45 : i / 45 * 5 + i % 5;
        if (of != n) continue;
        dot += w.value.at(i) * q.at(i), vv += w.value.at(i) * w.value.at(i), qq += q.at(i) * q.at(i);
      }
      sum += dot / std::sqrt(vv * qq);
    }
    CHECK(cosine == doctest::Approx(sum / double(vectors)).epsilon(1e-13));  // sums of 180 terms: 180 ulp at most
    for (int64_t i = 0; i < 180; ++i) w.value.mutable_data<double>()[i] *= 0.25;
    CHECK(mean_cosine(latent) == cosine);
  }
}

// [Eq. 6.17]
TEST_CASE("angle penalty: its gradient is q / (|v| |q|) - cos v / |v|^2, negated, with the reference held") {
  for (Scheme scheme : {Scheme::kBwn, Scheme::kTernary, Scheme::kUniform, Scheme::kTwn, Scheme::kDorefa})
    for (Granularity granularity : {Granularity::kLayer, Granularity::kChannel, Granularity::kKernel}) {
      CAPTURE(name_of(scheme));
      QuantSpec quant{.scheme = scheme, .bits = 3, .granularity = granularity, .scale = ScaleRule::kMean};
      quant = normal(quant, Operand::kWeight);
      Parameter w("w", random_f64({3, 3, 3, 2}, 2));
      const LatentWeight latent{"conv", &w, nullptr, quant};
      Tensor g = Tensor::full(w.value.shape(), 0.5, DType::kF64);
      angle_penalty(latent, 4, &g);
      // The reference of the point where the gradient is taken: a constant to the differences, too.
      const Tensor q = quantized_value(latent);
      const int64_t per = quant.granularity == Granularity::kLayer     ? 54
                          : quant.granularity == Granularity::kChannel ? 18
                                                                       : 9;
      const auto of = [&](int64_t i) { return per == 54 ? 0 : per == 18 ? i / 18 : i / 18 * 2 + i % 2; };
      const auto penalty = [&] {
        double sum = 0;
        for (int64_t n = 0; n < 54 / per; ++n) {
          double dot = 0, vv = 0, qq = 0;
          for (int64_t i = 0; i < 54; ++i)
            if (of(i) == n)
              dot += w.value.at(i) * q.at(i), vv += w.value.at(i) * w.value.at(i), qq += q.at(i) * q.at(i);
          sum += 1 - dot / std::sqrt(vv * qq);
        }
        return 4 * sum / double(54 / per);
      };
      const std::vector<double> want = differences(&w.value, penalty);
      // Central differences with h = 1e-6 err by some 1e-10.
      for (int64_t i = 0; i < 54; ++i) CHECK(g.at(i) - 0.5 == doctest::Approx(want[size_t(i)]).epsilon(1e-7).scale(1));
      // It is perpendicular to v, as whatever does not depend on v's length.
      double along = 0;
      for (int64_t i = 0; i < 54; ++i) along += (g.at(i) - 0.5) * w.value.at(i);
      CHECK(along == doctest::Approx(0).scale(1).epsilon(1e-13));
    }
}

// [Eq. 6.6]
TEST_CASE(
    "angle penalty: on a step it adds beta times the mean over layers, or over vectors, of quantized layers alone") {
  NetBuilder g(4, 4, 2, 3);
  ConvConfig wide{.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1}, narrow = wide;
  wide.weight = narrow.weight = bwn(Granularity::kKernel);
  narrow.out_channels = 1;
  int x = g.conv("narrow", g.conv("wide", g.input(), wide), narrow);
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = 3});
  Net net(g.build(), DType::kF64);
  net.parameters.initialize(1);
  const std::vector<LatentWeight> latent = latent_weights(net.spec(), net.parameters);
  REQUIRE(latent.size() == 2);
  const double of_wide = 1 - mean_cosine(latent[0]), of_narrow = 1 - mean_cosine(latent[1]);
  const auto total = [&](PenaltyMean mean) {
    AnglePenalty hook(net.spec(), net.parameters, {.start = 6}, 10, mean);
    hook.begin(0);
    double sum = 0;
    for (Parameter* p : net.parameters.all()) {
      p->grad = Tensor::zeros(p->value.shape(), DType::kF64);
      sum += hook.add_gradient(*p);
    }
    CHECK(net.parameters.find("fc.weight")->grad.at(0) == 0);
    return sum;
  };
  CHECK(total(PenaltyMean::kLayers) == doctest::Approx(6 * (of_wide + of_narrow) / 2).epsilon(1e-14));
  CHECK(total(PenaltyMean::kVectors) == doctest::Approx(6 * (8 * of_wide + 4 * of_narrow) / 12).epsilon(1e-14));
  Net real(net_with({}));
  CHECK(error_text<Error>([&] { AnglePenalty(real.spec(), real.parameters, {.start = 1}, 1); }) ==
        "angle penalty: no layer of the net is quantized");
}

// [Eq. 6.15]
TEST_CASE("distance penalty: by hand: L1 and L2 distance of (3, -4) to 3.5 times its signs, over its 2 elements") {
  Parameter w("w", Tensor::of({1, 2}, {3, -4}));
  const LatentWeight latent{"fc", &w, nullptr, bwn(Granularity::kLayer)};  // the scale is mean |w| = 3.5
  CHECK(distance_penalty(latent, 1, 2, nullptr) == doctest::Approx(2 * 1.0 / 2));
  CHECK(distance_penalty(latent, 2, 2, nullptr) == doctest::Approx(2 * std::sqrt(0.5) / 2));
  Parameter learned("s", Tensor::of({1}, {2}));
  const LatentWeight with{"fc", &w, &learned, bwn(Granularity::kLayer, ScaleRule::kLearned)};
  CHECK(distance_penalty(with, 1, 1, nullptr) == doctest::Approx((1.0 + 2.0) / 2));
  Parameter there("w", Tensor::of({1, 2}, {2, -2}));  // no distance, no gradient, no NaN
  Tensor g = Tensor::zeros({1, 2});
  CHECK(distance_penalty({"fc", &there, nullptr, bwn(Granularity::kLayer)}, 2, 1, &g) == 0);
  CHECK(g.values() == std::vector<double>{0, 0});
}

// [Eq. 6.16]
TEST_CASE("distance penalty: its gradient is that of the norm at lambda = v - alpha Quant(v), with the target held") {
  for (int p : {1, 2}) {
    Parameter w("w", random_f64({3, 3, 3, 2}, 3));
    const LatentWeight latent{"conv", &w, nullptr, bwn(Granularity::kKernel)};
    Tensor g = Tensor::zeros(w.value.shape(), DType::kF64);
    distance_penalty(latent, p, 8, &g);
    const Tensor q = quantized_value(latent);
    const std::vector<double> want = differences(&w.value, [&] {
      double sum = 0;
      for (int64_t i = 0; i < 54; ++i)
        sum += p == 1 ? std::abs(w.value.at(i) - q.at(i)) : std::pow(w.value.at(i) - q.at(i), 2);
      return 8 * (p == 1 ? sum : std::sqrt(sum)) / 54;
    });
    for (int64_t i = 0; i < 54; ++i) CHECK(g.at(i) == doctest::Approx(want[size_t(i)]).epsilon(1e-7).scale(1));
  }
}

// [Eq. 3.7] [Eq. 6.10]
TEST_CASE("prox: by hand, and no other point has less |x - q| t + |x - v|^2 / 2") {
  Parameter w("w", Tensor::of({1, 4}, {1.5, 0.75, -0.9375, -2}));
  const LatentWeight latent{"fc", &w, nullptr, {.scheme = Scheme::kSign}};
  const std::vector<double> v = w.value.values();
  prox_quant(latent, 0.125);
  CHECK(w.value.values() == std::vector<double>{1.375, 0.875, -1, -1.875});
  for (size_t i = 0; i < v.size(); ++i) {
    const double q = v[i] > 0 ? 1 : -1, x = w.value.at(int64_t(i));
    const auto cost = [&](double at) { return 0.125 * std::abs(at - q) + (at - v[i]) * (at - v[i]) / 2; };
    for (double other = -3; other <= 3; other += 1.0 / 64) CHECK(cost(x) <= cost(other));
  }
}

// [Eq. 6.9] [Eq. 6.12]
TEST_CASE(
    "soft projection: real weights train, quantized ones are evaluated; relaxed ones lie between, and end at the lazy "
    "step") {
  const auto after = [](bool lazy, double relax) {
    Net net(net_with(bwn(Granularity::kChannel)), DType::kF64);
    net.parameters.initialize(3);
    const Plan real(real_weights(net.spec()));
    CHECK(weight_quant(real.spec().nodes[2])->scheme == Scheme::kNone);
    std::vector<StepHook*> hooks;
    std::optional<BinaryRelax> hook;
    if (relax > 0) hooks.push_back(&hook.emplace(net.spec(), net.parameters, Ramp{.start = relax, .cap = 1e12}, 1));
    const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {});
    TrainingStep step(&net.parameters, sgd.get(),
                      {.passes = {{lazy ? &net.plan : &real, Context::training(),
                                   [](const Outputs& out, const Tensor& y, std::span<const Outputs>) {
                                     return cross_entropy(out.scores, y);
                                   }}},
                       .hooks = hooks});
    const std::vector<double> before = net.parameters.find("conv2.weight")->value.values();
    step(Input{random_f64({4, 4, 4, 2}, 5)}, Tensor::of({4}, {0, 1, 2, 1}, DType::kI32), 0, 0.5);
    std::vector<double> moved = net.parameters.find("conv2.weight")->value.values();
    for (size_t i = 0; i < moved.size(); ++i) moved[i] -= before[i];
    return moved;
  };
  const std::vector<double> lazy = after(true, 0), real = after(false, 0), nearly = after(false, 1e9),
                            little = after(false, 1e-9);
  double apart = 0;
  for (size_t i = 0; i < lazy.size(); ++i) {
    apart += std::abs(lazy[i] - real[i]);
    CHECK(nearly[i] == doctest::Approx(lazy[i]).epsilon(1e-6).scale(1e-3));  // x differs from Quant(y) by 1e-9
    CHECK(little[i] == doctest::Approx(real[i]).epsilon(1e-6).scale(1e-3));
  }
  CHECK(apart > 1e-3);
}

// [Eq. 6.11]
TEST_CASE("angle penalty: in lazy training the task's gradient is taken at Quant(v), the penalty's at v") {
  const auto moved = [](double beta, bool quantized_start) {
    Net net(net_with({.scheme = Scheme::kSign}), DType::kF64);
    net.parameters.initialize(3);
    Parameter& w = *net.parameters.find("conv2.weight");
    const std::vector<double> before = w.value.values();
    if (quantized_start)
      for (int64_t i = 0; i < w.value.size(); ++i) w.value.mutable_data<double>()[i] = before[size_t(i)] >= 0 ? 1 : -1;
    std::vector<double> start = w.value.values();
    AnglePenalty hook(net.spec(), net.parameters, {.start = beta}, 1);
    const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {});
    TrainingStep step(&net.parameters, sgd.get(),
                      {.passes = {{&net.plan, Context::training(),
                                   [](const Outputs& out, const Tensor& y, std::span<const Outputs>) {
                                     return cross_entropy(out.scores, y);
                                   }}},
                       .hooks = {&hook}});
    step(Input{random_f64({4, 4, 4, 2}, 5)}, Tensor::of({4}, {0, 1, 2, 1}, DType::kI32), 0, 1);
    for (size_t i = 0; i < start.size(); ++i) start[i] -= w.value.at(int64_t(i));
    return start;
  };
  // Without the penalty the step depends on the signs alone; with it, the difference is the penalty's gradient at v.
  const std::vector<double> task = moved(0, false), at_signs = moved(0, true), both = moved(2, false);
  Net net(net_with({.scheme = Scheme::kSign}), DType::kF64);
  net.parameters.initialize(3);
  Tensor g = Tensor::zeros({3, 3, 3, 2}, DType::kF64);
  angle_penalty(latent_weights(net.spec(), net.parameters)[0], 2, &g);
  for (size_t i = 0; i < task.size(); ++i) {
    CHECK(task[i] == doctest::Approx(at_signs[i]).epsilon(1e-12).scale(1e-3));  // a difference of numbers near 1
    CHECK(both[i] - task[i] == doctest::Approx(g.at(int64_t(i))).epsilon(1e-9).scale(1e-3));
  }
}

TEST_CASE("ramps: multistep and exponential as chapter 6's runs had them, linear, and the cap") {
  const Ramp steps{.kind = RampKind::kMultiStep, .start = 5, .growth = 5, .every = 5};
  CHECK(ramp_value(steps, 0) == 5);
  CHECK(ramp_value(steps, 4) == 5);
  CHECK(ramp_value(steps, 5) == 25);
  CHECK(ramp_value(steps, 24) == 3125);
  CHECK(ramp_value(steps, 25) == 1e4);  // 15,625 without the cap
  const Ramp grows{.kind = RampKind::kExponential, .start = 5, .growth = 1.3};
  CHECK(ramp_value(grows, 2) == doctest::Approx(8.45));
  CHECK(ramp_value(grows, 1000) == 1e4);
  CHECK(ramp_value({.kind = RampKind::kLinear, .start = 1, .growth = 2}, 3) == 7);
  CHECK(ramp_value({.start = 3e5, .growth = 9}, 100) == 3e5);  // what does not grow has no cap
}
