// The evaluation forward written down once more, one node and one value at a time with std::fma, sums of codes in
// 64 bits: an oracle that shares no code with the engine's executor, its kernels (but those of e^x, a value at a time)
// or the runtime. One image; slow.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nn/net.h"
#include "ops/kernels/elementwise.h"
#include "tests/compress/reference_codes.h"

namespace bantam {

struct ReferenceValue {
  int64_t h = 1, w = 1, c = 1;
  std::vector<float> v = {};
  ReferenceCodes codes = {};  // of a quantize node
};

// How a layer multiplies: codes by codes as exact integers; reals by codes in f32, the steps once, afterwards; reals by
// reals, as well where the steps differ within a sum.
struct ReferenceLayer {
  struct Sum {
    int64_t exact = 0;
    float chain = 0;
  };
  const ReferenceCodes &x, w;
  const std::vector<float>& values;
  const bool coded, integer;

  ReferenceLayer(const ReferenceCodes& of_x, ReferenceCodes of_w, const std::vector<float>& w_values, bool apart)
      : x(of_x), w(std::move(of_w)), values(w_values), coded(w.defined && !apart), integer(coded && x.defined) {}

  void add(int a, size_t i, Sum* s) const { s->exact += int64_t(a) * w.code[i]; }
  void add(float a, size_t i, Sum* s) const {
    s->chain = std::fma(a, coded ? float(w.code[i]) : w.defined ? w.value(i) : values[i], s->chain);
  }
  // `first` is any of the sum's weights.
  float result(const Sum& s, size_t first, const float* bias) const {
    const float sum = integer ? float(s.exact) : s.chain;
    const bool of_x = integer && x.scaled, of_w = coded && w.scaled;
    if (of_x || of_w) {
      const float scale = of_x && of_w ? x.step[0] * w.step[first] : of_x ? x.step[0] : w.step[first];
      return std::fma(sum, scale, bias ? *bias : 0.0f);
    }
    return bias ? sum + *bias : sum;
  }
};

// Values of every node, by name. `image` is the input node's value.
inline std::map<std::string, ReferenceValue> reference_net(const Net& model, const std::vector<float>& image) {
  const NetSpec& spec = model.spec();
  std::vector<ReferenceValue> values;
  const auto parameter = [&](const std::string& name) { return model.parameters.find(name)->value.data<float>(); };
  // A quantize node's spec with its range as it was found; a layer's scales as they were learned.
  const auto quant_of = [&](const NodeSpec& node) {
    QuantSpec q = std::get<QuantizeConfig>(node.config).quant;
    const auto state = model.parameters.state_dict();
    const auto value = [&](const char* what) {
      for (const NamedTensor& t : state)
        if (t.name == node.name + "." + what) return t.tensor;
      return Tensor();
    };
    if (const Tensor range = value("running_range"); range.defined()) q.low = range.at(0), q.high = range.at(1);
    if (const Tensor scale = value("scale"); scale.defined()) {
      const double hi = q.scheme == Scheme::kTernary   ? 1
                        : q.scheme == Scheme::kUniform ? (1 << (q.bits - 1)) - 1
                                                       : (1 << q.bits) - 1;
      q.high = hi * scale.item();
    }
    return q;
  };
  const auto learned = [&](const std::string& node) {
    const Parameter* p = model.parameters.find(node + ".weight_scale");
    return p ? std::vector<float>(p->value.data<float>(), p->value.data<float>() + p->value.size())
             : std::vector<float>();
  };
  using Layer = ReferenceLayer;
  const auto weights = [&](const std::string& node, int64_t n) {
    const float* w = parameter(node + ".weight");
    return std::vector<float>(w, w + n);
  };
  for (const NodeSpec& node : spec.nodes) {
    const ReferenceValue in = node.inputs.empty() ? ReferenceValue() : values[size_t(node.inputs[0])];
    ReferenceValue out = in;
    out.codes = {};
    const auto each = [&](auto f) {
      for (size_t i = 0; i < out.v.size(); ++i) out.v[i] = f(out.v[i], i % size_t(out.c));
    };
    switch (node.kind) {
      case Kind::kInput: {
        const auto& c = std::get<InputConfig>(node.config);
        out = {c.h, c.w, c.c, image, {}};
        break;
      }
      case Kind::kConv: {
        const auto& c = std::get<ConvConfig>(node.config);
        const int64_t gc = in.c / c.groups, gk = c.out_channels / c.groups;
        out.h = (in.h + 2 * c.pad_h - c.dilation_h * (c.kernel_h - 1) - 1) / c.stride_h + 1;
        out.w = (in.w + 2 * c.pad_w - c.dilation_w * (c.kernel_w - 1) - 1) / c.stride_w + 1;
        out.c = c.out_channels;
        out.v.clear();
        const std::vector<float> w = weights(node.name, out.c * c.kernel_h * c.kernel_w * gc);
        const Layer layer(in.codes, reference_weight(w, size_t(out.c), size_t(gc), c.weight, learned(node.name)), w,
                          reference_is_apart(c.weight.scheme) ||
                              (c.kernel_h * c.kernel_w > 1 && traits_of(c.weight.scheme).granular &&
                               c.weight.granularity == Granularity::kKernel));
        for (int64_t oy = 0; oy < out.h; ++oy)
          for (int64_t ox = 0; ox < out.w; ++ox)
            for (int64_t k = 0; k < out.c; ++k) {
              Layer::Sum sum;
              for (int64_t ky = 0; ky < c.kernel_h; ++ky)
                for (int64_t kx = 0; kx < c.kernel_w; ++kx)
                  for (int64_t ch = 0; ch < gc; ++ch) {
                    const int64_t y = oy * c.stride_h - c.pad_h + ky * c.dilation_h;
                    const int64_t x = ox * c.stride_w - c.pad_w + kx * c.dilation_w;
                    const bool inside = y >= 0 && y < in.h && x >= 0 && x < in.w;
                    const size_t at = size_t((y * in.w + x) * in.c + k / gk * gc + ch);
                    const size_t weight = size_t(((k * c.kernel_h + ky) * c.kernel_w + kx) * gc + ch);
                    if (layer.integer)
                      layer.add(inside ? in.codes.code[at] : c.pad_value, weight, &sum);
                    else
                      layer.add(inside ? in.v[at] : float(c.pad_value), weight, &sum);
                  }
              const size_t first = size_t(k * c.kernel_h * c.kernel_w * gc);
              out.v.push_back(layer.result(sum, first, c.bias ? parameter(node.name + ".bias") + k : nullptr));
            }
        break;
      }
      case Kind::kLinear: {
        const auto& c = std::get<LinearConfig>(node.config);
        const size_t depth = in.v.size();
        const std::vector<float> w = weights(node.name, c.out_features * int64_t(depth));
        const Layer layer(in.codes, reference_weight(w, size_t(c.out_features), depth, c.weight, learned(node.name)), w,
                          reference_is_apart(c.weight.scheme));
        out = {1, 1, c.out_features, {}, {}};
        for (int64_t k = 0; k < out.c; ++k) {
          Layer::Sum sum;
          const size_t first = size_t(k) * depth;
          for (size_t i = 0; i < depth; ++i)
            if (layer.integer)
              layer.add(in.codes.code[i], first + i, &sum);
            else
              layer.add(in.v[i], first + i, &sum);
          out.v.push_back(layer.result(sum, first, c.bias ? parameter(node.name + ".bias") + k : nullptr));
        }
        break;
      }
      case Kind::kBatchNorm: {
        const Parameters::NormAffine a = model.parameters.norm_affine(node);
        each([&](float x, size_t c) { return std::fma(x, a.scale[c], a.shift[c]); });
        break;
      }
      case Kind::kRelu: each([](float x, size_t) { return x > 0 ? x : 0.0f; }); break;
      case Kind::kPRelu: {
        const auto& c = std::get<PReluConfig>(node.config);
        const float* slope = parameter(c.parameter + ".weight");
        each([&](float x, size_t ch) { return x >= 0 ? x : x * slope[c.slopes > 1 ? ch : 0]; });
        break;
      }
      case Kind::kHardtanh: each([](float x, size_t) { return x < -1 ? -1.0f : x > 1 ? 1.0f : x; }); break;
      case Kind::kHardSwish:
        each([](float x, size_t) { return x <= -3 ? 0.0f : x * (std::fmin(x + 3.0f, 6.0f) * (1.0f / 6.0f)); });
        break;
      case Kind::kSigmoid:
        each([](float x, size_t) {
          sigmoid_f32(&x, &x, 1);
          return x;
        });
        break;
      case Kind::kTanh:
        each([](float x, size_t) {
          tanh_f32(&x, &x, 1);
          return x;
        });
        break;
      case Kind::kSoftmax:
        for (size_t at = 0; at < out.v.size(); at += size_t(in.c)) {
          float* v = &out.v[at];
          const float most = *std::max_element(v, v + in.c);
          float sums[16] = {};
          for (int64_t c = 0; c < in.c; ++c) {
            v[c] -= most;
            exp_f32(&v[c], &v[c], 1);
            sums[c % 16] += v[c];
          }
          for (int half = 8; half > 0; half /= 2)
            for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
          for (int64_t c = 0; c < in.c; ++c) v[c] /= sums[0];
        }
        break;
      case Kind::kMul: {
        const ReferenceValue& other = values[size_t(node.inputs[1])];
        for (size_t i = 0; i < out.v.size(); ++i) out.v[i] = in.v[i] * other.v[i % other.v.size()];
        break;
      }
      case Kind::kConcat:
        out.v.clear(), out.c = 0;
        for (int input : node.inputs) out.c += values[size_t(input)].c;
        for (int64_t p = 0; p < in.h * in.w; ++p)
          for (int input : node.inputs) {
            const ReferenceValue& part = values[size_t(input)];
            out.v.insert(out.v.end(), part.v.begin() + p * part.c, part.v.begin() + (p + 1) * part.c);
          }
        break;
      case Kind::kAvgPool: {
        const auto& c = std::get<PoolConfig>(node.config);
        out.h = (in.h + 2 * c.pad_h - c.kernel_h) / c.stride_h + 1;
        out.w = (in.w + 2 * c.pad_w - c.kernel_w) / c.stride_w + 1;
        out.v.clear();
        for (int64_t oy = 0; oy < out.h; ++oy)
          for (int64_t ox = 0; ox < out.w; ++ox)
            for (int64_t ch = 0; ch < in.c; ++ch) {
              float sum = 0;
              for (int64_t y = oy * c.stride_h - c.pad_h; y < oy * c.stride_h - c.pad_h + c.kernel_h; ++y)
                for (int64_t x = ox * c.stride_w - c.pad_w; x < ox * c.stride_w - c.pad_w + c.kernel_w; ++x)
                  if (y >= 0 && y < in.h && x >= 0 && x < in.w) sum += in.v[size_t((y * in.w + x) * in.c + ch)];
              out.v.push_back(sum / float(c.kernel_h * c.kernel_w));
            }
        break;
      }
      case Kind::kMaxPool: {
        const auto& c = std::get<PoolConfig>(node.config);
        out.h = (in.h + 2 * c.pad_h - c.kernel_h) / c.stride_h + 1;
        out.w = (in.w + 2 * c.pad_w - c.kernel_w) / c.stride_w + 1;
        out.v.clear();
        for (int64_t oy = 0; oy < out.h; ++oy)
          for (int64_t ox = 0; ox < out.w; ++ox)
            for (int64_t ch = 0; ch < in.c; ++ch) {
              float best = -INFINITY;
              for (int64_t ky = 0; ky < c.kernel_h; ++ky)
                for (int64_t kx = 0; kx < c.kernel_w; ++kx) {
                  const int64_t y = oy * c.stride_h - c.pad_h + ky, x = ox * c.stride_w - c.pad_w + kx;
                  if (y >= 0 && y < in.h && x >= 0 && x < in.w)
                    best = std::max(best, in.v[size_t((y * in.w + x) * in.c + ch)]);
                }
              out.v.push_back(best);
            }
        break;
      }
      case Kind::kGlobalAvgPool: {
        std::vector<float> sum(size_t(in.c), 0.0f);
        for (size_t i = 0; i < in.v.size(); ++i) sum[i % size_t(in.c)] += in.v[i];
        for (float& s : sum) s /= float(in.h * in.w);
        out = {1, 1, in.c, sum, {}};
        break;
      }
      case Kind::kAdd:
        for (size_t i = 0; i < out.v.size(); ++i) out.v[i] = in.v[i] + values[size_t(node.inputs[1])].v[i];
        break;
      case Kind::kAdaptiveAvgPool: {
        const auto& c = std::get<AdaptivePoolConfig>(node.config);
        out.h = c.out_h, out.w = c.out_w;
        out.v.clear();
        const auto first = [](int64_t i, int64_t size, int64_t parts) { return i * size / parts; };
        const auto end = [](int64_t i, int64_t size, int64_t parts) { return ((i + 1) * size + parts - 1) / parts; };
        for (int64_t oy = 0; oy < out.h; ++oy)
          for (int64_t ox = 0; ox < out.w; ++ox)
            for (int64_t ch = 0; ch < in.c; ++ch) {
              float sum = 0;
              int64_t n = 0;
              for (int64_t y = first(oy, in.h, out.h); y < end(oy, in.h, out.h); ++y)
                for (int64_t x = first(ox, in.w, out.w); x < end(ox, in.w, out.w); ++x, ++n)
                  sum += in.v[size_t((y * in.w + x) * in.c + ch)];
              out.v.push_back(sum / float(n));
            }
        break;
      }
      case Kind::kFlatten:
        out = {1, 1, int64_t(in.v.size()), in.v, {}};
        break;
      case Kind::kDropout: break;
      case Kind::kInputScale:
        throw Error("reference_net: input_scale is not packed");
      case Kind::kQuantize: {
        const QuantSpec q = quant_of(node);
        out.codes = reference_activation(in.v, q);
        for (size_t i = 0; out.codes.defined && i < out.v.size(); ++i) out.v[i] = out.codes.value(i);
        if (reference_is_steps(q.scheme)) each([&](float x, size_t) { return reference_step_value(x, q); });
        break;
      }
    }
    values.push_back(out);
  }
  std::map<std::string, ReferenceValue> by_name;
  for (size_t i = 0; i < values.size(); ++i) by_name[spec.nodes[i].name] = values[i];
  return by_name;
}

}  // namespace bantam
