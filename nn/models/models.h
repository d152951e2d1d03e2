// The zoo: each function builds one float net as data. quantize() (nn/quantize.h) makes others of them.
#pragma once

#include <string>
#include <vector>

#include "nn/net_spec.h"

namespace bantam {

// How a torchvision ResNet begins.
enum class Stem : uint8_t {
  kImageNet,      // 7x7 stride 2, max pool 3x3 stride 2: a quarter of the input's side
  kTinyImageNet,  // 3x3 stride 1, max pool 3x3 stride 2: half of it [the thesis's ResNet-18 for Tiny ImageNet]
  kCifar,         // 3x3 stride 1 and no pool
};
constexpr const char* name_of(Stem stem) {
  switch (stem) {
    case Stem::kImageNet:
      return "imagenet";
    case Stem::kTinyImageNet:
      return "tiny-imagenet";
    case Stem::kCifar:
      return "cifar";
  }
  return nullptr;
}

// How the layers of a block follow one another, where the thesis has more than one order.
enum class Order : uint8_t {
  kStandard,   // activation, convolution, [pool], norm (thesis's nets); convolution, norm, ReLU (torchvision's)
  kHardtanh,   // the same with Hardtanh behind each norm: what BNNs of quickstart and VGG-11 are made of
  kReordered,  // convolution, ReLU, norm, and no ReLU behind a block's sum (torchvision's ResNets) [T 5.2]
};
constexpr const char* name_of(Order order) {
  switch (order) {
    case Order::kStandard:
      return "standard";
    case Order::kHardtanh:
      return "hardtanh";
    case Order::kReordered:
      return "reordered";
  }
  return nullptr;
}

struct ModelOptions {
  double width = 1.0;    // scales every hidden channel count, rounded to the nearest integer
  int64_t classes = 10;
  int64_t h = 28, w = 28, c = 1;  // input image
  Stem stem = Stem::kImageNet;    // of resnet18 and resnet50
  Order order = Order::kStandard;
};

// The README's first net, for 28x28 images: conv 3x3 s2 -> 32, norm, act; conv 3x3 -> 64, max pool, norm, act; conv 3x3
// -> 64, norm, act; linear. At most 6 million multiply-accumulates.
NetSpec quickstart_net(const ModelOptions& o);

// LeNet-5 with ReLU and max pooling: conv 5x5 pad 2 -> 6, conv 5x5 -> 16, linear 120, 84, classes.
NetSpec lenet(const ModelOptions& o);

// VGG-11 for 32x32 images [T 4.4]: 64 M 128 M 256 256 M 512 512 M 512 512 M, convolutions with bias, one linear layer.
// Order: act, conv, max pool, norm.
NetSpec vgg11(const ModelOptions& o);

// ResNet-14 for 32x32 images [T 4.4]: widths 64, 128, 256 times `width` (the thesis uses 1.25: 80, 160, 320), three
// stages of two basic blocks conv -> PReLU -> norm -> conv -> PReLU -> norm -> + residual, one slope a block.
NetSpec resnet14(const ModelOptions& o);

// torchvision's nets: its layers, its names, so that its weights load (docs/convert.md).
// ResNet-18, and ResNet-50 with the stride in conv2 of a bottleneck ("v1.5").
NetSpec resnet18(const ModelOptions& o);
NetSpec resnet50(const ModelOptions& o);
// VGG-11 without and with batch norm, for images from 32x32 on: adaptive average pool to 7x7, three linear layers,
// dropout. (vgg11 above is the thesis's net.)
NetSpec vgg11_torchvision(const ModelOptions& o);
NetSpec vgg11_bn(const ModelOptions& o);

struct NamedModel {
  const char* name;
  NetSpec (*build)(const ModelOptions& o);
  bool has_stem;
  std::vector<Order> orders;  // those that it can be built in
};
// "quickstart", "lenet", "vgg11", "resnet14", "resnet18", "resnet50", "vgg11-torchvision", "vgg11_bn"
const std::vector<NamedModel>& models();
std::vector<std::string> model_names();
// Throws Error listing the known models if there is none of that name.
NetSpec build_model(const std::string& name, const ModelOptions& o);

}  // namespace bantam
