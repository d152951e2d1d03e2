// torchvision's ResNets and VGGs, node for node. Names of nodes with parameters are those of its modules; the others
// only have to be unique.
#include <optional>
#include <string>

#include "nn/models/models.h"
#include "nn/models/scaled.h"

namespace bantam {

namespace {

ConvConfig window(int64_t channels, int64_t kernel, int64_t stride) {
  ConvConfig c;
  c.out_channels = channels;
  c.kernel_h = c.kernel_w = kernel;
  c.stride_h = c.stride_w = stride;
  c.pad_h = c.pad_w = kernel / 2;
  return c;
}

constexpr PoolConfig kPool3x3{.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1};

struct ResNet {
  bool bottleneck;  // 1x1, 3x3, 1x1 to four times the width; else 3x3, 3x3
  int blocks[4];
};

// x -> relu(f(x) + shortcut(x)); `width` is that of the 3x3 convolutions. Re-ordered, each convolution of f is followed
// by ReLU and norm instead of norm and ReLU, and nothing follows the sum: each input of a convolution has both signs.
int residual_block(NetBuilder& g, const std::string& n, int x, const ResNet& net, Order order, int64_t in,
                   int64_t width, int64_t out, int64_t stride) {
  const bool reordered = order == Order::kReordered;
  auto relu = [&](const std::string& i, int from) { return g.unary(Kind::kRelu, n + "relu" + i, from); };
  // The last one of f has its ReLU behind the sum in the standard order.
  auto layer = [&](const std::string& i, int from, const ConvConfig& c, bool last = false) {
    const int y = g.conv(n + "conv" + i, from, c);
    if (reordered) return g.batch_norm(n + "bn" + i, relu(i, y));
    const int normed = g.batch_norm(n + "bn" + i, y);
    return last ? normed : relu(i, normed);
  };
  int y;
  if (net.bottleneck) {
    y = layer("1", x, window(width, 1, 1));
    y = layer("2", y, window(width, 3, stride));
    y = layer("3", y, window(out, 1, 1), true);
  } else {
    y = layer("1", x, window(width, 3, stride));
    y = layer("2", y, window(out, 3, 1), true);
  }
  int shortcut = x;
  if (stride != 1 || in != out)
    shortcut = g.batch_norm(n + "downsample.1", g.conv(n + "downsample.0", x, window(out, 1, stride)));
  const int sum = g.add(n + "add", y, shortcut);
  return reordered ? sum : relu("", sum);
}

NetSpec resnet(const ResNet& net, const ModelOptions& o) {
  NetBuilder g(o.h, o.w, o.c, o.classes);
  int64_t channels = scaled(64, o.width);
  const ConvConfig first = o.stem == Stem::kImageNet ? window(channels, 7, 2) : window(channels, 3, 1);
  int x = g.conv("conv1", g.input(), first);
  x = o.order == Order::kReordered ? g.batch_norm("bn1", g.unary(Kind::kRelu, "relu", x))
                                   : g.unary(Kind::kRelu, "relu", g.batch_norm("bn1", x));
  if (o.stem != Stem::kCifar) x = g.max_pool("maxpool", x, kPool3x3);
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t width = scaled(64ll << stage, o.width), out = net.bottleneck ? 4 * width : width;
    for (int b = 0; b < net.blocks[stage]; ++b) {
      const std::string n = "layer" + std::to_string(stage + 1) + "." + std::to_string(b) + ".";
      x = residual_block(g, n, x, net, o.order, channels, width, out, stage > 0 && b == 0 ? 2 : 1);
      channels = out;
    }
  }
  x = g.unary(Kind::kGlobalAvgPool, "avgpool", x);
  g.linear("fc", x, {.out_features = o.classes, .bias = true, .weight = {}});
  return g.build();
}

NetSpec vgg(bool norms, const ModelOptions& o) {
  constexpr int64_t kPool = 0;
  constexpr int64_t kLayers[] = {64, kPool, 128, kPool, 256, 256, kPool, 512, 512, kPool, 512, 512, kPool};
  NetBuilder g(o.h, o.w, o.c, o.classes);
  g.init(Init::kSmallNormal);
  int x = g.input(), index = 0;
  auto feature = [&] { return "features." + std::to_string(index++); };
  for (int64_t channels : kLayers) {
    if (channels == kPool) {
      x = g.max_pool(feature(), x);
      continue;
    }
    ConvConfig c = window(scaled(channels, o.width), 3, 1);
    c.bias = true;
    x = g.conv(feature(), x, c);
    if (norms) x = g.batch_norm(feature(), x);
    x = g.unary(Kind::kRelu, feature(), x);
  }
  x = g.adaptive_avg_pool("avgpool", x, {.out_h = 7, .out_w = 7});
  x = g.unary(Kind::kFlatten, "flatten", x);
  index = 0;
  auto layer = [&] { return "classifier." + std::to_string(index++); };
  for (int i = 0; i < 2; ++i) {
    x = g.linear(layer(), x, {.out_features = scaled(4096, o.width), .bias = true, .weight = {}});
    x = g.unary(Kind::kRelu, layer(), x);
    x = g.dropout(layer(), x, {.p = 0.5});
  }
  g.linear(layer(), x, {.out_features = o.classes, .bias = true, .weight = {}});
  return g.build();
}

}  // namespace

NetSpec resnet18(const ModelOptions& o) { return resnet({false, {2, 2, 2, 2}}, o); }
NetSpec resnet50(const ModelOptions& o) { return resnet({true, {3, 4, 6, 3}}, o); }
NetSpec vgg11_torchvision(const ModelOptions& o) { return vgg(false, o); }
NetSpec vgg11_bn(const ModelOptions& o) { return vgg(true, o); }

}  // namespace bantam
