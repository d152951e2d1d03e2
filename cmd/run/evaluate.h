// A net over a data set.
#pragma once

#include <functional>
#include <optional>

#include "cmd/report/metrics.h"
#include "compress/evaluator.h"
#include "data/loader.h"

namespace bantam {

// Called after each batch with the images done; false stops the evaluation.
using ContinueFn = std::function<bool(int64_t done)>;

// All images of the data, in order, in batches. Empty if it was stopped.
std::optional<Metrics> evaluate(Evaluator& net, const Dataset& data, const BatchSpec& batches,
                                const ContinueFn& go_on = {});

// Sum over the batch of -log softmax(scores)[label], in f64.
double cross_entropy_sum(const float* scores, const int32_t* labels, int64_t n, int classes);

}  // namespace bantam
