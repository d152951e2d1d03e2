// The values that a net starts from.
#include <cmath>

#include "core/parallel.h"
#include "core/rng.h"
#include "nn/model.h"

namespace bantam {
namespace {

// Which stream of random numbers a parameter draws from: FNV-1a of its name, so that initial weights do not depend on
// the order of the nodes or on what else is in the net.
uint64_t name_hash(const std::string& name) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (unsigned char ch : name) h = (h ^ ch) * 0x100000001b3ull;
  return h;
}

void fill(Tensor& t, uint64_t seed, const std::string& name, bool normal, double scale) {
  const Rng rng(seed, kRngInit, name_hash(name));
  auto write = [&]<class T>(T* p) {
    parallel_for(t.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i)
        p[i] = T(float(scale * (normal ? rng.normal(uint64_t(i)) : 2 * rng.uniform64(uint64_t(i)) - 1)));
    });
  };
  if (t.dtype() == DType::kF64)
    write(t.mutable_data<double>());
  else
    write(t.mutable_data<float>());
}

}  // namespace

void Model::initialize(uint64_t seed) {
  const bool small_normal = spec_.init == Init::kSmallNormal;
  auto fill_bias = [&](Parameter* b, double bound) {
    if (b && small_normal)
      b->value = Tensor::zeros(b->value.shape(), dtype_);
    else if (b)
      fill(b->value, seed, b->name, false, bound);
  };
  for (const NodeSpec& node : spec_.nodes) {
    Parameter *w = parameter(node.name + ".weight"), *b = parameter(node.name + ".bias");
    if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
      const double fan_out = double(c->out_channels / c->groups * c->kernel_h * c->kernel_w);
      fill(w->value, seed, w->name, true, std::sqrt(2 / fan_out));
      fill_bias(b, 1 / std::sqrt(double(w->value.size() / c->out_channels)));
    } else if (node.kind == Kind::kLinear) {
      const double bound = 1 / std::sqrt(double(w->value.dim(1)));
      fill(w->value, seed, w->name, small_normal, small_normal ? 0.01 : bound);
      fill_bias(b, bound);
    } else if (node.kind == Kind::kBatchNorm) {
      w->value = Tensor::full(w->value.shape(), 1, dtype_);
      b->value = Tensor::zeros(b->value.shape(), dtype_);
      norms_[node.name] = {Tensor::zeros(w->value.shape(), dtype_), Tensor::full(w->value.shape(), 1, dtype_), 0};
    } else if (const auto* p = std::get_if<PReluConfig>(&node.config)) {
      Parameter* slope = parameter(p->parameter + ".weight");
      slope->value = Tensor::full(slope->value.shape(), p->init, dtype_);
    }
  }
}

}  // namespace bantam
