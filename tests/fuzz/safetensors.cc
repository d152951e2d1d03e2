#include "core/safetensors.h"

#include "core/checkpoint.h"
#include "core/tensor.h"
#include "nn/weights_file.h"
#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  SafeTensors file = SafeTensors::parse(safetensors_bytes({}));
  try {
    file = SafeTensors::view(input);
  } catch (const StError&) {
    return;
  }
  size_t bytes = 0;
  for (const SafeTensor& t : file.tensors()) {
    FUZZ_CHECK(file.find(t.name) == &t);
    bytes += t.bytes.size();
  }
  FUZZ_CHECK(bytes <= input.size());
  FUZZ_CHECK(file.find("no such tensor") == nullptr || bytes > 0);
  // What was accepted can be written, and what is written is what the writer would make of it once more.
  Bytes written = safetensors_bytes(file.tensors(), file.metadata());
  SafeTensors again = SafeTensors::parse(written);
  FUZZ_CHECK(again.metadata() == file.metadata());
  FUZZ_CHECK(safetensors_bytes(again.tensors(), again.metadata()) == written);
  // Tensors that are made in pieces as they are written give the same file; one that makes too little is refused.
  std::vector<SafeTensor> made = again.tensors();
  for (SafeTensor& t : made) {
    const ByteSpan first = t.bytes.first(t.bytes.size() / 3), rest = t.bytes.subspan(first.size());
    t.bytes = {};
    t.make = [first, rest](const StSink& sink) {
      sink(first);
      sink(rest);
    };
  }
  FUZZ_CHECK(safetensors_bytes(made, again.metadata()) == written);
  if (bytes > 0) {
    for (SafeTensor& t : made) t.make = [](const StSink&) {};
    bool refused = false;
    try {
      safetensors_bytes(made);
    } catch (const Error&) {
      refused = true;
    }
    FUZZ_CHECK(refused);
  }
  try {
    checkpoint_of(file);
  } catch (const FileError&) {
  }
  try {
    NetBuilder g(1, 1, 1, 2);
    Net model(
        (g.linear("layer", g.unary(Kind::kFlatten, "flatten", 0), {.out_features = 2, .bias = false, .weight = {}}),
         g.build()));
    WeightsFile(SafeTensors::view(input), {{}, {"e*"}}).load(model.spec(), &model.parameters);
  } catch (const FileError&) {
  }
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  Bytes data(64);
  for (size_t i = 0; i < data.size(); ++i) data[i] = uint8_t(i);
  ByteSpan all = data;
  std::vector<SafeTensor> tensors = {{"layer.weight", StDType::kF32, {2, 3}, all.first(24)},
                                     {"layer.num_batches_tracked", StDType::kI64, {}, all.first(8)},
                                     {"empty", StDType::kF16, {0, 4}, {}},
                                     {"four", StDType::kF4, {2}, all.first(1)}};
  seed(safetensors_bytes({}));
  seed(safetensors_bytes({{"module.layer.weight", StDType::kBF16, {2, 1}, all.first(4)}}));
  seed(safetensors_bytes({}, {{"k", "v"}, {"l\n", ""}}));
  seed(safetensors_bytes(tensors, {{"net", "{\"nodes\":[]}"}}));
  tensors.clear();
  for (int t = 0; t < kStDTypes; ++t)
    tensors.push_back({name_of(StDType(t)), StDType(t), {4}, all.first(size_t(bits_of(StDType(t)) * 4 / 8))});
  seed(safetensors_bytes(tensors));
}

}  // namespace bantam
