// The training loop on a tiny net and data made here: float and binary layers, batch norm, dropout, flips, a last batch
// that is not full.
#include "cmd/run/train.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>

#include "cmd/errors.h"
#include "cmd/recipe/build.h"
#include "cmd/run/memory_plan.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "nn/quantize.h"
#include "tests/core/error_text.h"
#include "tests/core/temp_folder.h"
#include "tests/heap_count.h"

using namespace bantam;
namespace fs = std::filesystem;

namespace {

constexpr int kSide = 6, kClasses = 3;
constexpr int64_t kTrainImages = 51, kBatch = 8, kSteps = 7;  // an epoch: six batches of 8, one of 3

// Class k has a bright column k.
Dataset tiny_data(int64_t n, uint64_t seed) {
  Dataset d;
  d.name = "tiny";
  d.count = n;
  d.h = d.w = kSide;
  d.c = 1;
  d.class_names = {"left", "middle", "right"};
  const Rng rng(seed, kRngTest);
  for (int64_t i = 0; i < n; ++i) {
    const int label = int(rng.below(uint64_t(i), kClasses));
    d.labels.push_back(label);
    for (int p = 0; p < kSide * kSide; ++p)
      d.images.push_back(uint8_t(rng.below(uint64_t(1000 + i * 64 + p), 100) + (p % kSide == 2 * label ? 150 : 0)));
  }
  return d;
}

DataSource tiny_source() { return {tiny_data(kTrainImages, 1), tiny_data(20, 2), "test"}; }

NetSpec tiny_net() {
  NetBuilder g(kSide, kSide, 1, kClasses);
  const QuantSpec sign{Scheme::kSign, Surrogate::kIdentity};
  ConvConfig first{
      .out_channels = 6, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .bias = false, .weight = {}};
  ConvConfig second = first;
  second.out_channels = 5;
  second.weight = sign;
  int x = g.batch_norm("bn1", g.conv("conv1", g.input(), first));
  x = g.batch_norm("bn2", g.conv("conv2", g.quantize("act2", x), second));
  x = g.dropout("drop", g.unary(Kind::kHardtanh, "hardtanh", x), {.p = 0.1});
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = kClasses, .bias = true, .weight = {}});
  return g.build();
}

Recipe tiny_recipe(const Overrides& more = {}) {
  Overrides o = {{"data.mean", "0.4"},
                 {"data.stddev", "0.3"},
                 {"data.pad_crop", "1"},
                 {"train.batch", std::to_string(kBatch)},
                 {"train.epochs", "3"},
                 {"train.log_every", "2"},
                 {"train.eval_batch", "7"},
                 {"optimizer.lr", "0.02"},
                 {"schedule.kind", "cosine"},
                 {"train.clip_norm", "2"},
                 {"train.label_smoothing", "0.05"}};
  o.insert(o.end(), more.begin(), more.end());
  return parse_recipe("", "tiny", o);
}

std::unique_ptr<Net> tiny_model(const NetSpec& spec = tiny_net()) {
  auto model = std::make_unique<Net>(spec);
  model->parameters.initialize(3);
  return model;
}

// A run's, not there yet.
struct Folder {
  TempFolder parent;
  std::string path = parent / "run";
  std::string text(const std::string& file) const { return read_text(path + "/" + file, 1 << 28); }
};

const char* const kFiles[] = {"recipe.toml",   "log.jsonl",     "curves.csv",       "curves.svg",
                              "confusion.csv", "confusion.svg", "last.safetensors", "best.safetensors"};

void check_equal(const Folder& a, const Folder& b) {
  for (const char* file : kFiles) {
    CAPTURE(file);
    CHECK((a.text(file) == b.text(file)));
  }
}

Outcome start(const Folder& folder, const Recipe& recipe, const StopRules& rules, const NetSpec& spec = tiny_net()) {
  const DataSource data = tiny_source();
  auto run = RunFolder::create(folder.path);
  Progress progress({ProgressMode::kQuiet, false, 80});
  Trainer trainer(recipe, data, run.get(), &progress, tiny_model(spec));
  trainer.begin(Json::object());
  run->commit(dump(recipe));
  return trainer.run(rules);
}

