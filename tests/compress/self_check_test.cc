#include "compress/pack/self_check.h"

#include <doctest/doctest.h>

#include "tests/core/error_text.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

std::string error_of(const Net& model, const std::vector<uint8_t>& file, const PackOptions& options) {
  return error_text<Error>(
      [&] { check_packed(TrainedNet(model.plan, model.parameters), std::make_unique<PackedModel>(file), options); });
}

}  // namespace

TEST_CASE("self check: one value that differs is named with its tensor, how many values differ, and by how much") {
  NetBuilder g(1, 2, 1, 1);
  g.linear("fc", g.unary(Kind::kFlatten, "flat", g.input()), {.out_features = 1, .bias = false, .weight = {}});
  Net model(g.build());
  Parameter* weight = model.parameters.find("fc.weight");
  weight->value = Tensor::of({1, 2}, {1, 2});
  PackOptions options;
  for (int i = 0; i < 256; ++i) options.lut.push_back(float(i));
  options.test_image = {3, 4};
  const std::vector<uint8_t> file = pack(model, options);
  CHECK(error_of(model, file, options) == "accepted");
  weight->value = Tensor::of({1, 2}, {1, 2.5});
  // The image of zeros has no part in it; the one of 255s has the largest.
  CHECK(error_of(model, file, options) ==
        "pack: the packed net differs from the trained one at fc: 3 of 4 values, by up to 128 (on 4 images)");
}

TEST_CASE("self check: the test image, all 0 and all 255 are among the images") {
  NetBuilder g(1, 1, 1, 1);
  g.linear("fc", g.unary(Kind::kFlatten, "flat", g.input()), {.out_features = 1, .bias = false, .weight = {}});
  const Net model(g.build());
  PackOptions options;
  for (int i = 0; i < 256; ++i) options.lut.push_back(float(i));
  options.test_image = {123};
  const std::vector<uint8_t> file = pack(model, options);
  for (size_t byte : {123, 0, 255}) {
    CAPTURE(byte);
    PackOptions wrong = options;
    wrong.lut[byte] += 0.5f;  // the check's own table: only an image of this byte shows it
    CHECK(error_of(model, file, wrong) ==
          "pack: the packed net differs from the trained one at input: 1 of 4 values, by up to 0.5 (on 4 images)");
  }
}

TEST_CASE("self check: signs that differ are named at their tensor of bits") {
  NetBuilder g(1, 1, 1, 1);
  const int x = g.quantize("sign", g.conv("conv", g.input(), {.out_channels = 1, .weight = {}}));
  g.linear("fc", g.unary(Kind::kFlatten, "flat", x),
           {.out_features = 1, .bias = false, .weight = {Scheme::kSign, Surrogate::kIdentity}});
  Net model(g.build());
  Parameter* weight = model.parameters.find("conv.weight");
  weight->value = Tensor::full({1, 1, 1, 1}, 1);
  PackOptions options;
  for (int i = 0; i < 256; ++i) options.lut.push_back(float(i) - 127.5f);
  const std::vector<uint8_t> file = pack(model, options);
  weight->value = Tensor::full({1, 1, 1, 1}, -1);
  CHECK(error_of(model, file, options) ==
        "pack: the packed net differs from the trained one at sign: 4 of 4 values, by up to 2 (on 4 images)");
}

TEST_CASE("self check: a cheap net runs 4 images, one that takes 2e9 multiply-accumulates an image runs one") {
  CHECK(images_to_check(0) == 4);
  CHECK(images_to_check(500'000'000) == 4);
  CHECK(images_to_check(600'000'000) == 3);
  CHECK(images_to_check(1'814'000'000) == 1);
  CHECK(images_to_check(uint64_t(1) << 44) == 1);
}
