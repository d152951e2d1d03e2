#include "cmd/run/toy_apsq.h"

#include <cmath>
#include <numbers>

#include "compress/angle_penalty.h"
#include "compress/distance_penalty.h"
#include "core/base/fixed_point.h"
#include "ops/quant/quantize.h"

namespace bantam {
namespace {

constexpr double kRate = 0.05, kFirstScale = 2.25;
constexpr Point2 kStart = {1.5, 3};

Point2 point_of(const Tensor& t) { return {t.at(0), t.at(1)}; }

}  // namespace

double toy_loss(const Point2& at) {
  const auto [x, y] = at;
  const double far = std::pow(x, 4) + std::pow(y - 3, 4), near = (x - 1) * (x - 1) + (y - 1) * (y - 1);
  return std::log2(far * near + 1);
}

Point2 toy_gradient(const Point2& at) {
  const auto [x, y] = at;
  const double far = std::pow(x, 4) + std::pow(y - 3, 4), near = (x - 1) * (x - 1) + (y - 1) * (y - 1);
  const double outer = 1 / (std::numbers::ln2 * (far * near + 1));
  return {outer * (4 * std::pow(x, 3) * near + far * 2 * (x - 1)),
          outer * (4 * std::pow(y - 3, 3) * near + far * 2 * (y - 1))};
}

std::vector<ToyArm> toy_arms() {
  return {{.name = "BWN", .steps = 40},
          {.name = "learned scale", .learned = true},
          {.name = "BWN + L2", .l2 = 4},
          {.name = "learned scale + L2", .learned = true, .l2 = 6},
          {.name = "BWN + angle (APSQ)", .angle = 20},
          {.name = "learned scale + angle", .learned = true, .angle = 20}};
}

ToyTrajectory run_toy(const ToyArm& arm) {
  const QuantSpec quant{.scheme = Scheme::kBwn, .scale = arm.learned ? ScaleRule::kLearned : ScaleRule::kMean};
  Parameter w("w", Tensor::of({1, 2}, {kStart[0], kStart[1]}, DType::kF64));
  Parameter scale("scale", Tensor::of({1}, {kFirstScale}, DType::kF64));
  const LatentWeight latent{"toy", &w, arm.learned ? &scale : nullptr, quant};
  const auto sgd = make_sgd({{{&w, &scale}, 1, 0}}, {});
  ToyTrajectory all{.arm = arm};
  for (int step = 0; step <= arm.steps; ++step) {
    const Tensor q = quantize_weight(w.tensor(), quant, true, {.scale = arm.learned ? scale.tensor() : Tensor()}).value;
    const Point2 at = point_of(q), real = point_of(w.value);
    if (!all.steps.empty())
      for (size_t i = 0; i < 2; ++i) all.flips += sign_bit(real[i]) != sign_bit(all.steps.back().real[i]) ? 1 : 0;
    all.steps.push_back({real, at, toy_loss(at), mean_cosine(latent)});
    if (step == arm.steps) break;
    const Point2 g = toy_gradient(at);
    backward({q}, {Tensor::of({1, 2}, {g[0], g[1]}, DType::kF64)});
    if (arm.l2 > 0) distance_penalty(latent, 2, arm.l2 * double(w.value.size()), &w.grad);
    if (arm.angle > 0) angle_penalty(latent, arm.angle, &w.grad);
    sgd->step(kRate);
    for (Parameter* p : {&w, &scale}) p->zero_grad();
  }
  return all;
}

}  // namespace bantam