Outcome resume(const Folder& folder, const StopRules& rules) {
  const DataSource data = tiny_source();
  auto run = RunFolder::open(folder.path);
  Progress progress({ProgressMode::kQuiet, false, 80});
  NetCheckpoint checkpoint = load_net(run->last_checkpoint());
  const Recipe recipe = parse_recipe(checkpoint.info.recipe_toml, "checkpoint");
  run->open_log(checkpoint.state->log_bytes);
  Trainer trainer(recipe, data, run.get(), &progress, std::move(checkpoint));
  return trainer.run(rules);
}

StopRules stop_at(int64_t step) {
  StopRules rules;
  rules.max_steps = step;
  return rules;
}

}  // namespace

TEST_CASE("trainer: a run that is stopped and goes on is the run that was not, byte for byte") {
  for (const Overrides& o :
       {Overrides{},
        Overrides{{"optimizer.name", "sgd"}, {"optimizer.nesterov", "true"}, {"optimizer.weight_decay", "0.01"}}}) {
    const Recipe recipe = tiny_recipe(o);
    const Folder whole;
    REQUIRE(start(whole, recipe, {}) == Outcome::kFinished);
    for (int64_t step : {int64_t(1), int64_t(4), kSteps - 1, kSteps, kSteps + 1, 3 * kSteps - 1, 3 * kSteps}) {
      CAPTURE(step);
      const Folder parts;
      CHECK(start(parts, recipe, stop_at(step)) == (step == 3 * kSteps ? Outcome::kFinished : Outcome::kStopped));
      CHECK(resume(parts, {}) == Outcome::kFinished);
      check_equal(whole, parts);
    }
    const Folder steps;  // stopped after every single step
    start(steps, recipe, stop_at(1));
    for (int64_t step = 2; step <= 3 * kSteps; ++step) resume(steps, stop_at(step));
    check_equal(whole, steps);
  }
}

TEST_CASE(
    "trainer: scales that are learned, ranges that run and signs that are drawn go on as they were, byte for byte") {
  NetBuilder g(kSide, kSide, 1, kClasses);
  const ConvConfig c{.out_channels = 5, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  int x = g.unary(Kind::kRelu, "relu1", g.batch_norm("bn1", g.conv("conv1", g.input(), c)));
  x = g.unary(Kind::kRelu, "relu2", g.batch_norm("bn2", g.conv("conv2", x, c)));
  x = g.unary(Kind::kRelu, "relu3", g.conv("conv3", x, c));
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = kClasses});
  const NetSpec floats = g.build();
  const auto net = [&](const QuantSpec& weight, const QuantSpec& activation) {
    QuantRecipe recipe;
    recipe.weight = weight, recipe.activation = activation;
    return quantize(floats, recipe);
  };
  const QuantSpec drawn{.scheme = Scheme::kStochastic};
  const QuantSpec scaled{.scheme = Scheme::kUniform, .bits = 3, .scale = ScaleRule::kLearned};
  for (const NetSpec& spec : {net(drawn, drawn), net(scaled, {.scheme = Scheme::kTanh, .scale = ScaleRule::kMax}),
                              net(scaled, {.scheme = Scheme::kRelu, .scale = ScaleRule::kLearned})}) {
    const Recipe recipe = tiny_recipe();
    const Folder whole;
    REQUIRE(start(whole, recipe, {}, spec) == Outcome::kFinished);
    for (int64_t step : {int64_t(1), kSteps, kSteps + 2}) {
      const Folder parts;
      CHECK(start(parts, recipe, stop_at(step), spec) == Outcome::kStopped);
      CHECK(resume(parts, {}) == Outcome::kFinished);
      check_equal(whole, parts);
    }
  }
}

TEST_CASE("trainer: penalties that grow, relaxed and drawn weights go on as they were, byte for byte") {
  const Overrides grows = {{"penalty.ramp", "exponential"}, {"penalty.growth", "2"}, {"penalty.angle", "3"}};
  for (Overrides more : {Overrides{{"penalty.distance_l1", "2"}, {"penalty.distance_l2", "1"}},
                         Overrides{{"quant.lazy", "false"}, {"penalty.relax", "0.5"}},
                         Overrides{{"quant.lazy", "false"}, {"penalty.prox", "3"}, {"optimizer.name", "sgd"}}}) {
    more.insert(more.end(), grows.begin(), grows.end());
    const Recipe recipe = tiny_recipe(more);
    const Folder whole, steps;
    CHECK(start(whole, recipe, {}) == Outcome::kFinished);
    start(steps, recipe, stop_at(1));
    for (int64_t step = 2; step <= 3 * kSteps; ++step) resume(steps, stop_at(step));
    check_equal(whole, steps);
  }
}

