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

// What a switch is: the bits of its narrowest weights and activations.
SwitchRecord switch_of(const PackState& s, uint32_t width_permille) {
  uint32_t weight_bits = 32, act_bits = 32;
  for (int i = 0; i < s.nodes(); ++i) {
    if (const QuantSpec* weight = weight_quant(s.node(i)))
      weight_bits = std::min(weight_bits, uint32_t(bits_of(*weight)));
    if (!s.net.is_integer(i)) continue;
    const auto& in = s.config<QuantizeConfig>(s.node(i).inputs[0]);
    act_bits = std::min(act_bits, uint32_t(bits_of(in.quant)));
  }
  return {.width_permille = width_permille, .weight_bits = weight_bits, .act_bits = act_bits};
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
  const size_t scores_at = round_up(test.size(), 4), bytes = size_t(s->spec.classes) * 4;
  test.resize(scores_at + file.switches.size() * bytes);
  file.share = false;  // its scores are still to be written
  file.header.self_test = file.payload(test);
  PackedModel runner(file.bytes());
  for (size_t i = 0; i < file.switches.size(); ++i) {
    runner.set_switch(uint32_t(i));
    const std::vector<float> scores = runner.run(image.data(), 1);
    file.set_payload(file.header.self_test, scores_at + i * bytes, scores.data(), bytes);
  }
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
  const PackedSwitch one{&plan, &parameters};
  return pack(std::span(&one, 1), options);
}

std::vector<uint8_t> pack(std::span<const PackedSwitch> switches, const PackOptions& options) {
  static_assert(kMaxPackSwitches == kMaxSwitches);
  if (switches.empty() || switches.size() > kMaxPackSwitches)
    throw Error("pack: a file has 1 to " + std::to_string(kMaxPackSwitches) + " switches");
  std::vector<TrainedNet> nets;
  std::unique_ptr<PackState> s;
  for (const PackedSwitch& one : switches) {
    nets.emplace_back(*one.plan, *one.parameters);
    if (!nets.back().is_f32()) throw Error("pack: the model must be f32");
    auto next = std::make_unique<PackState>(nets.back());
    if (s) {
      const InputConfig &a = s->config<InputConfig>(0), &b = next->config<InputConfig>(0);
      if (a.h != b.h || a.w != b.w || a.c != b.c || s->spec.classes != next->spec.classes)
        throw Error("pack: the switches of a file have one input and the same classes");
      next->file = std::move(s->file);
    } else {
      next->file.share = switches.size() > 1;
      describe(next.get(), options);
    }
    s = std::move(next);
    FileBuilder& file = s->file;
    SwitchRecord record = switch_of(*s, one.width_permille);
    const size_t first_tensor = file.tensors.size(), first_op = file.ops.size();
    const uint32_t per_lane = file.header.arena_per_lane;
    file.header.arena_per_lane = 0;
    s->panel = panel_of(options.order);
    for (int i = 0; i < s->nodes(); ++i)
      if (!s->covered[size_t(i)] && !s->vanishes(i)) lower(s.get(), i);
    record.output = f32_of(s.get(), s->output());
    record.first_op = uint32_t(first_op), record.n_ops = uint32_t(file.ops.size() - first_op);
    record.arena_per_lane = file.header.arena_per_lane;
    place_tensors(&file, first_tensor, &record);
    if (file.switches.empty()) file.header.output = record.output;
    file.header.arena_base = std::max(file.header.arena_base, record.arena_base);
    file.header.arena_per_lane = std::max(per_lane, record.arena_per_lane);
    file.switches.push_back(record);
  }
  std::vector<uint8_t> bytes = finish(s.get(), options.test_image);
  for (size_t i = 0; i < nets.size(); ++i) {
    auto packed = std::make_unique<PackedModel>(bytes);  // what this packer writes, the runtime's reader accepts
    packed->set_switch(uint32_t(i));
    check_packed(nets[i], std::move(packed), options);
  }
  return bytes;
}

}  // namespace bantam
