// The one road from images to a net's scores, for a plan over parameters or for a packed model: training's evaluation,
// `bantam eval` and `predict`, and searches take it.
//
// A plan's convolutions are summed in evaluation_order() (nn/forward.h): in the packed net's order wherever a net has
// quantized values, whose every bit is promised; in the fastest for a net of floats. So two evaluations of one net
// agree bit for bit, and agree with its packed form wherever docs/exactness.md promises it.
#pragma once

#include <memory>
#include <vector>

#include "compress/pack/packed_model.h"
#include "nn/forward.h"

namespace bantam {

class Evaluator {
 public:
  // All must outlive the evaluator.
  Evaluator(const Plan& plan, const Parameters& parameters);
  explicit Evaluator(PackedModel& packed);

  // -> scores [n,classes], on all threads. A packed model takes bytes, and reads them by its own table.
  Tensor operator()(const Input& x);

 private:
  const Plan* plan_ = nullptr;
  const Parameters* parameters_ = nullptr;
  Context context_;
  PackedModel* packed_ = nullptr;
  std::vector<std::unique_ptr<PackedModel>> more_;  // sessions of lanes 1, 2, ...
};

}  // namespace bantam