TEST_CASE("trainer: a run that lost what came after its checkpoint repeats it exactly") {
  const Recipe recipe = tiny_recipe();
  const Folder whole, killed;
  start(whole, recipe, {});
  start(killed, recipe, stop_at(5));
  const std::string checkpoint = killed.text("last.safetensors");
  resume(killed, stop_at(12));  // past an epoch's end: log, best and confusion have changed
  atomic_write(killed.path + "/last.safetensors", checkpoint);  // as if it had been killed before it could save
  CHECK(resume(killed, {}) == Outcome::kFinished);
  check_equal(whole, killed);
  fs::remove(killed.path + "/curves.csv");  // as if it had died between the last checkpoint and the curves
  CHECK(resume(killed, {}) == Outcome::kFinished);
  check_equal(whole, killed);
}

TEST_CASE("trainer: an interruption at any moment, in evaluation too, loses nothing") {
  const Recipe recipe = tiny_recipe();
  const Folder whole;
  start(whole, recipe, {});
  for (int calls : {1, 6, 8, 9, 10}) {  // questions to interrupted(): 7 steps, 3 batches of evaluation, ...
    CAPTURE(calls);
    const Folder parts;
    int n = 0;
    StopRules rules;
    rules.interrupted = [&] { return ++n >= calls ? 2 : 0; };
    CHECK(start(parts, recipe, rules) == Outcome::kInterrupted);
    CHECK(resume(parts, {}) == Outcome::kFinished);
    check_equal(whole, parts);
  }
}

TEST_CASE(
    "trainer: updating each layer during backward and all of them after it write the same log and the same weights") {
  for (const char* optimizer : {"adam", "sgd"}) {
    const Overrides base = {{"train.clip_norm", "0"}, {"optimizer.name", optimizer}};
    Overrides on = base, off = base;
    on.push_back({"optimizer.fused_update", "on"});
    off.push_back({"optimizer.fused_update", "off"});
    const Folder along, after, automatic;
    start(along, tiny_recipe(on), {});
    start(after, tiny_recipe(off), {});
    start(automatic, tiny_recipe(base), {});
    for (const char* file : {"log.jsonl", "curves.csv", "confusion.csv"}) {
      CHECK((along.text(file) == after.text(file)));
      CHECK((along.text(file) == automatic.text(file)));
    }
    const NetCheckpoint a = load_net(along.path + "/last.safetensors"), b = load_net(after.path + "/last.safetensors");
    const auto ta = a.net->parameters.state_dict(), tb = b.net->parameters.state_dict();
    for (size_t i = 0; i < ta.size(); ++i) CHECK_MESSAGE(ta[i].tensor.values() == tb[i].tensor.values(), ta[i].name);
  }
}

TEST_CASE("trainer: neither threads nor the time between checkpoints change a byte") {
  const Folder one, two;
  set_threads(1);
  start(one, tiny_recipe({{"train.save_every_seconds", "0"}}), {});
  set_threads(2);
  start(two, tiny_recipe({{"train.save_every_seconds", "0"}}), {});
  set_threads(0);
  check_equal(one, two);
  const Folder often;
  start(often, tiny_recipe({{"train.save_every_seconds", "1e-9"}}), {});
  CHECK(often.text("log.jsonl") == one.text("log.jsonl"));
}

TEST_CASE("trainer: it learns what can be learnt, and the log says so without times") {
  const Folder folder;
  start(folder, tiny_recipe({{"train.epochs", "12"}}), {});
  const std::vector<EpochRecord> epochs = read_epochs(folder.path + "/log.jsonl");
  REQUIRE(epochs.size() == 12);
  CHECK(epochs.back().train_loss < 0.7 * epochs.front().train_loss);
  CHECK(epochs.back().top1 > 0.8);
  CHECK(epochs.back().top5 == 1.0);
  const std::string log = folder.text("log.jsonl");
  for (const char* word : {"second", "time", "thread", "host", "/tmp"}) CHECK(log.find(word) == std::string::npos);
  const std::string checkpoint = folder.text("last.safetensors");
  for (const char* word : {"thread\"", "host", folder.path.c_str()}) CHECK(checkpoint.find(word) == std::string::npos);
}

