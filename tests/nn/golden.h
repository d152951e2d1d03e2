// Whole nets with weights and images by a rule, so that another implementation can make the same ones: the rule stands
// in tests/fixtures/make_nets.py, which stored that implementation's results in tests/fixtures/nets.safetensors.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/base/crc32.h"
#include "core/rng.h"
#include "tests/nn/net_calls.h"

namespace bantam::golden {

constexpr uint64_t kSeed = 14;

inline Tensor uniform(uint64_t key, const Shape& shape, float scale, float offset, DType dtype) {
  const Rng rng(kSeed, kRngTest, key);
  std::vector<double> v(size_t(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) {
    const float scaled = (rng.uniform(i) - 0.5f) * scale;  // rounded to f32 twice, as there
    v[i] = double(offset + scaled);
  }
  return Tensor::of(shape, v, dtype);
}

inline uint64_t key_of(const std::string& name) { return crc32(name.data(), name.size()); }

inline void fill(Net& model) {
  for (Parameter* p : model.parameters.all()) {
    const Shape s = p->value.shape();
    const bool slope = p->name.find("prelu") != std::string::npos, weight = p->name.ends_with("weight");
    float scale = 0.25f, offset = 0;
    if (s.rank >= 2)
      scale = float(std::sqrt(24.0 / double(s.size() / s[0])));
    else if (slope)
      scale = 0.125f, offset = 0.25f;
    else if (weight)
      scale = 0.5f, offset = 1;
    p->value = uniform(key_of(p->name), s, scale, offset, model.parameters.dtype());
  }
}

// Running statistics, another rule (tests/fixtures/make_torchvision.py).
inline void fill_statistics(Net& model) {
  std::vector<NamedTensor> all;
  std::map<std::string, int64_t> counters = model.parameters.counters();
  for (const NamedTensor& t : model.parameters.state_dict()) {
    const bool mean = t.name.ends_with(".running_mean"), var = t.name.ends_with(".running_var");
    if (mean || var)
      all.push_back({t.name, uniform(key_of(t.name), t.tensor.shape(), mean ? 0.5f : 1.0f, mean ? 0 : 1,
                                     model.parameters.dtype())});
  }
  for (auto& [name, batches] : counters) batches = 7;
  model.parameters.load_state_dict(all, counters);
}

struct Images {
  Tensor x;  // [n,h,w,c]
  Tensor y;  // i32 [n]
};
inline Images images(uint64_t key, int64_t n, int64_t h, int64_t w, int64_t c, DType dtype) {
  const Rng labels(kSeed, kRngTest, key, 1);
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(labels.below(uint64_t(i), 10));
  return {uniform(key, {n, h, w, c}, 4, 0, dtype), Tensor::of({n}, y, DType::kI32)};
}

// Eight sums of a gradient's elements, each times +1 or -1: an error anywhere shows in all of them.
inline std::vector<double> projections(const std::string& name, const Tensor& g) {
  const Rng rng(kSeed, kRngTest, key_of(name), 2);
  std::vector<double> sums(8, 0.0);
  for (int64_t i = 0; i < g.size(); ++i) {
    const uint32_t bits = rng.bits(uint64_t(i));
    for (size_t j = 0; j < 8; ++j) sums[j] += (bits >> j & 1) ? g.at(i) : -g.at(i);
  }
  return sums;
}

}  // namespace bantam::golden
