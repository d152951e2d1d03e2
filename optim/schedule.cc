#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bantam {

double learning_rate(const Schedule& s, int64_t step) {
  if (step < s.warmup_steps) return s.lr * double(step + 1) / double(s.warmup_steps);
  switch (s.kind) {
    case ScheduleKind::kConstant: break;
    case ScheduleKind::kMultiStep: {
      double lr = s.lr;
      for (size_t i = 0; i < s.milestones.size() && step >= s.milestones[i]; ++i) lr = s.lrs[i];
      return lr;
    }
    case ScheduleKind::kCosine: {
      const int64_t span = std::max<int64_t>(1, s.total_steps - s.warmup_steps);
      const double t = std::min(1.0, double(step - s.warmup_steps) / double(span));
      return s.lr * 0.5 * (1 + std::cos(std::numbers::pi * t));
    }
  }
  return s.lr;
}

std::vector<int64_t> scale_milestones(const std::vector<double>& epochs, double full_epochs, int64_t total_steps) {
  std::vector<int64_t> steps;
  for (double m : epochs) steps.push_back(std::llround(m / full_epochs * double(total_steps)));
  return steps;
}

double ramp_value(const Ramp& ramp, int64_t epoch) {
  double value = ramp.start;
  switch (ramp.kind) {
    case RampKind::kConstant:
      return value;
    case RampKind::kMultiStep:
      value *= std::pow(ramp.growth, std::floor(double(epoch) / ramp.every));
      break;
    case RampKind::kExponential:
      value *= std::pow(ramp.growth, double(epoch));
      break;
    case RampKind::kLinear:
      value += ramp.growth * double(epoch);
      break;
  }
  return std::min(value, ramp.cap);
}

}  // namespace bantam