TEST_CASE("trainer: a loss that is not finite ends the run, names step and layer, and leaves the checkpoint") {
  const Recipe recipe = tiny_recipe({{"optimizer.lr", "1e38"}, {"optimizer.name", "sgd"}, {"train.clip_norm", "0"}});
  const Folder folder;
  try {
    start(folder, recipe, {});
    FAIL("no error");
  } catch (const NumericError& e) {
    const std::string what = e.what();
    CAPTURE(what);
    CHECK(what.find("step ") == 0);
    CHECK((what.find("first seen at") != std::string::npos || what.find("overflows") != std::string::npos));
    CHECK(what.find("the last checkpoint is untouched") != std::string::npos);
  }
  CHECK(load_net(folder.path).state->step == 0);
}

TEST_CASE(
    "trainer: a gradient that is not finite ends the run, also where layers behind were updated before, and nothing is "
    "lost") {
  for (const char* fused : {"on", "off"}) {
    CAPTURE(fused);
    const Recipe recipe = tiny_recipe({{"train.clip_norm", "0"}, {"optimizer.fused_update", fused}});
    const Folder whole, hit;
    start(whole, recipe, {});
    start(hit, recipe, stop_at(3));
    std::map<std::string, std::string> before;
    for (const char* file : {"last.safetensors", "log.jsonl"}) before[file] = hit.text(file);
    {
      const DataSource data = tiny_source();
      auto run = RunFolder::open(hit.path);
      Progress progress({ProgressMode::kQuiet, false, 80});
      NetCheckpoint checkpoint = load_net(run->last_checkpoint());
      run->open_log(checkpoint.state->log_bytes);
      Trainer trainer(recipe, data, run.get(), &progress, std::move(checkpoint));
      // A norm whose slope is beyond f32: its sign, and so the loss, is finite, the gradient before it is not.
      Tensor& gamma = trainer.net().parameters.find("bn1.weight")->value;
      for (int64_t k = 0; k < gamma.size(); ++k) gamma.mutable_data<float>()[k] = 3e38f;
      const std::vector<double> behind = trainer.net().parameters.find("fc.weight")->value.values();
      const std::string error = error_text<NumericError>([&] { trainer.run({}); });
      CAPTURE(error);
      CHECK(error.find("step 4: the gradient's norm is ") == 0);
      CHECK(error.find("first seen at ") != std::string::npos);
      CHECK(error.find("1.weight") != std::string::npos);  // of conv1 or bn1
      CHECK(error.find("gradients are not finite") != std::string::npos);
      CHECK(error.find("the last checkpoint is untouched") != std::string::npos);
      const bool updated = trainer.net().parameters.find("fc.weight")->value.values() != behind;
      CHECK(updated == (std::string(fused) == "on"));
    }
    for (const auto& kept : before) CHECK_MESSAGE(hit.text(kept.first) == kept.second, kept.first);
    CHECK(resume(hit, {}) == Outcome::kFinished);
    check_equal(whole, hit);
  }
}

TEST_CASE("trainer: a step allocates nothing, its batch included, once some have been taken") {
  if (!HeapCount::works()) {
    MESSAGE("nothing is counted in this build");
    return;
  }
  const DataSource data = {tiny_data(400, 1), tiny_data(20, 2), "test"};
  for (const int n : {1, 2})
    for (const char* fused : {"on", "off"}) {
      CAPTURE(n);
      CAPTURE(fused);
      set_threads(n);
      const Folder folder;
      auto run = RunFolder::create(folder.path);
      Progress progress({ProgressMode::kQuiet, false, 80});
      Trainer trainer(
          tiny_recipe({{"train.log_every", "0"}, {"train.clip_norm", "0"}, {"optimizer.fused_update", fused}}), data,
          run.get(), &progress, tiny_model());
      wake_all_threads();
      std::optional<HeapCount> heap;
      int steps = 0;
      StopRules rules;
      rules.max_steps = 40;
      rules.interrupted = [&] {  // after each step
        if (++steps == 10) heap.emplace();
        if (steps == 30) {
          CHECK(heap->ours() == 0);
          CHECK(heap->of_tbb() == 0);
          heap.reset();
        }
        return 0;
      };
      CHECK(trainer.run(rules) == Outcome::kStopped);
      CHECK(steps == 40);
    }
  set_threads(0);
}

