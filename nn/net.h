// A plan with parameters of its own, for whoever has one of each.
#pragma once

#include <utility>

#include "nn/forward.h"

namespace bantam {

struct Net {
  explicit Net(NetSpec spec, DType dtype = DType::kF32) : plan(std::move(spec)), parameters(plan.spec(), dtype) {}

  const NetSpec& spec() const { return plan.spec(); }

  Plan plan;
  Parameters parameters;
};

}  // namespace bantam
