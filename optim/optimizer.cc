#include "optim/optimizer.h"

#include <cmath>

#include "core/parallel.h"
#include "ops/kernels_train/optimizer.h"
#include "ops/kernels_train/optimizer_ref.h"

namespace bantam {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(std::vector<ParameterGroup> groups, const SgdConfig& config) : Optimizer(std::move(groups)), config_(config) {
    if (config_.momentum != 0) velocity_ = zeros_like_parameters();
  }
  std::vector<OptimizerState> state() override { return named("momentum", velocity_); }

 private:
  void update_at(size_t index, Parameter& p, double lr, double weight_decay) override {
    const bool first = steps() == 1;
    auto run = [&]<class T>(T, auto kernel) {
      T* theta = p.value.mutable_data<T>();
      const T* g = p.grad.data<T>();
      T* v = velocity_.empty() ? nullptr : velocity_[index].mutable_data<T>();
      parallel_for(p.value.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
        kernel(theta + b, g + b, v ? v + b : v, size_t(e - b), T(lr), T(config_.momentum), config_.nesterov,
               T(weight_decay), first);
      });
    };
    if (p.value.dtype() == DType::kF64)
      run(double{}, ref::sgd_update<double>);
    else
      run(float{}, sgd_update);
  }

  SgdConfig config_;
  std::vector<Tensor> velocity_;
};

class Adam : public Optimizer {
 public:
  Adam(std::vector<ParameterGroup> groups, const AdamConfig& config)
      : Optimizer(std::move(groups)), config_(config), s_(zeros_like_parameters()), r_(zeros_like_parameters()) {}
  std::vector<OptimizerState> state() override {
    std::vector<OptimizerState> all = named("exp_avg", s_);
    for (OptimizerState& st : named("exp_avg_sq", r_)) all.push_back(std::move(st));
    return all;
  }

 private:
  void update_at(size_t index, Parameter& p, double lr, double weight_decay) override {
    if (corrected_ != steps()) {  // once a step, not for each parameter
      corrected_ = steps();
      correction1_ = 1 - std::pow(config_.beta1, double(corrected_));
      correction2_ = 1 / std::sqrt(1 - std::pow(config_.beta2, double(corrected_)));
    }
    const double step = lr / correction1_, root = correction2_;
    auto run = [&]<class T>(T, auto kernel) {
      T* theta = p.value.mutable_data<T>();
      const T* g = p.grad.data<T>();
      T *s = s_[index].mutable_data<T>(), *r = r_[index].mutable_data<T>();
      parallel_for(p.value.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
        kernel(theta + b, g + b, s + b, r + b, size_t(e - b), T(config_.beta1), T(config_.beta2), T(step), T(root),
               T(config_.delta), T(weight_decay));
      });
    };
    if (p.value.dtype() == DType::kF64)
      run(double{}, ref::adam_update<double>);
    else
      run(float{}, adam_update);
  }

  AdamConfig config_;
  std::vector<Tensor> s_, r_;
  int64_t corrected_ = -1;  // the step of these corrections of the means' bias
  double correction1_ = 1, correction2_ = 1;
};

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  size_t index = 0;
  for (const ParameterGroup& group : groups_)
    for (const Parameter* p : group.parameters) places_[p] = {&group, index++};
}

void Optimizer::step(double lr) {
  begin_step();
  for (ParameterGroup& group : groups_)
    for (Parameter* p : group.parameters)
      if (p->grad.defined()) update(*p, lr);
}

void Optimizer::update(Parameter& p, double lr) {
  const auto& [group, index] = places_.at(&p);
  update_at(index, p, lr * group->lr_scale, p.decay ? group->weight_decay : 0);
}

std::vector<Tensor> Optimizer::zeros_like_parameters() const {
  std::vector<Tensor> all;
  for (const ParameterGroup& group : groups_)
    for (const Parameter* p : group.parameters) {
      AllocLabel label("optimizer", &p->name);
      all.push_back(Tensor::zeros(p->value.shape(), p->value.dtype()));
    }
  return all;
}

std::vector<OptimizerState> Optimizer::named(const char* kind, std::vector<Tensor>& tensors) {
  std::vector<OptimizerState> all;
  if (tensors.empty()) return all;
  size_t index = 0;
  for (const ParameterGroup& group : groups_)
    for (const Parameter* p : group.parameters)
      all.push_back({std::string(kind) + "." + p->name, p, &tensors[index++]});
  return all;
}

std::unique_ptr<Optimizer> make_sgd(std::vector<ParameterGroup> groups, const SgdConfig& config) {
  return std::make_unique<Sgd>(std::move(groups), config);
}
std::unique_ptr<Optimizer> make_adam(std::vector<ParameterGroup> groups, const AdamConfig& config) {
  return std::make_unique<Adam>(std::move(groups), config);
}

double gradient_squares(const Parameter& p) {
  auto squares = [](const auto* g, int64_t n) {
    return parallel_sum(n, kElementGrain, [g](int64_t b, int64_t e) {
      double s[4] = {};
      int64_t i = b;
      for (; i + 4 <= e; i += 4)
        for (int k = 0; k < 4; ++k) s[k] += double(g[i + k]) * double(g[i + k]);
      for (; i < e; ++i) s[0] += double(g[i]) * double(g[i]);
      return (s[0] + s[1]) + (s[2] + s[3]);
    });
  };
  if (!p.grad.defined()) return 0;
  return p.grad.dtype() == DType::kF64 ? squares(p.grad.data<double>(), p.grad.size())
                                       : squares(p.grad.data<float>(), p.grad.size());
}

double gradient_norm(const std::vector<Parameter*>& parameters) {
  double sum = 0;
  for (const Parameter* p : parameters) sum += gradient_squares(*p);
  return std::sqrt(sum);
}

double clip_gradients(const std::vector<Parameter*>& parameters, double max_norm) {
  const double norm = gradient_norm(parameters);
  if (!(norm > max_norm)) return norm;
  auto scale = [factor = max_norm / norm]<class T>(T* g, int64_t n) {
    parallel_for(n, kElementGrain, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) g[i] *= T(factor);
    });
  };
  for (Parameter* p : parameters) {
    if (!p->grad.defined()) continue;
    if (p->grad.dtype() == DType::kF64)
      scale(p->grad.mutable_data<double>(), p->grad.size());
    else
      scale(p->grad.mutable_data<float>(), p->grad.size());
  }
  return norm;
}

}  // namespace bantam
