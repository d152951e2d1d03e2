#include "compress/pack/verify.h"

#include <doctest/doctest.h>

#include <cmath>

#include "compress/pack/pack.h"
#include "compress/pack/packed_file.h"
#include "compress/runtime/format.h"
#include "nn/models/models.h"
#include "tests/compress/random_net.h"

using namespace bantam;

namespace {

// n random images as bytes, and as the net sees them.
struct Images {
  Images(const NetSpec& spec, const std::vector<float>& lut, int64_t n) {
    const auto& in = std::get<InputConfig>(spec.nodes[0].config);
    x = Tensor::empty({n, in.h, in.w, in.c});
    for (int64_t i = 0; i < n; ++i) {
      const std::vector<uint8_t> image = random_image(spec, uint64_t(i) + 50);
      for (size_t j = 0; j < image.size(); ++j)
        x.mutable_data<float>()[size_t(i) * image.size() + j] = lut[j % size_t(in.c) * 256 + image[j]];
      bytes.insert(bytes.end(), image.begin(), image.end());
    }
  }
  std::vector<uint8_t> bytes;
  Tensor x;
};

NetSpec small_bnn() {
  ModelOptions o;
  o.form = Form::kBnn, o.width = 0.125, o.h = o.w = 32, o.c = 3;
  return vgg11(o);
}

}  // namespace

TEST_CASE("verify: packed zoo nets equal Model::forward in evaluation, 0 differing values at every tensor") {
  for (const char* name : {"quickstart", "vgg11", "resnet14"})
    for (Form form : {Form::kFloat, Form::kBinaryConnect, Form::kBnn}) {
      CAPTURE(name);
      CAPTURE(name_of(form));
      ModelOptions o;
      o.form = form;
      if (std::string(name) != "quickstart") o.width = 0.125, o.h = o.w = 32, o.c = 3;
      Model model(build_model(name, o));
      randomize(&model, 21);
      const std::vector<float> lut = random_lut(o.c, 3);
      Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
      const Images images(model.spec(), lut, 5);
      const Verifier::Predictions p = v.add(images.x, images.bytes.data());
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

TEST_CASE("verify: torchvision's ResNets and VGGs, packed, equal Model::forward in evaluation, 0 differing values") {
  const struct {
    const char* name;
    int64_t side;
  } nets[] = {{"resnet18", 32}, {"resnet50", 32}, {"vgg11-torchvision", 224}, {"vgg11_bn", 224}};
  for (const auto& n : nets) {
    CAPTURE(std::string(n.name));
    Model model(build_model(n.name, {.width = 0.0625, .h = n.side, .w = n.side, .c = 3}));
    randomize(&model, 22);
    const std::vector<float> lut = random_lut(3, 4);
    Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
    const Images images(model.spec(), lut, 2);
    v.add(images.x, images.bytes.data());
    CHECK(v.report().equal());
    CHECK(v.report().images == 2);
  }
}

TEST_CASE("verify: 240 generated nets equal Model::forward in evaluation, 0 differing values") {
  int64_t values = 0;
  for (uint64_t seed = 1000; seed < 1240; ++seed) {
    CAPTURE(seed);
    Model model(random_net(seed));
    randomize(&model, seed);
    const std::vector<float> lut = random_lut(std::get<InputConfig>(model.spec().nodes[0].config).c, seed);
    Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
    const Images images(model.spec(), lut, 2);
    (void)v.add(images.x, images.bytes.data());
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
  Model model(small_bnn());
  randomize(&model, 4);
  const std::vector<float> lut = random_lut(3, 3);
  Verifier v(model, std::make_unique<PackedModel>(pack(model, {lut, {}, {}})));
  // One weight of the first layer, turned a little; one sign of a binary layer.
  model.parameters()[0]->value.mutable_data<float>()[0] += 0.5f;
  const Images images(model.spec(), lut, 3);
  (void)v.add(images.x, images.bytes.data());
  CHECK_FALSE(v.report().equal());
  CHECK(v.report().tensors[0].differing == 0);  // the input
  CHECK(v.report().tensors[1].differing > 0);
}

TEST_CASE("verify: a packed model of another net is refused") {
  Model model(small_bnn());
  randomize(&model, 4);
  ModelOptions o;
  o.form = Form::kBnn;
  Model other(quickstart_net(o));
  randomize(&other, 4);
  const std::vector<uint8_t> file = pack(other, {random_lut(1, 3), {}, {}});
  CHECK_THROWS_AS((void)Verifier(model, std::make_unique<PackedModel>(file)), Error);
}
