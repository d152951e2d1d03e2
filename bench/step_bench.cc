// Whole training steps on demand: one for each line on standard input, answered with its milliseconds. A driver
// (bench/peers/step_time.py) can so alternate them with another engine's in one run, on a machine whose speed wanders.
//
//   build/bench/step_bench [--net vgg11] [--form float] [--width 1] [--batch 128] [--threads 2] [--optimizer sgd|adam] [--update along|after]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "core/parallel.h"
#include "core/rng.h"
#include "nn/model.h"
#include "nn/models/models.h"
#include "ops/loss.h"
#include "optim/optimizer.h"

using namespace bantam;

namespace {

std::map<std::string, std::string> parse(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"net", "vgg11"},   {"form", "float"}, {"width", "1"},
                                                {"batch", "128"},   {"threads", "2"},  {"optimizer", "sgd"}, {"update", "along"}};
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0 || !options.count(name.substr(2)) || i + 1 == argc) throw Error("step_bench: " + name + "?");
    options[name.substr(2)] = argv[i + 1];
  }
  return options;
}

Form form_of(const std::string& name) {
  for (Form f : {Form::kFloat, Form::kBinaryConnect, Form::kBnn})
    if (name == name_of(f)) return f;
  throw Error("step_bench: no form " + name);
}

void run(int argc, char** argv) {
  auto o = parse(argc, argv);
  set_threads(std::atoi(o["threads"].c_str()));
  const int64_t batch = std::atoll(o["batch"].c_str());
  const bool gray = o["net"] == "lenet" || o["net"] == "quickstart";
  const int64_t side = gray ? 28 : 32, channels = gray ? 1 : 3;
  Model model(build_model(o["net"], {.form = form_of(o["form"]), .width = std::atof(o["width"].c_str()), .h = side, .w = side, .c = channels}));
  model.initialize(0);
  ParameterGroup group;
  group.parameters = model.parameters();
  const auto optimizer = o["optimizer"] == "adam" ? make_adam({group}, {}) : make_sgd({group}, {.momentum = 0.9});

  Tensor x = Tensor::empty({batch, side, side, channels}), y = Tensor::empty({batch}, DType::kI32);
  const Rng rng(0, kRngTest);
  for (int64_t i = 0; i < x.size(); ++i) x.mutable_data<float>()[i] = 3.46f * (rng.uniform(uint64_t(i)) - 0.5f);
  for (int64_t i = 0; i < batch; ++i) y.mutable_data<int32_t>()[i] = int32_t(rng.below(uint64_t(i), 10));

  for (int c; (c = std::getchar()) != EOF;) {
    if (c != '\n') continue;
    const auto start = std::chrono::steady_clock::now();
    for (Parameter* p : model.parameters()) p->zero_grad();
    const Tensor loss = cross_entropy(model.forward({.training = true}, x), y);
    if (o["update"] == "along") {  // as the trainer does where no clipping needs all gradients at once
      optimizer->begin_step();
      backward({loss}, {}, [&](Parameter& p) {
        optimizer->update(p, 1e-4);
        p.zero_grad();
      });
    } else {
      backward(loss);
      optimizer->step(1e-4);
    }
    std::printf("%.3f\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
