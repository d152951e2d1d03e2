#include "compress/net_checkpoint.h"

#include <doctest/doctest.h>

#include <cstring>

#include "core/file.h"
#include "nn/models/models.h"
#include "tests/core/error_text.h"
#include "tests/core/temp_folder.h"
#include "tests/core/tensors.h"
#include "tests/heap_count.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

NetInfo some_info() {
  NetInfo info;
  info.spec = in_form("quickstart", Form::kBnn);
  info.mean = {0.25};
  info.stddev = {0.5};
  for (int i = 0; i < 10; ++i) info.class_names.push_back("class " + std::to_string(i));
  info.recipe_toml = "about = \"x\"\n";
  return info;
}

std::unique_ptr<Optimizer> adam(const Net& model) { return make_adam({{model.parameters.all(), 1, 0}}, {}); }

}  // namespace

TEST_CASE("net checkpoint: weights, optimizer and state come back bit for bit, and equal content gives equal bytes") {
  const NetInfo info = some_info();
  Net model(info.spec);
  model.parameters.initialize(7);
  auto optimizer = adam(model);
  int n = 0;
  for (const OptimizerState& s : optimizer->state()) {
    float* v = s.tensor->mutable_data<float>();
    for (int64_t i = 0; i < s.tensor->size(); ++i) v[i] = float(++n % 1001) / 7;
  }
  TrainingState state;
  state.step = 1234567890123;
  state.loss_sum = 0.1 + 0.2;
  state.best_top1 = 1.0 / 3;
  state.log_bytes = 99;
  state.data_fingerprint = 0xfedcba98;
  state.optimizer_steps = 12;
  const TempFolder folder;
  const std::string a = folder / "a", b = folder / "b";
  save_net(a, model.parameters, info, optimizer.get(), &state);

  NetCheckpoint loaded = load_net(a);
  CHECK(to_json(loaded.info.spec) == to_json(info.spec));
  CHECK(loaded.info.mean == info.mean);
  CHECK(loaded.info.class_names == info.class_names);
  CHECK(loaded.info.recipe_toml == info.recipe_toml);
  REQUIRE(loaded.state);
  CHECK(loaded.state->step == state.step);
  CHECK(loaded.state->loss_sum == state.loss_sum);
  CHECK(loaded.state->best_top1 == state.best_top1);
  CHECK(loaded.state->data_fingerprint == state.data_fingerprint);
  for (const Parameter* p : model.parameters.all())
    CHECK(same_tensor(p->value, loaded.net->parameters.find(p->name)->value));
  auto again = adam(*loaded.net);
  restore_optimizer(loaded, loaded.net->parameters, again.get());
  CHECK(again->steps() == 12);
  const auto before = optimizer->state(), after = again->state();
  for (size_t i = 0; i < before.size(); ++i) CHECK(same_tensor(*before[i].tensor, *after[i].tensor));
  save_net(b, loaded.net->parameters, loaded.info, again.get(), &*loaded.state);
  CHECK(read_file(a, 1 << 30) == read_file(b, 1 << 30));

  auto other = make_sgd({{loaded.net->parameters.all(), 1, 0}}, {.momentum = 0.9});
  CHECK_THROWS_WITH_AS(restore_optimizer(loaded, loaded.net->parameters, other.get()),
                       doctest::Contains("has no optimizer state"), FileError);
  auto plain = make_sgd({{loaded.net->parameters.all(), 1, 0}}, {});
  CHECK_THROWS_WITH_AS(restore_optimizer(loaded, loaded.net->parameters, plain.get()),
                       doctest::Contains("state of another optimizer"), FileError);
}

TEST_CASE("net checkpoint: weights only have no state, and serve as initial weights") {
  const NetInfo info = some_info();
  Net model(info.spec), other(info.spec);
  model.parameters.initialize(1);
  other.parameters.initialize(2);
  const TempFolder folder;
  const std::string a = folder / "a";
  save_net(a, model.parameters, info, nullptr, nullptr);
  CHECK(!load_net(a).state);
  CHECK(load_weights(a, &other) == "20/20 loaded, 0 missing, 0 unexpected");
  for (const Parameter* p : model.parameters.all()) CHECK(same_tensor(p->value, other.parameters.find(p->name)->value));
}

