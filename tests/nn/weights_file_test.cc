#include "nn/weights_file.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using namespace bantam;

namespace {

// conv [2,1,1,1], a norm of 2 channels, a linear layer of 3 classes.
NetSpec small_net() {
  NetBuilder g(4, 4, 1, 3);
  ConvConfig c;
  c.out_channels = 2;
  int x = g.batch_norm("bn", g.conv("conv", g.input(), c));
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "pool", x), {.out_features = 3, .bias = true, .weight = {}});
  return g.build();
}

struct Entry {
  std::string name;
  StDType dtype;
  std::vector<uint64_t> shape;
  std::vector<double> values;
};

std::vector<Entry> good() {
  const StDType t = StDType::kF32;
  return {{"conv.weight", t, {2, 1, 1, 1}, {1, 2}},
          {"bn.weight", t, {2}, {3, 4}},
          {"bn.bias", t, {2}, {5, 6}},
          {"bn.running_mean", t, {2}, {7, 8}},
          {"bn.running_var", t, {2}, {9, 10}},
          {"bn.num_batches_tracked", StDType::kI64, {}, {11}},
          {"fc.weight", t, {3, 2}, {12, 13, 14, 15, 16, 17}},
          {"fc.bias", t, {3}, {18, 19, 20}}};
}

template <class T>
void append(Bytes& bytes, T v) {
  const size_t at = bytes.size();
  bytes.resize(at + sizeof v);
  memcpy(bytes.data() + at, &v, sizeof v);
}

// Small whole numbers: exact in every type.
SafeTensors made(const std::vector<Entry>& entries) {
  std::vector<Bytes> data(entries.size());
  std::vector<SafeTensor> tensors;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    for (double v : e.values) {
      const auto f32 = float(v);
      uint32_t bits;
      memcpy(&bits, &f32, sizeof bits);
      switch (e.dtype) {
        case StDType::kF64:
          append(data[i], v);
          break;
        case StDType::kI64:
          append(data[i], int64_t(v));
          break;
        case StDType::kI32:
          append(data[i], int32_t(v));
          break;
        case StDType::kBF16:
          append(data[i], uint16_t(bits >> 16));
          break;
        case StDType::kF16:
          append(data[i],
                 uint16_t(v == 0 ? 0 : (bits >> 16 & 0x8000) | ((bits >> 23) - 112) << 10 | (bits >> 13 & 0x3ff)));
          break;
        default:
          append(data[i], f32);
      }
    }
    tensors.push_back({e.name, e.dtype, e.shape, data[i]});
  }
  return SafeTensors::parse(safetensors_bytes(tensors), "w.safetensors");
}

// What loading says: the counts, or the error.
std::string loading(const std::vector<Entry>& entries, const WeightRules& rules = {}) {
  Net model(small_net());
  try {
    return WeightsFile(made(entries), rules).load(model.spec(), &model.parameters).text();
  } catch (const FileError& e) {
    return e.reason();
  }
}

std::vector<Entry> changed(void (*change)(std::vector<Entry>&)) {
  std::vector<Entry> entries = good();
  change(entries);
  return entries;
}

}  // namespace

TEST_CASE("weights file: every tensor goes to its place, from F16, BF16, F32 and F64, which are counted") {
  for (StDType t : {StDType::kF16, StDType::kBF16, StDType::kF32, StDType::kF64}) {
    std::vector<Entry> entries = good();
    for (Entry& e : entries)
      if (e.dtype == StDType::kF32) e.dtype = t;
    Net model(small_net());
    const LoadedWeights loaded = WeightsFile(made(entries), {}).load(model.spec(), &model.parameters);
    CHECK(loaded.text() == "8/8 loaded, 0 missing, 0 unexpected");
    CHECK(loaded.widened == (t == StDType::kF16 || t == StDType::kBF16 ? 7 : 0));
    CHECK(loaded.rounded == (t == StDType::kF64 ? 7 : 0));
    for (const NamedTensor& n : model.parameters.state_dict())
      for (const Entry& e : entries)
        if (e.name == n.name) CHECK(n.tensor.values() == e.values);
    CHECK(model.parameters.counters().at("bn.num_batches_tracked") == 11);
  }
}

