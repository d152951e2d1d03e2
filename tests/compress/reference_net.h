// The evaluation forward written down once more, one node and one value at a time with std::fma: an oracle that shares
// no code with the engine's executor, its kernels or the runtime. One image; slow.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "nn/net.h"

namespace bantam {

struct ReferenceValue {
  int64_t h = 1, w = 1, c = 1;
  std::vector<float> v;
};

// Values of every node, by name. `image` is the input node's value.
inline std::map<std::string, ReferenceValue> reference_net(const Net& model, const std::vector<float>& image) {
  const NetSpec& spec = model.spec();
  std::vector<ReferenceValue> values;
  const auto parameter = [&](const std::string& name) { return model.parameters.find(name)->value.data<float>(); };
  const auto sign = [](float x) { return x >= 0 ? 1.0f : -1.0f; };
  for (const NodeSpec& node : spec.nodes) {
    ReferenceValue out;
    if (!node.inputs.empty()) out = values[size_t(node.inputs[0])];
    const ReferenceValue in = out;
    const auto each = [&](auto f) {
      for (size_t i = 0; i < out.v.size(); ++i) out.v[i] = f(out.v[i], i % size_t(out.c));
    };
    switch (node.kind) {
      case Kind::kInput: {
        const auto& c = std::get<InputConfig>(node.config);
        out = {c.h, c.w, c.c, image};
        break;
      }
      case Kind::kConv: {
        const auto& c = std::get<ConvConfig>(node.config);
        const float* w = parameter(node.name + ".weight");
        const int64_t gc = in.c / c.groups, gk = c.out_channels / c.groups;
        out.h = (in.h + 2 * c.pad_h - c.dilation_h * (c.kernel_h - 1) - 1) / c.stride_h + 1;
        out.w = (in.w + 2 * c.pad_w - c.dilation_w * (c.kernel_w - 1) - 1) / c.stride_w + 1;
        out.c = c.out_channels;
        out.v.clear();
        for (int64_t oy = 0; oy < out.h; ++oy)
          for (int64_t ox = 0; ox < out.w; ++ox)
            for (int64_t k = 0; k < out.c; ++k) {
              float acc = 0;
              for (int64_t ky = 0; ky < c.kernel_h; ++ky)
                for (int64_t kx = 0; kx < c.kernel_w; ++kx)
                  for (int64_t ch = 0; ch < gc; ++ch) {
                    const int64_t y = oy * c.stride_h - c.pad_h + ky * c.dilation_h;
                    const int64_t x = ox * c.stride_w - c.pad_w + kx * c.dilation_w;
                    const bool inside = y >= 0 && y < in.h && x >= 0 && x < in.w;
                    const float a =
                        inside ? in.v[size_t((y * in.w + x) * in.c + k / gk * gc + ch)] : float(c.pad_value);
                    float b = w[((k * c.kernel_h + ky) * c.kernel_w + kx) * gc + ch];
                    if (c.weight.scheme == Scheme::kSign) b = sign(b);
                    acc = std::fma(a, b, acc);
                  }
              out.v.push_back(c.bias ? acc + parameter(node.name + ".bias")[k] : acc);
            }
        break;
      }
      case Kind::kLinear: {
        const auto& c = std::get<LinearConfig>(node.config);
        const float* w = parameter(node.name + ".weight");
        out = {1, 1, c.out_features, {}};
        for (int64_t k = 0; k < out.c; ++k) {
          float acc = 0;
          for (size_t i = 0; i < in.v.size(); ++i) {
            const float b = w[size_t(k) * in.v.size() + i];
            acc = std::fma(in.v[i], c.weight.scheme == Scheme::kSign ? sign(b) : b, acc);
          }
          out.v.push_back(c.bias ? acc + parameter(node.name + ".bias")[k] : acc);
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
        out = {1, 1, in.c, sum};
        break;
      }
      case Kind::kAdd:
        for (size_t i = 0; i < out.v.size(); ++i) out.v[i] = in.v[i] + values[size_t(node.inputs[1])].v[i];
        break;
      case Kind::kAdaptiveAvgPool: {
        const auto& c = std::get<AdaptivePoolConfig>(node.config);
        if (c.out_h != in.h || c.out_w != in.w) throw Error("reference_net: no pooling to another size");
        break;
      }
      case Kind::kFlatten: out = {1, 1, int64_t(in.v.size()), in.v}; break;
      case Kind::kDropout: break;
      case Kind::kQuantize:
        if (std::get<QuantizeConfig>(node.config).quant.scheme == Scheme::kSign)
          each([&](float x, size_t) { return sign(x); });
        break;
      default: throw Error("reference_net: no " + std::string(name_of(node.kind)));
    }
    values.push_back(out);
  }
  std::map<std::string, ReferenceValue> by_name;
  for (size_t i = 0; i < values.size(); ++i) by_name[spec.nodes[i].name] = values[i];
  return by_name;
}

}  // namespace bantam