TEST_CASE("trainer: what cannot go on is refused") {
  const Recipe recipe = tiny_recipe();
  const Folder folder;
  start(folder, recipe, {});
  Progress progress({ProgressMode::kQuiet, false, 80});
  const DataSource data = tiny_source();
  CHECK_THROWS_WITH_AS(Trainer(recipe, data, nullptr, &progress, load_net(folder.path + "/best.safetensors")),
                       doctest::Contains("--init"), UsageError);
  const DataSource other = {tiny_data(kTrainImages, 9), tiny_data(20, 2), "test"};
  CHECK_THROWS_WITH_AS(Trainer(recipe, other, nullptr, &progress, load_net(folder.path)),
                       doctest::Contains("training images are not those"), UsageError);
}

TEST_CASE("trainer: a penalty and a clip of latent weights are keys of the recipe, and change what is trained") {
  const auto weights = [](const Overrides& more) {
    const Recipe recipe = tiny_recipe(more);
    const DataSource data = tiny_source();
    const Folder folder;
    auto run = RunFolder::create(folder.path);
    Progress progress({ProgressMode::kQuiet, false, 80});
    auto net = std::make_unique<Net>(tiny_net());
    net->parameters.initialize(1);
    Trainer trainer(recipe, data, run.get(), &progress, std::move(net));
    trainer.begin(Json::object({}));
    trainer.run({});
    std::map<std::string, double> largest, sums;
    for (const Parameter* p : trainer.net().parameters.all())
      for (double v : p->value.values()) {
        largest[p->name] = std::max(largest[p->name], std::abs(v));
        sums[p->name] += std::abs(v);
      }
    return std::pair(largest, sums);
  };
  const auto plain = weights({}), clipped = weights({{"train.clip_latent", "0.125"}}),
             sparse = weights({{"train.l1", "0.05"}, {"train.clip_norm", "0"}, {"optimizer.fused_update", "on"}});
  CHECK(plain.first.at("conv2.weight") > 0.125);
  CHECK(clipped.first.at("conv2.weight") == 0.125);
  CHECK(clipped.first.at("conv1.weight") > 0.125);  // real weights are not latent
  CHECK(sparse.second.at("fc.weight") < 0.9 * plain.second.at("fc.weight"));
  const Recipe recipe = tiny_recipe({{"train.clip_latent", "1"}});
  NetBuilder g(2, 2, 1, 3);
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", g.input()), {.out_features = 3});
  Net real(g.build());
  CHECK_THROWS_WITH_AS(RecipeTraining(recipe, &real),
                       "train.clip_latent has no effect: latent clip: no layer of the net is quantized", UsageError);
}

TEST_CASE("trainer: penalties draw real weights to the codebook, frozen weights stay, and the log tells the cosine") {
  const DataSource data = tiny_source();
  const auto trained = [&](const Overrides& overrides, std::vector<EpochRecord>* epochs) {
    const Folder folder;
    auto run = RunFolder::create(folder.path);
    Progress progress({ProgressMode::kQuiet, false, 80});
    Trainer trainer(tiny_recipe(overrides), data, run.get(), &progress, tiny_model());
    const std::vector<double> before = trainer.net().parameters.find("conv2.weight")->value.values();
    trainer.begin(Json::object({}));
    trainer.run({});
    *epochs = read_epochs(run->file("log.jsonl"));
    return std::pair(before, trainer.net().parameters.find("conv2.weight")->value.values());
  };
  std::vector<EpochRecord> plain, angle, prox, frozen;
  const auto moved = trained({}, &plain);
  CHECK(moved.first != moved.second);
  trained({{"penalty.angle", "100"}, {"train.clip_norm", "0"}}, &angle);
  trained({{"quant.lazy", "false"}, {"penalty.prox", "20"}}, &prox);
  CHECK(angle.back().cosine > plain.back().cosine + 0.01);
  CHECK(prox.back().cosine > plain.back().cosine + 0.01);
  const auto kept = trained({{"train.freeze", "quantized"}}, &frozen);
  CHECK(kept.first == kept.second);
  CHECK(frozen.front().cosine == frozen.back().cosine);
  CHECK(frozen.back().train_loss != plain.back().train_loss);

  const auto refused = [](const Overrides& overrides) {
    return error_text<UsageError>([&] {
      auto net = tiny_model();
      RecipeTraining(tiny_recipe(overrides), net.get());
    });
  };
  // The weights that a relaxed pass put in are gone before any penalty looks at them.
  auto net = tiny_model();
  RecipeTraining relaxed(tiny_recipe({{"quant.lazy", "false"}, {"penalty.relax", "1"}, {"penalty.angle", "1"}}),
                         net.get());
  CHECK(std::string(relaxed.step().spec().hooks.front()->name()) == "relax");
  CHECK(refused({{"penalty.ramp", "linear"}}) == "penalty.ramp has no effect: no penalty has a weight that could grow");
  CHECK(refused({{"penalty.over", "vectors"}}) == "penalty.over has no effect: it goes with penalty.angle");
  CHECK(refused({{"penalty.relax", "1"}}) ==
        "penalty.relax goes with quant.lazy = false: it takes the gradient at weights that are not quantized");
  CHECK(refused({{"train.freeze", "quantized"}, {"penalty.angle", "1"}}) ==
        "train.freeze: [penalty] has no effect on weights that stay as they are");
  CHECK(refused({{"train.freeze", "quantized"}, {"quant.lazy", "false"}}) ==
        "train.freeze goes with quant.lazy = true: norms must learn from what evaluation computes");
}

