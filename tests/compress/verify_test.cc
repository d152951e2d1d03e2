#include "compress/pack/verify.h"

#include <doctest/doctest.h>

#include <cmath>

#include "compress/pack/pack.h"
#include "compress/pack/packed_file.h"
#include "compress/runtime/format.h"
#include "nn/models/models.h"
#include "tests/compress/random_net.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

// n random images as bytes, and as the net sees them.
struct Images {
  Images(const NetSpec& spec, const std::vector<float>& lut, int64_t n) {
    const auto& in = std::get<InputConfig>(spec.nodes[0].config);
    bytes = Tensor::empty({n, in.h, in.w, in.c}, DType::kU8);
    for (int64_t i = 0; i < n; ++i) {
      const std::vector<uint8_t> image = random_image(spec, uint64_t(i) + 50);
      std::copy(image.begin(), image.end(), bytes.mutable_data<uint8_t>() + i * int64_t(image.size()));
    }
    table = Tensor::empty({in.c, 256});
    std::copy(lut.begin(), lut.end(), table.mutable_data<float>());
  }
  Input input() const { return {bytes, table}; }
  Tensor bytes, table;
};

NetSpec small_bnn() { return cifar_net("vgg11", Form::kBnn, 0.125); }

}  // namespace

TEST_CASE("verify: packed zoo nets equal the evaluation forward, 0 differing values at every tensor") {
  for (const char* name : {"quickstart", "vgg11", "resnet14"})
    for (Form form : kForms) {
      CAPTURE(name);
      CAPTURE(name_of(form));
      ModelOptions o;
      if (std::string(name) != "quickstart") o.width = 0.125, o.h = o.w = 32, o.c = 3;
      Net model(in_form(name, form, o));
      randomize(&model, 21);
      const std::vector<float> lut = random_lut(o.c, 3);
      Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
      const Images images(model.spec(), lut, 5);
      const Verifier::Predictions p = v.add(images.input());
      CHECK(p.trained.size() == 5);
      CHECK(p.trained == p.packed);
      for (const VerifiedTensor& t : v.report().tensors) {
        CAPTURE(t.name);
        CHECK(t.differing == 0);
        CHECK(t.values == 5 * t.h * t.w * t.c);
      }
      CHECK(v.report().equal());
      CHECK(v.report().images == 5);
      CHECK(v.report().tensors.size() >= 4);
    }
}

TEST_CASE("verify: torchvision's ResNets and VGGs, packed, equal the evaluation forward, 0 differing values") {
  const struct {
    const char* name;
    int64_t side;
    Order order = Order::kStandard;
    Scheme scheme = Scheme::kNone;
  } nets[] = {
      {"resnet18", 32},
      {"resnet50", 32},
      {"resnet18", 32, Order::kReordered},
      {"resnet50", 32, Order::kReordered},
      {"resnet18", 32, Order::kReordered, Scheme::kSign},
      {"resnet50", 32, Order::kReordered, Scheme::kSign},
      {"vgg11-torchvision", 224},
      {"vgg11_bn", 224},
  };
  for (const auto& n : nets) {
    CAPTURE(std::string(n.name));
    CAPTURE(std::string(name_of(n.order)));
    QuantRecipe signs;
    signs.weight.scheme = signs.activation.scheme = n.scheme;
    Net model(
        quantize(build_model(n.name, {.width = 0.0625, .h = n.side, .w = n.side, .c = 3, .order = n.order}), signs));
    randomize(&model, 22);
    const std::vector<float> lut = random_lut(3, 4);
    Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
    const Images images(model.spec(), lut, 2);
    v.add(images.input());
    CHECK(v.report().equal());
    CHECK(v.report().images == 2);
  }
}

TEST_CASE("verify: 320 generated nets equal the evaluation forward, 0 differing values") {
  int64_t values = 0;
  for (uint64_t seed = 1000; seed < 1320; ++seed) {
    CAPTURE(seed);
    Net model(random_net(seed));
    randomize(&model, seed);
    const std::vector<float> lut = random_lut(std::get<InputConfig>(model.spec().nodes[0].config).c, seed);
    Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
    const Images images(model.spec(), lut, 2);
    (void)v.add(images.input());
    for (const VerifiedTensor& t : v.report().tensors) {
      CAPTURE(t.name);
      REQUIRE(t.differing == 0);
    }
    REQUIRE(v.report().equal());
    values += v.report().values;
  }
  MESSAGE(values, " values");
}

TEST_CASE("verify: a model that was trained on after packing is told apart, tensor by tensor") {
  Net model(small_bnn());
  randomize(&model, 4);
  const std::vector<float> lut = random_lut(3, 3);
  Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
  // One weight of the first layer, turned a little; one sign of a binary layer.
  model.parameters.all()[0]->value.mutable_data<float>()[0] += 0.5f;
  const Images images(model.spec(), lut, 3);
  (void)v.add(images.input());
  CHECK_FALSE(v.report().equal());
  CHECK(v.report().tensors[0].differing == 0);  // the input
  CHECK(v.report().tensors[1].differing > 0);
}

TEST_CASE("verify: a packed model of another net is refused") {
  Net model(small_bnn());
  randomize(&model, 4);
  Net other(in_form("quickstart", Form::kBnn));
  randomize(&other, 4);
  const std::vector<uint8_t> file = pack(other, {random_lut(1, 3), {}, {}});
  CHECK_THROWS_AS((void)Verifier(model, std::make_unique<PackedModel>(file)), Error);
}
