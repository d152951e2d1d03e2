#include "nn/quantize.h"

#include <algorithm>
#include <map>

#include "core/fields.h"
#include "core/tensor.h"
#include "nn/kinds/kind.h"
#include "nn/norm_groups.h"
#include "ops/quant/quantize.h"

namespace bantam {
namespace {

// On a mismatch the last '*' takes one letter more: earlier ones need not, so that the time is at most the product of
// both lengths.
bool matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

QuantSpec* weight_of(NodeSpec& node) { return const_cast<QuantSpec*>(weight_quant(std::as_const(node))); }

// How each layer's operands are quantized.
struct Operands {
  QuantSpec weight = {}, activation = {};
};

void check(const std::string& layer, const QuantSpec& spec, Operand operand) {
  if (const std::string what = refusal(spec, operand); !what.empty()) throw Error("quantize: " + layer + ": " + what);
}

std::map<int, Operands> operands_of(const NetSpec& spec, const QuantRecipe& recipe) {
  std::vector<int> layers;
  for (int i = 0; i < int(spec.nodes.size()); ++i)
    if (weight_quant(spec.nodes[size_t(i)])) layers.push_back(i);
  std::map<int, Operands> all;
  for (int i : layers) {
    const bool real = (i == layers.front() && !recipe.first) || (i == layers.back() && !recipe.last);
    all[i] = {recipe.weight, recipe.activation};
    if (real) all[i].weight.scheme = all[i].activation.scheme = Scheme::kNone;
  }
  for (const QuantRecipe::Layer& other : recipe.layers) {
    bool used = false;
    for (int i : layers) {
      if (!matches(other.pattern, spec.nodes[size_t(i)].name)) continue;
      used = true;
      if (other.weight) all[i].weight.scheme = *other.weight;
      if (other.weight_bits) all[i].weight.bits = *other.weight_bits;
      if (other.activation) all[i].activation.scheme = *other.activation;
      if (other.activation_bits) all[i].activation.bits = *other.activation_bits;
    }
    if (!used) throw Error("quantize: no layer's name matches " + other.pattern);
  }
  for (auto& [i, operands] : all) {
    operands = {normal(operands.weight, Operand::kWeight), normal(operands.activation, Operand::kActivation)};
    check(spec.nodes[size_t(i)].name, operands.weight, Operand::kWeight);
    check(spec.nodes[size_t(i)].name, operands.activation, Operand::kActivation);
  }
  return all;
}

// The factor of a layer that reads a quantize node, behind it.
NodeSpec input_scale_of(const NetSpec& spec, int layer) {
  const NodeSpec& node = spec.nodes[size_t(layer)];
  InputScaleConfig window;
  if (const auto* c = std::get_if<ConvConfig>(&node.config))
    window = {c->kernel_h, c->kernel_w, c->stride_h, c->stride_w, c->pad_h, c->pad_w, c->dilation_h, c->dilation_w};
  const int codes = node.inputs[0];
  return {node.name + ".input_scale", Kind::kInputScale, {layer, spec.nodes[size_t(codes)].inputs[0]}, window};
}

// Whether a value cannot be below zero, as far as the kinds of the nodes tell.
bool never_negative(const NetSpec& spec, int i) {
  const KindRoom& room = room_of(spec.nodes[size_t(i)].kind);
  if (room.sign == SignRule::kNeverNegative) return true;
  const std::vector<int>& in = spec.nodes[size_t(i)].inputs;
  return room.sign == SignRule::kAsInputs && !in.empty() &&
         std::all_of(in.begin(), in.end(), [&](int j) { return never_negative(spec, j); });
}

}  // namespace

std::vector<QuantRecipe::Layer> parse_quant_layers(const std::string& text) {
  const auto trimmed = [](std::string s) {
    s.erase(0, s.find_first_not_of(' '));
    s.erase(s.find_last_not_of(' ') + 1);
    return s;
  };
  const auto split = [&](const std::string& s, char at) {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= s.size();) {
      const size_t end = std::min(s.find(at, begin), s.size());
      parts.push_back(trimmed(s.substr(begin, end - begin)));
      begin = end + 1;
    }
    return parts;
  };
  std::vector<QuantRecipe::Layer> layers;
  if (trimmed(text).empty()) return layers;
  for (const std::string& part : split(text, ';')) {
    const size_t colon = part.find(':');
    if (colon == std::string::npos || trimmed(part.substr(0, colon)).empty())
      throw Error("'" + part + "' is no 'PATTERN: weight = SCHEME, activation = SCHEME'");
    QuantRecipe::Layer layer{.pattern = trimmed(part.substr(0, colon))};
    for (const std::string& setting : split(part.substr(colon + 1), ',')) {
      const size_t equals = setting.find('=');
      const std::string key = trimmed(setting.substr(0, equals));
      const std::string word = equals == std::string::npos ? "" : trimmed(setting.substr(equals + 1));
      if (key == "weight_bits" || key == "activation_bits") {
        if (word.size() != 1 || word[0] < '1' || word[0] > '0' + kMaxQuantBits)
          throw Error("'" + word + "' is no number of bits from 1 to " + std::to_string(kMaxQuantBits));
        (key == "weight_bits" ? layer.weight_bits : layer.activation_bits) = word[0] - '0';
        continue;
      }
      if (key != "weight" && key != "activation")
        throw Error("'" + setting + "' sets none of weight, weight_bits, activation, activation_bits");
      const std::optional<Scheme> scheme = from_name<Scheme>(word);
      if (!scheme) throw Error("'" + word + "' is no scheme; there are " + one_of(all_names<Scheme>()).text());
      (key == "weight" ? layer.weight : layer.activation) = scheme;
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

NetSpec quantize(const NetSpec& spec, const QuantRecipe& recipe) {
  for (const NodeSpec& node : spec.nodes)
    if (const QuantSpec* w = weight_quant(node); node.kind == Kind::kQuantize || (w && w->scheme != Scheme::kNone))
      throw Error("quantize: " + node.name + " is quantized already");
  const std::map<int, Operands> layers = operands_of(spec, recipe);
  const auto read_by = [&](int node) {
    const auto it = layers.find(node);
    return it == layers.end() ? QuantSpec{} : it->second.activation;
  };
  const auto reads_codes = [&](int node) { return read_by(node).scheme != Scheme::kNone; };
  // Layers that share an input take the same codes of it.
  const auto shared_codes = [&](int value, const std::vector<int>& readers) {
    QuantSpec codes;
    for (int reader : readers) {
      if (!reads_codes(reader)) continue;
      if (codes.scheme != Scheme::kNone && codes != read_by(reader))
        throw Error("quantize: layers that read " + spec.nodes[size_t(value)].name + " differ in its scheme or bits");
      codes = read_by(reader);
    }
    return codes;
  };
  std::vector<std::vector<int>> readers(spec.nodes.size());
  for (int i = 0; i < int(spec.nodes.size()); ++i)
    for (int j : spec.nodes[size_t(i)].inputs) readers[size_t(j)].push_back(i);

  NetSpec out = spec;
  out.nodes.clear();
  std::vector<int> at(spec.nodes.size());  // where each node's value is now
  std::map<int, int> codes;                // and that of its quantize node, if it has one
  for (int i = 0; i < int(spec.nodes.size()); ++i) {
    NodeSpec node = spec.nodes[size_t(i)];
    const auto own = layers.find(i);
    const bool quantized_input = reads_codes(i);
    if (quantized_input && needs_both_signs(read_by(i).scheme) && never_negative(spec, node.inputs[0]) &&
        !codes.count(node.inputs[0]))
      throw Error("quantize: " + node.name + ": the sign of its input would always be +1, since " +
                  spec.nodes[size_t(node.inputs[0])].name +
                  " is never negative and is read by others, too; an order of layers without a relu there serves");
    for (int& j : node.inputs) j = quantized_input ? codes.at(j) : at[size_t(j)];
    if (own != layers.end() && own->second.weight.scheme != Scheme::kNone) *weight_of(node) = own->second.weight;
    const std::vector<int>& by = readers[size_t(i)];
    const QuantSpec read = shared_codes(i, by);
    const bool some = read.scheme != Scheme::kNone, all = some && std::all_of(by.begin(), by.end(), reads_codes);
    const QuantizeConfig config{read};
    const bool output =
        i + 1 == int(spec.nodes.size()) || std::count(spec.extra_outputs.begin(), spec.extra_outputs.end(), i);
    const bool scaled = quantized_input && recipe.input_scale && needs_both_signs(read_by(i).scheme);
    at[size_t(i)] = int(out.nodes.size());
    if (node.kind == Kind::kRelu && all && !output) {
      node.kind = Kind::kQuantize;
      node.config = config;
      codes[i] = at[size_t(i)];
      out.nodes.push_back(std::move(node));
      continue;
    }
    const std::string name = node.name;
    out.nodes.push_back(std::move(node));
    if (scaled) {
      out.nodes.push_back(input_scale_of(out, at[size_t(i)]));
      at[size_t(i)] = int(out.nodes.size()) - 1;
    }
    if (some && !(needs_both_signs(read.scheme) && never_negative(spec, i))) {
      codes[i] = int(out.nodes.size());
      out.nodes.push_back({name + ".codes", Kind::kQuantize, {at[size_t(i)]}, config});
    }
  }
  for (int& i : out.extra_outputs) i = at[size_t(i)];
  infer_shapes(out);
  return out;
}

NetSpec real_weights(NetSpec spec) {
  for (NodeSpec& node : spec.nodes)
    if (QuantSpec* weight = weight_of(node); weight && !traits_of(weight->scheme).half) *weight = {};
  return spec;
}

}  // namespace bantam
