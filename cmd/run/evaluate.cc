#include "cmd/run/evaluate.h"

#include <cmath>

#include "cmd/recipe/data_source.h"

namespace bantam {

double cross_entropy_sum(const float* scores, const int32_t* labels, int64_t n, int classes) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float* row = scores + i * classes;
    double largest = row[0];
    for (int c = 1; c < classes; ++c) largest = std::max(largest, double(row[c]));
    double total = 0;
    for (int c = 0; c < classes; ++c) total += std::exp(double(row[c]) - largest);
    sum += largest + std::log(total) - double(row[labels[i]]);
  }
  return sum;
}

std::optional<Metrics> evaluate(Evaluator& net, const Dataset& data, const BatchSpec& batches,
                                const ContinueFn& go_on) {
  const NoGrad no_grad;
  Loader loader(data, batches, loader_threads(data));
  Metrics metrics(data.classes());
  for (int64_t step = 0; step < loader.steps_per_epoch(); ++step) {
    const Batch& batch = loader.next();
    const Tensor scores = net({batch.x, batch.byte_values});  // [n, classes]
    const float* s = scores.data<float>();
    const int32_t* labels = batch.y.data<int32_t>();
    metrics.add(s, labels, batch.size(), cross_entropy_sum(s, labels, batch.size(), metrics.classes()));
    if (go_on && !go_on(metrics.images())) return std::nullopt;
  }
  return metrics;
}

}  // namespace bantam