TEST_CASE("trainer: the memory that a dry run tells is the pool's high-water mark, loader included, within 2 %") {
  const Overrides penalties = {{"penalty.angle", "5"}, {"penalty.distance_l2", "1"}};
  const Overrides relaxed = {{"quant.lazy", "false"}, {"penalty.relax", "1"}};
  for (const auto& [fused, more] : {std::pair("on", Overrides()), std::pair("off", Overrides()),
                                    std::pair("on", penalties), std::pair("off", relaxed)}) {
    Overrides keys = {
        {"train.batch", "51"}, {"train.epochs", "2"}, {"train.clip_norm", "0"}, {"optimizer.fused_update", fused}};
    keys.insert(keys.end(), more.begin(), more.end());
    const Recipe recipe = tiny_recipe(keys);
    const size_t predicted = memory_report(recipe, tiny_net(), held_batches(recipe)).training.peak_bytes;
    const DataSource data = tiny_source();
    const Folder folder;
    auto run = RunFolder::create(folder.path);
    Progress progress({ProgressMode::kQuiet, false, 80});
    const size_t before = pool_stats().live_bytes;
    Trainer trainer(recipe, data, run.get(), &progress, tiny_model());
    reset_high_water();
    trainer.run(stop_at(1));
    const double measured = double(pool_stats().high_water_bytes - before);
    CAPTURE(measured);
    CHECK(double(predicted) == doctest::Approx(measured).epsilon(0.02));
  }
}

namespace {

struct Event {
  std::string name, cat;
  int64_t begin, end;  // ns
};

// The complete events of a trace by thread, in the order of the file. Times are microseconds of three decimals.
std::map<int64_t, std::vector<Event>> events_of(const std::string& file) {
  std::map<int64_t, std::vector<Event>> threads;
  const Json trace = Json::parse(read_text(file, 1 << 24));
  for (const Json& e : trace.at("traceEvents").as_array()) {
    if (e.at("ph").as_string() == "M") continue;
    CHECK(e.at("ph").as_string() == "X");
    CHECK(e.at("pid").as_int() == 1);
    const int64_t begin = std::llround(1e3 * e.at("ts").as_double()),
                  length = std::llround(1e3 * e.at("dur").as_double());
    threads[e.at("tid").as_int()].push_back({e.at("name").as_string(), e.at("cat").as_string(), begin, begin + length});
  }
  return threads;
}

// Paths of kinds "step/backward/conv" of events that nest; an event that crosses another's end is reported as such.
std::vector<std::string> nested(const std::vector<Event>& events) {
  std::vector<std::string> paths;
  std::vector<const Event*> open;
  for (const Event& e : events) {
    while (!open.empty() && open.back()->end <= e.begin) open.pop_back();
    if (e.end < e.begin || (!open.empty() && e.end > open.back()->end)) {
      paths.push_back("crosses: " + e.name);
      continue;
    }
    open.push_back(&e);
    std::string path;
    for (const Event* o : open) path += (path.empty() ? "" : "/") + (o == &e ? o->cat + ":" + o->name : o->cat);
    paths.push_back(path);
  }
  return paths;
}

}  // namespace

