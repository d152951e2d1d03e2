// One pass of a whole net on values from a file, everything that it computes into another: for comparison with another
// implementation at any size (bench/peers/same_nets.py).
//
//   build/bench/net_pass --net resnet18 [--weight none|sign] [--activation none|sign]
//                        [--order standard] [--stem imagenet] [--width 1] [--classes 1000] [--dtype f64|f32]
//                        [--mode train|eval] [--threads 2] IN.safetensors OUT.safetensors
//
// IN holds a state dict and "batch.x" [N,C,H,W], "batch.y" I64 [N]. OUT gets "logits" and "loss", and in training
// "grad.NAME" of every parameter and "after.NAME" of every running statistic, in the layouts of state dicts. Dropout
// draws from seed 0, step 0.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>

#include "core/checkpoint.h"
#include "core/named_enum.h"
#include "core/parallel.h"
#include "nn/models/models.h"
#include "nn/quantize.h"
#include "nn/weights_file.h"
#include "ops/loss.h"
#include "ops/shape.h"

using namespace bantam;

namespace {

template <class E>
E named(const std::string& name) {
  if (const auto e = from_name<E>(name)) return *e;
  throw Error("net_pass: " + name + "?");
}

void run(int argc, char** argv) {
  std::map<std::string, std::string> o = {
      {"net", ""},    {"stem", "imagenet"}, {"order", "standard"}, {"weight", "none"}, {"activation", "none"},
      {"width", "1"}, {"classes", "1000"},  {"dtype", "f64"},      {"mode", "train"},  {"threads", "2"}};
  int i = 1;
  for (; i + 1 < argc && std::string(argv[i]).rfind("--", 0) == 0; i += 2) {
    if (!o.count(argv[i] + 2)) throw Error(std::string("net_pass: ") + argv[i] + "?");
    o[argv[i] + 2] = argv[i + 1];
  }
  if (i + 2 != argc) throw Error("net_pass: IN OUT");
  set_threads(std::atoi(o["threads"].c_str()));
  const DType dtype = o["dtype"] == "f64" ? DType::kF64 : DType::kF32;
  const bool training = o["mode"] == "train";

  const WeightsFile file(SafeTensors::read(argv[i]), {{}, {"batch.x", "batch.y"}});
  const SafeTensors batch = SafeTensors::read(argv[i]);
  if (!batch.find("batch.x") || !batch.find("batch.y")) throw Error("net_pass: no batch.x, batch.y");
  const Tensor x = permute(tensor_of(*batch.find("batch.x"), argv[i]).to(dtype), {0, 2, 3, 1});
  const Tensor y = tensor_of(*batch.find("batch.y"), argv[i]);
  QuantRecipe quant;
  quant.weight.scheme = named<Scheme>(o["weight"]);
  quant.activation.scheme = named<Scheme>(o["activation"]);
  const NetSpec floats = build_model(o["net"], {.width = std::atof(o["width"].c_str()),
                                                .classes = std::atoll(o["classes"].c_str()),
                                                .h = x.dim(1),
                                                .w = x.dim(2),
                                                .c = x.dim(3),
                                                .stem = named<Stem>(o["stem"]),
                                                .order = named<Order>(o["order"])});
  Net net(quantize(floats, quant), dtype);
  std::fprintf(stderr, "%s\n", file.load(net.spec(), &net.parameters).text().c_str());

  Checkpoint out;
  const Tensor logits =
      forward(net.plan, net.parameters, x, training ? Context::training() : Context::evaluation()).scores;
  const Tensor loss = cross_entropy(logits, y);
  out.tensors["logits"] = logits.detach();
  out.tensors["loss"] = loss.detach();
  if (training) {
    backward(loss);
    for (const Parameter* p : net.parameters.all())
      out.tensors["grad." + p->name] = net.parameters.to_file_layout(p->name, p->grad);
    for (const NamedTensor& t : net.parameters.state_dict())
      if (!net.parameters.find(t.name)) out.tensors["after." + t.name] = t.tensor;
  }
  save_checkpoint(argv[i + 1], out);
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
