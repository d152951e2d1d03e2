#include "compress/evaluator.h"

#include <algorithm>

#include "core/parallel.h"

namespace bantam {

Evaluator::Evaluator(const Plan& plan, const Parameters& parameters)
    : plan_(&plan), parameters_(&parameters), context_(Context::evaluation(evaluation_order(plan.spec()))) {}

Evaluator::Evaluator(PackedModel& packed) : packed_(&packed) {}

Tensor Evaluator::operator()(const Input& x) {
  if (plan_) {
    const NoGrad no_grad;
    return forward(*plan_, *parameters_, x, context_).scores;
  }
  const bnt_info& info = packed_->info();
  if (x.x.dtype() != DType::kU8 || x.x.rank() != 4 || x.x.dim(1) != info.h || x.x.dim(2) != info.w ||
      x.x.dim(3) != info.c)
    throw Error("packed model: takes bytes " + to_string(Shape{x.x.dim(0), info.h, info.w, info.c}) + ", gets " +
                name_of(x.x.dtype()) + " " + to_string(x.x.shape()));
  while (int(more_.size()) + 1 < threads()) more_.push_back(packed_->another_session());
  const int64_t n = x.x.dim(0), bytes = int64_t(info.h) * info.w * info.c, classes = info.classes;
  Tensor scores = Tensor::empty({n, classes});
  parallel_for(n, 1, [&](int64_t begin, int64_t end, int lane) {
    PackedModel& session = lane == 0 ? *packed_ : *more_[size_t(lane - 1)];
    for (int64_t i = begin; i < end; ++i) {
      const std::vector<float> row = session.run(x.x.data<uint8_t>() + i * bytes, 1);
      std::copy(row.begin(), row.end(), scores.mutable_data<float>() + i * classes);
    }
  });
  return scores;
}

}  // namespace bantam
