#include "nn/net_spec.h"

#include "core/tensor.h"
#include "nn/models/models.h"
#include "tests/fuzz/fuzz.h"
#include "tests/nn/forms.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  NetSpec net;
  try {
    net = net_spec_from_json(std::string(as_text(input)));
  } catch (const Error&) {
    return;
  }
  std::string text = to_json(net);
  FUZZ_CHECK(to_json(net_spec_from_json(text)) == text);
  FUZZ_CHECK(infer_shapes(net, 3).size() == net.nodes.size());
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  seed(as_bytes(to_json(lenet({}))));
  seed(as_bytes(to_json(in_form("quickstart", Form::kBnn))));
  seed(as_bytes(to_json(cifar_net("resnet14", Form::kBnn, 1))));
  // Every kind of node in one small net.
  NetBuilder g(8, 8, 3, 4);
  int x = g.conv("c", g.input(),
                 {.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .bias = true, .weight = {}});
  int y = g.batch_norm("bn", x);
  y = g.prelu("p", y, {.parameter = "p.weight"});
  y = g.quantize("q", y);
  y = g.conv("b", y,
             {.out_channels = 4,
              .kernel_h = 3,
              .kernel_w = 3,
              .pad_h = 1,
              .pad_w = 1,
              .weight = {Scheme::kSign, Surrogate::kClip},
              .pad_value = 1});
  y = g.input_scale("k", y, x, {.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1});
  y = g.add("add", y, x);
  y = g.mul("mul", y, x);
  y = g.concat("cat", {y, x});
  y = g.max_pool("mp", y);
  y = g.avg_pool("ap", y);
  y = g.adaptive_avg_pool("aap", y, {.out_h = 3, .out_w = 2});
  y = g.unary(Kind::kTanh, "tanh", y);
  y = g.unary(Kind::kSigmoid, "sigmoid", y);
  y = g.unary(Kind::kHardtanh, "hardtanh", y);
  y = g.unary(Kind::kHardSwish, "hard_swish", y);
  y = g.unary(Kind::kRelu, "relu", y);
  y = g.dropout("drop", y, {});
  y = g.unary(Kind::kFlatten, "flat", y);
  y = g.linear("fc", y, {.out_features = 4, .weight = {}});
  g.unary(Kind::kSoftmax, "softmax", y);
  seed(as_bytes(to_json(g.build())));
}

}  // namespace bantam
