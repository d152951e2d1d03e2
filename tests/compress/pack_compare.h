// A packed net's run against the reference, tensor by tensor and bit for bit.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "compress/pack/pack.h"
#include "compress/pack/packed_model.h"
#include "tests/compress/random_net.h"
#include "tests/compress/reference_net.h"

namespace bantam {

// Values that the packed run shows, against the reference: how many tensors and values, how many differ bit for bit.
struct Comparison {
  int tensors = 0, bit_tensors = 0, code_tensors = 0;
  int64_t values = 0, differing = 0;
  std::string first;  // name of the first tensor that differs
};

inline Comparison compare(const Net& model, PackedModel& packed, const std::vector<uint8_t>& image,
                          const std::vector<float>& lut) {
  const int64_t c = packed.info().c;
  std::vector<float> x(image.size());
  for (size_t i = 0; i < image.size(); ++i) x[i] = lut[(i % size_t(c)) * 256 + image[i]];
  const auto want = reference_net(model, x);
  Comparison r;
  const std::vector<float> scores = packed.run_traced(image.data(), [&](const bnt_view& v) {
    const ReferenceValue& ref = want.at(v.name);
    const size_t n = size_t(v.dims[0]) * v.dims[1] * v.dims[2];
    REQUIRE(ref.v.size() == n);
    ++r.tensors;
    r.bit_tensors += v.dtype == BNT_BITS;
    r.code_tensors += v.dtype == BNT_CODES;
    r.values += int64_t(n);
    const int64_t before = r.differing;
    for (size_t i = 0; i < n; ++i) {
      float got;
      if (v.dtype == BNT_BITS) {
        const size_t ch = i % v.dims[2], pixel = i / v.dims[2];
        const uint64_t word = static_cast<const uint64_t*>(v.data)[pixel * words_for(v.dims[2]) + ch / 64];
        got = word >> (ch % 64) & 1 ? 1.0f : -1.0f;
      } else if (v.dtype == BNT_CODES) {
        got = v.scale * float(v.mul * static_cast<const uint8_t*>(v.data)[i] + v.add);
      } else {
        got = static_cast<const float*>(v.data)[i];
      }
      r.differing += memcmp(&got, &ref.v[i], 4) != 0;
    }
    if (r.differing != before && r.first.empty()) r.first = v.name;
  });
  const std::vector<float>& logits = want.at(model.spec().nodes.back().name).v;
  REQUIRE(scores.size() == logits.size());
  for (size_t i = 0; i < scores.size(); ++i) r.differing += memcmp(&scores[i], &logits[i], 4) != 0;
  return r;
}

inline Comparison pack_and_compare(const NetSpec& spec, uint64_t seed, int images = 1) {
  Net model(spec);
  randomize(&model, seed);
  const std::vector<float> lut = random_lut(std::get<InputConfig>(spec.nodes[0].config).c, seed);
  PackedModel packed(pack(model, {lut, {}, {}}));
  Comparison all;
  for (int i = 0; i < images; ++i) {
    const Comparison r = compare(model, packed, random_image(spec, seed + uint64_t(i)), lut);
    all.tensors = r.tensors, all.bit_tensors = r.bit_tensors;
    all.values += r.values, all.differing += r.differing;
    if (all.first.empty()) all.first = r.first;
  }
  return all;
}

}  // namespace bantam
