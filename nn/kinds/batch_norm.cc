// Batch normalization, with a set of parameters and running statistics for each switch of a net.
#include "ops/batch_norm.h"

#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"

namespace bantam {
namespace {

constexpr int64_t kMaxSets = 1024;

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
  const auto& c = config_of<BatchNormConfig>(node);
  if (!(c.eps > 0 && c.eps < 1) || !(c.momentum >= 0 && c.momentum <= 1))
    fail(node, "eps must be in (0,1), momentum in [0,1]");
  check_range(node, "set", c.set, 0, kMaxSets - 1);
  return in[0];
}

NodeParameters parameters_of(const NodeView& v) {
  const int64_t channels = v.in()[-1];
  NodeParameters p;
  p.norm = norm_name(v.node());
  p.norm_channels = channels;
  p[Role::kWeight] = {
      .name = p.norm + ".weight", .shape = {channels}, .decay = false, .initial = {Initial::kConstant, 1}};
  p[Role::kBias] = {.name = p.norm + ".bias", .shape = {channels}, .decay = false};
  return p;
}

Quantized run(const NodePass& p) {
  const auto& c = p.config<BatchNormConfig>();
  const BoundNode& bound = p.pass.binding[p.index];
  NormView norm(bound);
  const Tensor gamma = p.parameter(Role::kWeight), beta = p.parameter(Role::kBias);
  if (!p.context().batch_statistics) return real(batch_norm_eval(p.x(), gamma, beta, norm.mean, norm.var, c.eps));
  if (p.pass.again) return real(batch_norm(p.x(), gamma, beta, nullptr, nullptr, c.momentum, c.eps));
  ++bound.norm->batches;
  return real(batch_norm(p.x(), gamma, beta, &norm.mean, &norm.var, c.momentum, c.eps));
}

}  // namespace

std::string norm_name(const NodeSpec& norm) {
  const int64_t set = config_of<BatchNormConfig>(norm).set;
  return set == 0 ? norm.name : norm.name + ".set" + std::to_string(set);
}

NormView::NormView(const BoundNode& node) {
  const NormStatistics& s = *node.norm;
  const bool whole = s.mean.size() == node.norm_channels;
  mean = whole ? s.mean : s.mean.slice_outer(0, node.norm_channels);
  var = whole ? s.var : s.var.slice_outer(0, node.norm_channels);
}

extern const KindRoom kBatchNormRoom;
constinit const KindRoom kBatchNormRoom = {
    .kind = Kind::kBatchNorm,
    .name = "batch_norm",
    .inputs = 1,
    .config = [] { return Config(BatchNormConfig{}); },
    .shape = shape_of,
    .run = run,
    .parameters = parameters_of,
};

}  // namespace bantam