TEST_CASE("trainer: a run that is profiled is the run that was not, byte for byte, on one thread and on two") {
  const Recipe recipe = tiny_recipe();
  const Folder plain;
  const TempFolder folder;
  REQUIRE(start(plain, recipe, {}) == Outcome::kFinished);
  for (int count : {1, 2}) {
    set_threads(count);
    StepTrace trace(folder / "trace.json", 4);
    StopRules rules;
    rules.trace = &trace;
    const Folder profiled;
    REQUIRE(start(profiled, recipe, rules) == Outcome::kFinished);
    check_equal(plain, profiled);
    CHECK(trace.observed() == 4);
  }
  set_threads(0);
}

TEST_CASE(
    "trainer: events of a profile nest, and name phases and nodes, forward and backward, of the steps asked for") {
  const TempFolder folder;
  const std::string file = folder / "trace.json";
  for (const char* fused : {"off", "on"}) {
    set_threads(2);
    StepTrace trace(file, 5);
    CHECK(events_of(file).empty());  // a valid trace from the start
    StopRules rules;
    rules.trace = &trace;
    rules.max_steps = kSteps + 2;
    const Folder run;
    Overrides fusing{{"optimizer.fused_update", fused}};
    if (std::string(fused) == "on") fusing.push_back({"train.clip_norm", "0"});
    start(run, tiny_recipe(fusing), rules);
    set_threads(0);
    const auto threads = events_of(file);
    REQUIRE(threads.count(0));
    for (const auto& [tid, events] : threads)
      for (const std::string& path : nested(events)) CHECK_MESSAGE(path.find("crosses") == std::string::npos, path);
    const std::vector<std::string> paths = nested(threads.at(0));
    const auto times = [&](const std::string& path) { return std::count(paths.begin(), paths.end(), path); };
    for (int step : {4, 5, 6, 7, 8}) CHECK(times("step:step " + std::to_string(step)) == 1);
    CHECK(std::count_if(paths.begin(), paths.end(), [](const std::string& p) { return p.rfind("step:", 0) == 0; }) ==
          5);
    for (const char* phase : {"wait for data", "forward", "loss", "backward", "log"})
      CHECK_MESSAGE(times(std::string("step/") + phase + ":" + phase) == 5, phase);
    CHECK(times("step/checkpoint:checkpoint") == 1);  // of the epoch's end
    CHECK(times("step/evaluation:evaluation") == 1);
    for (const char* node : {"batch_norm:bn1", "batch_norm:bn2", "dropout:drop", "linear:fc"}) {
      CHECK_MESSAGE(times(std::string("step/forward/") + node) == 5, node);
      CHECK_MESSAGE(times(std::string("step/backward/") + node) == 5, node);
    }
    // These convolutions are cheap: each is run by the norm behind it, and made again in backward.
    for (const char* node : {"batch_norm/conv:conv1", "batch_norm/conv:conv2"}) {
      CHECK_MESSAGE(times(std::string("step/forward/") + node) == 5, node);
      CHECK_MESSAGE(times(std::string("step/backward/") + node) >= 5, node);
    }
    // Eight parameters, one update each where it goes along with the backward pass.
    CHECK(times("step/backward/optimizer:optimizer") == (std::string(fused) == "on" ? 5 * 8 : 0));
    CHECK(times("step/optimizer:optimizer") == (std::string(fused) == "on" ? 0 : 5));
    CHECK(threads.count(1));  // chunks of lane 0
    // Every chunk lies within some scope of its node.
    for (const auto& [tid, events] : threads)
      for (const Event& e : events) {
        if (tid == 0) continue;
        CHECK_MESSAGE(std::any_of(threads.at(0).begin(), threads.at(0).end(), [&](const Event& s) {
          return s.name == e.name && s.begin <= e.begin && e.end <= s.end;
        }), e.name);
      }
  }
}

TEST_CASE("trainer: a profile of a run that ends early holds the steps that were") {
  const Folder run;
  const TempFolder folder;
  StepTrace trace(folder / "trace.json", 9);
  StopRules rules;
  rules.trace = &trace;
  rules.max_steps = 3;
  REQUIRE(start(run, tiny_recipe(), rules) == Outcome::kStopped);
  CHECK(trace.observed() == 3);
  const auto threads = events_of(trace.file());
  REQUIRE(threads.count(0));
  CHECK(std::count_if(threads.at(0).begin(), threads.at(0).end(), [](const Event& e) { return e.cat == "step"; }) == 3);
}
