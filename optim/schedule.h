// Learning rate by step, eta_k of [Alg. 1]: a pure function, so that resuming needs no state.
#pragma once

#include <cstdint>
#include <vector>

namespace bantam {

enum class ScheduleKind : uint8_t {
  kConstant,
  kMultiStep,  // lr changes to the given values at the given steps
  kCosine,     // lr * (1 + cos(pi * t / T)) / 2: from lr to 0
};
constexpr const char* name_of(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kConstant:
      return "constant";
    case ScheduleKind::kMultiStep:
      return "multistep";
    case ScheduleKind::kCosine:
      return "cosine";
  }
  return nullptr;
}

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double lr = 0.1;
  int64_t total_steps = 1;
  int64_t warmup_steps = 0;          // lr * (step + 1) / warmup_steps for the first steps
  std::vector<int64_t> milestones = {};  // steps, ascending
  std::vector<double> lrs = {};          // learning rate from milestones[i] on
};

// Learning rate of step 0, 1, 2, ...
double learning_rate(const Schedule& s, int64_t step);

// Milestones given in epochs of a schedule of `full_epochs` epochs, scaled to a run of `total_steps` steps:
// round(m / full_epochs * total_steps).
std::vector<int64_t> scale_milestones(const std::vector<double>& epochs, double full_epochs, int64_t total_steps);

// How the weight of a penalty grows, by epoch: a pure function, too. [T 6.7.1] names the first two and [T 6.5] the
// third.
enum class RampKind : uint8_t {
  kConstant,     // start
  kMultiStep,    // start * growth^floor(epoch / every)
  kExponential,  // start * growth^epoch
  kLinear,       // start + growth * epoch
};
constexpr const char* name_of(RampKind kind) {
  switch (kind) {
    case RampKind::kConstant:
      return "constant";
    case RampKind::kMultiStep:
      return "multistep";
    case RampKind::kExponential:
      return "exponential";
    case RampKind::kLinear:
      return "linear";
  }
  return nullptr;
}
struct Ramp {
  RampKind kind = RampKind::kConstant;
  double start = 0;
  double growth = 1;
  double every = 1;  // epochs
  double cap = 1e4;  // what grows never passes it
};
// In epoch 0, 1, 2, ...
double ramp_value(const Ramp& ramp, int64_t epoch);

}  // namespace bantam
