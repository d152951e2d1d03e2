// Trains a small binary net for 100 steps, saves it for the `bantam` program, packs it and runs what was packed.
// usage: train DATA OUT    (DATA: a folder of MNIST's or Fashion-MNIST's files; writes OUT.safetensors and OUT.bnt)
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>

#include "compress/evaluator.h"
#include "compress/net_checkpoint.h"
#include "compress/step/step.h"
#include "core/file.h"
#include "data/loader.h"
#include "nn/quantize.h"
#include "ops/loss.h"

using namespace bantam;

namespace {

// A float net is built node by node; quantize() makes its inner layers binary.
NetSpec binary_net(const Dataset& data) {
  NetBuilder g(data.h, data.w, data.c, data.classes());
  int x = g.conv("conv1", g.input(), {.out_channels = 32, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2});
  x = g.unary(Kind::kHardtanh, "act1", g.batch_norm("bn1", x));
  x = g.conv("conv2", x, {.out_channels = 64, .kernel_h = 3, .kernel_w = 3});
  x = g.unary(Kind::kHardtanh, "act2", g.batch_norm("bn2", g.max_pool("pool2", x)));
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = data.classes()});
  return quantize(g.build(), {.weight = {.scheme = Scheme::kSign, .surrogate = Surrogate::kIdentity},
                              .activation = {.scheme = Scheme::kSign, .surrogate = Surrogate::kClip}});
}

int count_right(Evaluator net, const Batch& batch) {
  const Tensor scores = net({batch.x, batch.byte_values});  // [N,classes]
  int right = 0;
  for (int64_t i = 0; i < batch.size(); ++i) {
    const float* row = scores.data<float>() + i * scores.dim(1);
    right += std::max_element(row, row + scores.dim(1)) - row == batch.y.data<int32_t>()[i];
  }
  return right;
}

void run(const std::string& folder, const std::string& out) {
  const Dataset images = open_dataset(folder, Split::kTrain), unseen = open_dataset(folder, Split::kTest);
  const NetInfo info = {
      .spec = binary_net(images), .mean = {0.29}, .stddev = {0.35}, .class_names = images.class_names};

  Net net(info.spec);
  net.parameters.initialize(/*seed=*/1);
  const std::unique_ptr<Optimizer> adam = make_adam({{.parameters = net.parameters.all()}}, {});
  const auto loss = [](const Outputs& outputs, const Tensor& labels, std::span<const Outputs>) {
    return cross_entropy(outputs.scores, labels);
  };
  TrainingStep step(&net.parameters, adam.get(), {.passes = {{.plan = &net.plan, .loss = loss}}});
  Loader loader(images, {.batch = 64, .shuffle = true, .mean = info.mean, .std = info.stddev});
  for (int64_t i = 0; i < 100; ++i) {
    const Batch& batch = loader.next();
    const StepReport report = step({batch.x, batch.byte_values}, batch.y, i, /*lr=*/0.01);
    if (i % 33 == 0) std::printf("step %3d  loss %.3f\n", int(i), report.loss);
  }

  save_net(out + ".safetensors", net.parameters, info);
  const NetCheckpoint loaded = load_net(out + ".safetensors");
  const Bytes file = pack(*loaded.net, pack_options(loaded.info));
  atomic_write(out + ".bnt", as_text(file));

  PackedModel packed(file);
  const Batch test = Batcher(unseen, {.batch = 1000, .mean = info.mean, .std = info.stddev, .bytes = true}).make(0, 0);
  std::printf("of 1000 test images the net has %d right, packed to %zu bytes %d\n",
              count_right(Evaluator(loaded.net->plan, loaded.net->parameters), test), file.size(),
              count_right(Evaluator(packed), test));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: train DATA OUT\n"), 2;
  try {
    run(argv[1], argv[2]);
  } catch (const std::exception& e) {  // each says what went wrong, and with which file or node
    return std::fprintf(stderr, "train: %s\n", e.what()), 1;
  }
}
