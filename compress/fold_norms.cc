#include "compress/fold_norms.h"

#include <map>

#include "core/tensor.h"
#include "nn/norm_groups.h"

namespace bantam {
namespace {

bool* bias_of(NodeSpec& node) {
  if (auto* conv = std::get_if<ConvConfig>(&node.config)) return &conv->bias;
  if (auto* linear = std::get_if<LinearConfig>(&node.config)) return &linear->bias;
  return nullptr;
}

}  // namespace

std::unique_ptr<Net> fold_norms(const Net& net) {
  const NetSpec& spec = net.plan.spec();
  if (net.parameters.dtype() != DType::kF32) throw Error("fold: the net is not f32");
  const std::vector<int> readers = count_readers(spec);
  std::map<int, int> norm_of;  // by layer
  for (int i = 0; i < int(spec.nodes.size()); ++i) {
    if (spec.nodes[size_t(i)].kind != Kind::kBatchNorm) continue;
    const int layer = spec.nodes[size_t(i)].inputs[0];
    const QuantSpec* weight = weight_quant(spec.nodes[size_t(layer)]);
    if (weight && weight->scheme == Scheme::kNone && readers[size_t(layer)] == 1) norm_of[layer] = i;
  }

  NetSpec folded = spec;
  folded.nodes.clear();
  std::vector<int> at(spec.nodes.size());
  for (int i = 0; i < int(spec.nodes.size()); ++i) {
    NodeSpec node = spec.nodes[size_t(i)];
    const int layer = node.inputs.empty() ? -1 : node.inputs[0];
    if (const auto it = norm_of.find(layer); it != norm_of.end() && it->second == i) {
      at[size_t(i)] = at[size_t(layer)];
      continue;
    }
    for (int& j : node.inputs) j = at[size_t(j)];
    if (norm_of.count(i)) *bias_of(node) = true;
    at[size_t(i)] = int(folded.nodes.size());
    folded.nodes.push_back(std::move(node));
  }
  for (int& i : folded.extra_outputs) i = at[size_t(i)];

  auto out = std::make_unique<Net>(folded);
  (void)out->parameters.load_state_dict(net.parameters.state_dict(), net.parameters.counters());
  for (const auto& [layer, norm] : norm_of) {
    const std::string& name = spec.nodes[size_t(layer)].name;
    const Parameters::NormAffine a = net.parameters.norm_affine(spec.nodes[size_t(norm)]);
    Tensor& w = out->parameters.find(name + ".weight")->value;
    Tensor& b = out->parameters.find(name + ".bias")->value;
    const Parameter* had = net.parameters.find(name + ".bias");
    const int64_t k = w.dim(0), row = w.size() / k;
    float *values = w.mutable_data<float>(), *bias = b.mutable_data<float>();
    for (int64_t c = 0; c < k; ++c) {
      const float scale = a.scale[size_t(c)];
      for (int64_t i = 0; i < row; ++i) values[c * row + i] *= scale;
      bias[c] = float(double(scale) * (had ? double(had->value.data<float>()[c]) : 0.0) + double(a.shift[size_t(c)]));
    }
  }
  return out;
}

}  // namespace bantam
