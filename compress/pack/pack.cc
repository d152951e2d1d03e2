#include "compress/pack/pack.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "compress/pack/arena.h"
#include "compress/pack/lower.h"
#include "compress/pack/packed_model.h"
#include "compress/pack/self_check.h"
#include "compress/runtime/metadata.h"
#include "core/file.h"

namespace bantam {
namespace {

using namespace packed;

// The one switch so far: full width, and the bits of its narrowest weights and activations.
SwitchRecord full_width(const PackState& s) {
  uint32_t weight_bits = 32, act_bits = 32;
  for (int i = 0; i < s.nodes(); ++i) {
    if (const QuantSpec* weight = weight_quant(s.node(i)))
      weight_bits = std::min(weight_bits, uint32_t(bits_of(*weight)));
    if (!s.net.is_integer(i)) continue;
    const auto& in = s.config<QuantizeConfig>(s.node(i).inputs[0]);
    act_bits = std::min(act_bits, uint32_t(bits_of(in.quant)));
  }
  return {.weight_bits = weight_bits, .act_bits = act_bits};
}

// The file's header, as far as it says what goes in and what comes out.
void describe(PackState* s, const PackOptions& options) {
  const InputConfig& in = s->config<InputConfig>(0);
  if (in.c > kMaxInputChannels) refuse(*s, 0, "more than " + std::to_string(kMaxInputChannels) + " channels");
  if (int64_t(options.lut.size()) != in.c * 256) throw Error("pack: the input table needs 256 values for each channel");
  for (float v : options.lut)
    if (!std::isfinite(v)) throw Error("pack: a value of the input table is not finite");
  const int64_t classes = s->spec.classes;
  const std::vector<std::string>& names = options.class_names;
  if (!names.empty() && int64_t(names.size()) != classes)
    throw Error("pack: " + std::to_string(names.size()) + " class names for " + std::to_string(classes) + " classes");
  FileBuilder& file = s->file;
  file.header.h = uint32_t(in.h), file.header.w = uint32_t(in.w), file.header.c = uint32_t(in.c);
  file.header.lut = file.payload(options.lut);
  for (int64_t i = 0; i < classes; ++i)
    file.classes.push_back(file.string(names.empty() ? std::to_string(i) : names[size_t(i)]));
  file.switches.push_back(full_width(*s));
  static_assert(kMaxPackMetadata == kMaxMetadata);
  if (options.metadata.size() > kMaxPackMetadata)
    throw Error("pack: more than " + std::to_string(kMaxPackMetadata) + " entries of metadata");
  for (const auto& [key, value] : options.metadata) {
    if (const std::string fault = metadata_fault(key, value); !fault.empty()) throw Error("pack: metadata: " + fault);
    file.metadata.push_back({file.string(key), file.string(value)});
  }
}

// Of binary layers [ops/kernels/gemm_xnor.h]; panels of codes are the same everywhere.
int panel_of(WeightOrder order) {
  switch (order) {
    case WeightOrder::kAny:
      return 0;
    case WeightOrder::kAvx512:
      return 16;
    case WeightOrder::kAvx2:
    case WeightOrder::kNeon:
      return 4;
    case WeightOrder::kArmv7:
      return 2;
    case WeightOrder::kScalar:
      return 1;
  }
  return 0;
}

// The bytes, with the self test's scores if there is an image.
std::vector<uint8_t> finish(PackState* s, const std::vector<uint8_t>& image) {
  FileBuilder& file = s->file;
  if (image.empty()) return file.bytes();
  if (image.size() != size_t(file.header.h) * file.header.w * file.header.c)
    throw Error("pack: the test image is not of the net's size");
  std::vector<uint8_t> test = image;
  test.resize(round_up(test.size(), 4) + size_t(s->spec.classes) * 4);
  file.header.self_test = file.payload(test);
  PackedModel runner(file.bytes());
  const std::vector<float> scores = runner.run(image.data(), 1);
  file.set_payload(file.header.self_test, round_up(image.size(), 4), scores.data(), scores.size() * 4);
  return file.bytes();
}

}  // namespace

std::string metadata_fault(const std::string& key, const std::string& value) {
  if (key.empty()) return "a key is empty";
  if (!is_metadata_key(key.data(), key.size()))
    return "a key is of at most " + std::to_string(kMaxKeyBytes) + " letters, digits, '.', '_' and '-', not " +
           quote_name(key);
  if (value.size() > kMaxValueBytes)
    return key + " has a value of " + std::to_string(value.size()) + " bytes, at most " +
           std::to_string(kMaxValueBytes) + " fit";
  if (!is_metadata_value(value.data(), value.size()))
    return key + " has a value that is no UTF-8 or holds control characters";
  return "";
}

std::vector<uint8_t> pack(const Plan& plan, const Parameters& parameters, const PackOptions& options) {
  const TrainedNet net(plan, parameters);
  if (!net.is_f32()) throw Error("pack: the model must be f32");
  PackState s(net);
  describe(&s, options);
  s.panel = panel_of(options.order);
  for (int i = 0; i < s.nodes(); ++i)
    if (!s.covered[size_t(i)] && !s.vanishes(i)) lower(&s, i);
  s.file.header.output = f32_of(&s, s.output());
  place_tensors(&s.file);
  std::vector<uint8_t> bytes = finish(&s, options.test_image);
  auto packed = std::make_unique<PackedModel>(bytes);  // what this packer writes, the runtime's reader accepts
  check_packed(net, std::move(packed), options);
  return bytes;
}

}  // namespace bantam
