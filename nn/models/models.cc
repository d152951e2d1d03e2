#include "nn/models/models.h"

#include <algorithm>

#include "core/error.h"
#include "nn/models/scaled.h"

namespace bantam {
namespace {

ConvConfig conv3x3(int64_t channels, int64_t stride) {
  ConvConfig c;
  c.out_channels = channels;
  c.kernel_h = c.kernel_w = 3;
  c.stride_h = c.stride_w = stride;
  c.pad_h = c.pad_w = 1;
  return c;
}

LinearConfig dense(int64_t features) { return {.out_features = features, .bias = true, .weight = {}}; }

}  // namespace

NetSpec quickstart_net(const ModelOptions& o) {
  const int64_t c1 = scaled(32, o.width), c2 = scaled(64, o.width);
  NetBuilder g(o.h, o.w, o.c, o.classes);
  int x = g.conv("conv1", g.input(), conv3x3(c1, 2));
  x = g.unary(Kind::kRelu, "act1", g.batch_norm("bn1", x));
  x = g.max_pool("pool2", g.conv("conv2", x, conv3x3(c2, 1)));
  x = g.unary(Kind::kRelu, "act2", g.batch_norm("bn2", x));
  x = g.batch_norm("bn3", g.conv("conv3", x, conv3x3(c2, 1)));
  x = g.unary(o.order == Order::kHardtanh ? Kind::kHardtanh : Kind::kRelu, "act3", x);  // the last layer is real
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), dense(o.classes));
  return g.build();
}

NetSpec lenet(const ModelOptions& o) {
  auto conv = [](int64_t channels, int64_t pad) {
    ConvConfig c;
    c.out_channels = channels;
    c.kernel_h = c.kernel_w = 5;
    c.pad_h = c.pad_w = pad;
    c.bias = true;
    return c;
  };
  NetBuilder g(o.h, o.w, o.c, o.classes);
  int x = g.conv("conv1", g.input(), conv(scaled(6, o.width), 2));
  x = g.max_pool("pool1", g.unary(Kind::kRelu, "relu1", x));
  x = g.conv("conv2", x, conv(scaled(16, o.width), 0));
  x = g.max_pool("pool2", g.unary(Kind::kRelu, "relu2", x));
  x = g.unary(Kind::kFlatten, "flatten", x);
  x = g.unary(Kind::kRelu, "relu3", g.linear("fc1", x, dense(scaled(120, o.width))));
  x = g.unary(Kind::kRelu, "relu4", g.linear("fc2", x, dense(scaled(84, o.width))));
  g.linear("fc3", x, dense(o.classes));
  return g.build();
}

NetSpec vgg11(const ModelOptions& o) {
  struct Layer {
    int64_t channels;
    bool pool;
  };
  const Layer layers[] = {{64, true},   {128, true}, {256, false}, {256, true},
                          {512, false}, {512, true}, {512, false}, {512, true}};
  NetBuilder g(o.h, o.w, o.c, o.classes);
  int x = g.input();
  for (int i = 1; const Layer& layer : layers) {
    const std::string n = std::to_string(i);
    if (i > 1) x = g.unary(Kind::kRelu, "act" + n, x);
    ConvConfig c = conv3x3(scaled(layer.channels, o.width), 1);
    c.bias = true;
    x = g.conv("conv" + n, x, c);
    if (layer.pool) x = g.max_pool("pool" + n, x);
    x = g.batch_norm("bn" + n, x);
    if (o.order == Order::kHardtanh) x = g.unary(Kind::kHardtanh, "hardtanh" + n, x);
    ++i;
  }
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), dense(o.classes));
  return g.build();
}

NetSpec resnet14(const ModelOptions& o) {
  NetBuilder g(o.h, o.w, o.c, o.classes);
  int64_t channels = scaled(64, o.width);
  int x = g.conv("conv1", g.input(), conv3x3(channels, 1));
  x = g.batch_norm("bn1", g.unary(Kind::kRelu, "relu1", x));
  for (int stage = 1; stage <= 3; ++stage) {
    const int64_t width = scaled(32ll << stage, o.width);
    for (int b = 0; b < 2; ++b) {
      const std::string n = "layer" + std::to_string(stage) + "." + std::to_string(b) + ".";
      const int64_t stride = stage > 1 && b == 0 ? 2 : 1;
      const PReluConfig slope{.slopes = 1, .init = 0.25, .parameter = n + "prelu"};
      const int a = g.unary(Kind::kRelu, n + "act1", x);  // read by conv1 and by the downsampling convolution
      int y =
          g.batch_norm(n + "bn1", g.prelu(n + "prelu1", g.conv(n + "conv1", a, conv3x3(width, stride)), slope));
      y = g.unary(Kind::kRelu, n + "act2", y);
      y = g.batch_norm(n + "bn2", g.prelu(n + "prelu2", g.conv(n + "conv2", y, conv3x3(width, 1)), slope));
      int shortcut = x;
      if (stride != 1 || channels != width) {
        ConvConfig c;
        c.out_channels = width;
        c.stride_h = c.stride_w = stride;
        shortcut = g.batch_norm(n + "downsample.1", g.conv(n + "downsample.0", a, c));
      }
      x = g.add(n + "add", y, shortcut);
      channels = width;
    }
  }
  x = g.unary(Kind::kGlobalAvgPool, "avgpool", g.unary(Kind::kRelu, "relu2", x));
  g.linear("fc", x, dense(o.classes));
  return g.build();
}

const std::vector<NamedModel>& models() {
  constexpr Order kStandard = Order::kStandard;
  static const std::vector<NamedModel> all = {
      {"quickstart", quickstart_net, false, {kStandard, Order::kHardtanh}},
      {"lenet", lenet, false, {kStandard}},
      {"vgg11", vgg11, false, {kStandard, Order::kHardtanh}},
      {"resnet14", resnet14, false, {kStandard}},
      {"resnet18", resnet18, true, {kStandard, Order::kReordered}},
      {"resnet50", resnet50, true, {kStandard, Order::kReordered}},
      {"vgg11-torchvision", vgg11_torchvision, false, {kStandard}},
      {"vgg11_bn", vgg11_bn, false, {kStandard}},
  };
  return all;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const NamedModel& m : models()) names.push_back(m.name);
  return names;
}

NetSpec build_model(const std::string& name, const ModelOptions& o) {
  std::string known;
  for (const NamedModel& m : models()) {
    if (name != m.name) {
      known += (known.empty() ? "" : ", ") + std::string(m.name);
      continue;
    }
    if (std::find(m.orders.begin(), m.orders.end(), o.order) == m.orders.end())
      throw Error(name + ": cannot be built in the order " + name_of(o.order));
    return m.build(o);
  }
  throw Error("model: no net named \"" + name + "\": there are " + known);
}

}  // namespace bantam
