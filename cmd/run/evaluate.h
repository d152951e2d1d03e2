// A net over a data set.
#pragma once

#include <functional>
#include <optional>

#include "cmd/report/metrics.h"
#include "data/loader.h"
#include "nn/model.h"

namespace bantam {

// Scores [n, classes] of a batch x [n,H,W,C].
using ScoreFn = std::function<Tensor(const Batch& batch)>;
// Called after each batch with the images done; false stops the evaluation.
using ContinueFn = std::function<bool(int64_t done)>;

// All images of the data, in order, in batches: the evaluation forward. Empty if it was stopped.
std::optional<Metrics> evaluate(Model& model, const Dataset& data, const BatchSpec& batches,
                                const ContinueFn& go_on = {});

// The same for anything that gives scores.
std::optional<Metrics> evaluate(const ScoreFn& scores, const Dataset& data, const BatchSpec& batches,
                                const ContinueFn& go_on = {});

// Sum over the batch of -log softmax(scores)[label], in f64.
double cross_entropy_sum(const float* scores, const int32_t* labels, int64_t n, int classes);

}  // namespace bantam
