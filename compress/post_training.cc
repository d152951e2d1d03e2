#include "compress/post_training.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compress/fold_norms.h"
#include "core/autograd.h"
#include "nn/quantize.h"

namespace bantam {
namespace {

constexpr int kBins = 2048;

// The values of one node: first their ends, then how many lie in each of kBins between them.
struct Values {
  double least = 0, largest = 0;  // 0 is always a code
  std::vector<uint64_t> bins = {};

  double bin_width() const { return (largest - least) / kBins; }
  double center(int bin) const { return least + (bin + 0.5) * bin_width(); }
};

using Tap = std::function<void(const NodeSpec&, const Tensor&)>;

void evaluate(const Net& net, int64_t batches, const std::function<Input(int64_t)>& batch, const Tap& tap) {
  const NoGrad no_grad;
  for (int64_t i = 0; i < batches; ++i) {
    Context context = Context::evaluation();
    context.tap = tap;
    (void)forward(net.plan, net.parameters, batch(i), context);
  }
}

// Values of the nodes by name, as quantizers see them: what lies below 0 is 0 where a relu went.
void measure(const Net& net, int64_t batches, const std::function<Input(int64_t)>& batch,
             std::map<std::string, Values>* nodes) {
  evaluate(net, batches, batch, [&](const NodeSpec& node, const Tensor& t) {
    const auto it = nodes->find(node.name);
    if (it == nodes->end()) return;
    Values& v = it->second;
    const float* x = t.data<float>();
    for (int64_t i = 0; i < t.size(); ++i) {
      if (!std::isfinite(x[i])) throw Error("quantize: " + node.name + " has a value that is not finite");
      v.least = std::min(v.least, double(x[i]));
      v.largest = std::max(v.largest, double(x[i]));
    }
  });
  for (auto& [name, v] : *nodes) {
    if (!(v.largest > v.least)) throw Error("quantize: " + name + " is 0 for all images that were measured");
    v.bins.assign(kBins, 0);
  }
  evaluate(net, batches, batch, [&](const NodeSpec& node, const Tensor& t) {
    const auto it = nodes->find(node.name);
    if (it == nodes->end()) return;
    Values& v = it->second;
    const float* x = t.data<float>();
    const double per_width = 1 / v.bin_width();
    for (int64_t i = 0; i < t.size(); ++i)
      ++v.bins[size_t(std::clamp(int((double(x[i]) - v.least) * per_width), 0, kBins - 1))];
  });
}

// The range without the outermost values: those of a side that reaches beyond 0 share what is left out.
void percentile_range(const Values& v, double percentile, QuantSpec* spec) {
  uint64_t all = 0;
  for (uint64_t n : v.bins) all += n;
  const bool both = v.least < 0 && v.largest > 0;
  const double out = double(all) * (1 - percentile / 100) / (both ? 2 : 1);
  const auto end = [&](bool upper) {
    double seen = 0;
    for (int i = 0; i < kBins; ++i) {
      const int bin = upper ? kBins - 1 - i : i;
      seen += double(v.bins[size_t(bin)]);
      if (seen > out) return v.least + (bin + (upper ? 1 : 0)) * v.bin_width();
    }
    return 0.0;
  };
  spec->low = std::min(0.0, v.least < 0 ? end(false) : 0.0);
  spec->high = std::max(0.0, v.largest > 0 ? end(true) : 0.0);
}

double mean_squared_error(const Values& v, const QuantSpec& spec) {
  const double step = int_step(spec);
  const int zero = zero_point(spec), n = (1 << spec.bits) - 1;
  double sum = 0;
  for (int i = 0; i < kBins; ++i) {
    if (v.bins[size_t(i)] == 0) continue;
    const double x = v.center(i);
    const double q = std::clamp(std::nearbyint(x / step), double(-zero), double(n - zero)) * step;
    sum += double(v.bins[size_t(i)]) * (x - q) * (x - q);
  }
  return sum;
}

void choose_range(const Values& v, const PostTraining& how, QuantSpec* spec) {
  spec->low = v.least, spec->high = v.largest;
  switch (how.range) {
    case RangeRule::kMinMax:
      break;
    case RangeRule::kPercentile:
      percentile_range(v, how.percentile, spec);
      break;
    case RangeRule::kMse: {
      double best = mean_squared_error(v, *spec);
      const QuantSpec whole = *spec;
      for (int part = 99; part >= 10; --part) {
        QuantSpec some = whole;
        some.low *= part / 100.0, some.high *= part / 100.0;
        if (const double e = mean_squared_error(v, some); e < best) best = e, *spec = some;
      }
      break;
    }
  }
  if (!(spec->high > spec->low)) spec->low = v.least, spec->high = v.largest;
}

// Mean of each channel of the layers' outputs, over all images.
using ChannelMeans = std::map<std::string, std::vector<double>>;
void add_channels(const Tensor& t, std::vector<double>* sums, double* rows) {
  const int64_t c = t.dim(-1);
  if (sums->empty()) sums->assign(size_t(c), 0);
  const float* x = t.data<float>();
  for (int64_t i = 0; i < t.size(); ++i) (*sums)[size_t(i % c)] += double(x[i]);
  *rows += double(t.size() / c);
}
ChannelMeans channel_means(const Net& net, int64_t batches, const std::function<Input(int64_t)>& batch,
                           const std::vector<std::string>& layers) {
  ChannelMeans means;
  std::map<std::string, double> rows;
  evaluate(net, batches, batch, [&](const NodeSpec& node, const Tensor& t) {
    if (std::find(layers.begin(), layers.end(), node.name) != layers.end())
      add_channels(t, &means[node.name], &rows[node.name]);
  });
  for (auto& [name, sums] : means)
    for (double& sum : sums) sum /= rows[name];
  return means;
}

void correct_biases(const Net& real, Net* net, int64_t batches, const std::function<Input(int64_t)>& batch,
                    const std::vector<std::string>& layers) {
  const ChannelMeans want = channel_means(real, batches, batch, layers);
  for (const std::string& layer : layers) {
    const std::vector<double> got = channel_means(*net, batches, batch, {layer}).at(layer);
    float* bias = net->parameters.find(layer + ".bias")->value.mutable_data<float>();
    for (size_t c = 0; c < got.size(); ++c) bias[c] = float(double(bias[c]) + want.at(layer)[c] - got[c]);
  }
}

}  // namespace

std::unique_ptr<Net> quantize_after_training(const Net& net, const PostTraining& how, int64_t batches,
                                             const std::function<Input(int64_t)>& batch,
                                             std::vector<MeasuredRange>* measured) {
  const std::unique_ptr<Net> real = fold_norms(net);
  QuantRecipe recipe;
  recipe.weight = {.scheme = Scheme::kInt, .bits = how.weight_bits, .granularity = Granularity::kChannel};
  recipe.activation = {.scheme = Scheme::kInt, .bits = how.activation_bits};
  recipe.first = how.first, recipe.last = how.last;
  NetSpec spec = quantize(real->spec(), recipe);

  // What each quantizer reads goes by its name in the net of floats: that of the relu it replaced, or of the node
  // before it.
  std::map<std::string, Values> values;
  const auto source_of = [&](const NodeSpec& node) {
    return real->spec().find(node.name) >= 0 ? node.name : spec.nodes[size_t(node.inputs[0])].name;
  };
  for (const NodeSpec& node : spec.nodes)
    if (node.kind == Kind::kQuantize) values[source_of(node)];
  measure(*real, batches, batch, &values);
  std::vector<std::string> layers;
  for (NodeSpec& node : spec.nodes) {
    if (node.kind == Kind::kQuantize) {
      QuantSpec& quant = std::get<QuantizeConfig>(node.config).quant;
      const Values& v = values.at(source_of(node));
      choose_range(v, how, &quant);
      if (measured) measured->push_back({source_of(node), v.least, v.largest, quant.low, quant.high});
    } else if (const QuantSpec* weight = weight_quant(node); weight && weight->scheme != Scheme::kNone) {
      layers.push_back(node.name);
      if (auto* conv = std::get_if<ConvConfig>(&node.config)) conv->bias = how.bias_correction || conv->bias;
      if (auto* linear = std::get_if<LinearConfig>(&node.config)) linear->bias = how.bias_correction || linear->bias;
    }
  }
  auto made = std::make_unique<Net>(spec);
  (void)made->parameters.load_state_dict(real->parameters.state_dict(), real->parameters.counters());
  if (how.bias_correction) correct_biases(*real, made.get(), batches, batch, layers);
  return made;
}

std::unique_ptr<Net> halve_weights(const Net& net, Scheme half) {
  NetSpec spec = net.spec();
  int halved = 0;
  for (NodeSpec& node : spec.nodes) {
    QuantSpec* weight = nullptr;
    if (auto* conv = std::get_if<ConvConfig>(&node.config)) weight = &conv->weight;
    if (auto* linear = std::get_if<LinearConfig>(&node.config)) weight = &linear->weight;
    if (!weight || weight->scheme != Scheme::kNone) continue;
    *weight = normal({.scheme = half}, Operand::kWeight);
    ++halved;
  }
  if (!halved) throw Error("quantize: no layer of the net has real weights");
  auto made = std::make_unique<Net>(spec);
  (void)made->parameters.load_state_dict(net.parameters.state_dict(), net.parameters.counters());
  return made;
}

}  // namespace bantam