TEST_CASE("net checkpoint: what is wrong with a file is said") {
  const NetInfo info = some_info();
  Net model(info.spec);
  model.parameters.initialize(1);
  const TempFolder folder;
  const std::string a = folder / "a";
  save_net(a, model.parameters, info, nullptr, nullptr);
  const Checkpoint good = load_checkpoint(a);
  const auto changed = [&](auto change) {
    Checkpoint c = good;
    change(c);
    save_checkpoint(a, c);
    return refusal(a, [&] { load_net(a); });
  };
  CHECK(changed([](Checkpoint&) {}) == "accepted");
  CHECK(changed([](Checkpoint& c) { c.metadata.erase("bantam.net"); }) ==
        "is no checkpoint of bantam: its metadata has no bantam.net");
  CHECK(changed([](Checkpoint& c) { c.metadata.erase("bantam.input"); }).find("no bantam.input") != std::string::npos);
  CHECK(changed([](Checkpoint& c) { c.metadata["bantam.net"] = "{"; }).substr(0, 10) == "metadata: ");
  CHECK(changed([](Checkpoint& c) { c.metadata["bantam.classes"] = "[\"a\"]"; }) ==
        "metadata: bantam.classes has 1 names, the net 10 classes");
  CHECK(changed([](Checkpoint& c) {
          c.metadata["bantam.input"] = "{\"mean\":[0,0],\"stddev\":[1,1]}";
        }).find("has 2 channels, the net 1") != std::string::npos);
  CHECK(changed([](Checkpoint& c) {
          c.metadata["bantam.input"] = "{\"mean\":[0],\"stddev\":[0]}";
        }).find("must be above 0") != std::string::npos);
  CHECK(changed([](Checkpoint& c) { c.metadata["bantam.state"] = "{\"schema\":1}"; }).find("missing key 'step'") !=
        std::string::npos);
  CHECK(changed([](Checkpoint& c) { c.tensors.erase("conv1.weight"); }) == "has no tensor 'conv1.weight'");
  CHECK(changed([](Checkpoint& c) {
          c.tensors["conv1.weight"] = Tensor::zeros({1});
        }).find("'conv1.weight' is [1], in the net [32,1,3,3]") != std::string::npos);
  CHECK(changed([](Checkpoint& c) { c.tensors["extra"] = Tensor::zeros({1}); }) ==
        "has a tensor that the net lacks: 'extra'");
}

TEST_CASE("net checkpoint: saving takes a piece of memory, however large the net, and writes what copies would give") {
  NetInfo info = some_info();
  info.spec = cifar_net("vgg11", Form::kBnn, 0.5);
  info.mean = {0.5};
  Net model(info.spec);  // 9 MiB, and twice that of momenta
  model.parameters.initialize(3);
  auto optimizer = adam(model);
  TrainingState state;
  const TempFolder folder;
  const std::string streamed = folder / "a", copied = folder / "b";
  const size_t before = pool_stats().live_bytes;
  reset_high_water();
  {
    const HeapCount heap;
    save_net(streamed, model.parameters, info, optimizer.get(), &state);
    if (HeapCount::works()) CHECK(heap.largest() <= size_class(Parameters::kPieceBytes));
  }
  CHECK(pool_stats().high_water_bytes - before <= size_class(Parameters::kPieceBytes));

  Checkpoint file = load_checkpoint(streamed);
  for (const NamedTensor& t : model.parameters.state_dict()) {
    REQUIRE(file.tensors.count(t.name));
    file.tensors[t.name] = t.tensor;
  }
  for (const OptimizerState& s : optimizer->state())
    file.tensors["optimizer." + s.name] = model.parameters.to_file_layout(s.parameter->name, *s.tensor);
  save_checkpoint(copied, file);
  CHECK(read_text(streamed, 1 << 30) == read_text(copied, 1 << 30));
}