TEST_CASE("weights file: prefixes of wrappers are dropped, in any order and number") {
  for (const char* prefix :
       {"module.", "model.", "_orig_mod.", "state_dict.", "state_dict.module._orig_mod.model.module."}) {
    std::vector<Entry> entries = good();
    for (Entry& e : entries) e.name = prefix + e.name;
    CHECK(loading(entries) == "8/8 loaded, 0 missing, 0 unexpected");
  }
  std::vector<Entry> twice = good();
  twice.push_back({"module.fc.bias", StDType::kF32, {3}, {0, 0, 0}});
  CHECK(loading(twice).find("holds 'fc.bias' twice: 'fc.bias' and 'module.fc.bias'") == 0);
  CHECK(loading(twice, {{}, {"module.*"}}) == "8/8 loaded, 0 missing, 1 unexpected");
}

TEST_CASE("weights file: what is missing, unexpected, of another shape or type is named") {
  CHECK(loading(changed([](auto& e) { e.erase(e.begin() + 3); })) == "has no tensor 'bn.running_mean'");
  CHECK(loading(changed([](auto& e) { e.erase(e.begin(), e.begin() + 3); })) ==
        "has no tensor 'conv.weight' and 2 more");
  CHECK(loading(changed([](auto& e) {
          e.push_back({"epoch", StDType::kI64, {}, {3}});
        })) == "has a tensor that the net lacks: 'epoch'");
  CHECK(loading(changed([](auto& e) { e[6].shape = {2, 3}; })) == "'fc.weight' is [2,3], in the net [3,2]");
  CHECK(loading(changed([](auto& e) { e[7].dtype = StDType::kI32; })) ==
        "tensor 'fc.bias': dtype I32 is none of F16, BF16, F32, F64");
  CHECK(loading(changed([](auto& e) { e[5].dtype = StDType::kI32; })) ==
        "tensor 'bn.num_batches_tracked': is no counter (one I64 that is not negative)");
  CHECK(loading(changed([](auto& e) { e[5].values = {-1}; })).find("is no counter") != std::string::npos);
  CHECK(loading(changed([](auto& e) { e[5].name = "conv.num_batches_tracked"; })) ==
        "has a tensor that the net lacks: 'conv.num_batches_tracked'");
  CHECK(loading(changed([](auto& e) { e.erase(e.begin() + 5); })) == "7/7 loaded, 0 missing, 0 unexpected");
}

TEST_CASE("weights file: patterns allow what is missing, which keeps its value, and leave out what is not wanted") {
  CHECK(loading(changed([](auto& e) { e[6].name = "head.weight"; }), {{"fc.weight"}, {"head.*"}}) ==
        "7/8 loaded, 1 missing, 1 unexpected");
  Net model(small_net());
  model.parameters.initialize(3);
  const std::vector<double> before = model.parameters.find("fc.bias")->value.values();
  const LoadedWeights loaded = WeightsFile(made(good()), {{"fc.*"}, {"fc.*"}}).load(model.spec(), &model.parameters);
  CHECK(loaded.text() == "6/8 loaded, 2 missing, 2 unexpected");
  CHECK(loaded.missing == std::vector<std::string>{"fc.weight", "fc.bias"});
  CHECK(model.parameters.find("fc.bias")->value.values() == before);
  CHECK(model.parameters.find("conv.weight")->value.values() == std::vector<double>{1, 2});
}

TEST_CASE("weights file: values that are not finite are loaded and named; names of another net are told apart") {
  Net model(small_net());
  const auto entries = changed([](auto& e) { e[2].values[1] = NAN; });
  CHECK(WeightsFile(made(entries), {}).load(model.spec(), &model.parameters).not_finite ==
        std::vector<std::string>{"bn.bias"});
  CHECK(WeightsFile(made(good()), {}).has_names_of(small_net()));
  CHECK(!WeightsFile(made(changed([](auto& e) { e[0].name = "conv1.weight"; })), {}).has_names_of(small_net()));
  CHECK(!WeightsFile(made(changed([](auto& e) { e.pop_back(); })), {}).has_names_of(small_net()));
}
