#include "compress/post_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "compress/fold_norms.h"
#include "compress/net_checkpoint.h"
#include "compress/pack/pack.h"
#include "compress/pack/verify.h"
#include "core/autograd.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/compress/random_net.h"
#include "tests/core/error_text.h"
#include "tests/core/temp_folder.h"
#include "tests/core/tensors.h"
#include "tests/nn/net_calls.h"

using namespace bantam;

namespace {

constexpr int64_t kSize = 12, kClasses = 4, kImages = 24, kBatches = 2;

// Layers with and without a bias before their norms, grouped and depthwise ones, a norm behind a relu, one behind a
// layer that others read too, and a dense layer with a norm.
NetSpec small_net() {
  NetBuilder g(kSize, kSize, 3, kClasses);
  const auto conv = [](int64_t out, int64_t groups, bool bias) {
    return ConvConfig{.out_channels = out,
                      .kernel_h = 3,
                      .kernel_w = 3,
                      .pad_h = 1,
                      .pad_w = 1,
                      .groups = groups,
                      .bias = bias,
                      .weight = {}};
  };
  int x = g.batch_norm("bn1", g.conv("plain", g.input(), conv(8, 1, false)));
  x = g.batch_norm("bn2", g.conv("biased", g.unary(Kind::kRelu, "relu1", x), conv(8, 1, true)));
  x = g.batch_norm("bn3", g.conv("depthwise", g.unary(Kind::kRelu, "relu2", x), conv(8, 8, false)));
  x = g.batch_norm("behind", g.unary(Kind::kRelu, "relu3", x));
  const int both = g.conv("grouped", x, conv(8, 2, false));
  x = g.add("add", g.batch_norm("bn4", both), both);
  x = g.linear("dense", g.unary(Kind::kGlobalAvgPool, "pool", x), {.out_features = 16, .bias = true, .weight = {}});
  x = g.unary(Kind::kRelu, "relu4", g.batch_norm("bn5", x));
  g.linear("last", x, {.out_features = kClasses, .bias = true, .weight = {}});
  return g.build();
}

struct Images {
  Images() : bytes(Tensor::empty({kImages, kSize, kSize, 3}, DType::kU8)), table(Tensor::empty({3, 256})) {
    const NetSpec spec = small_net();
    for (int64_t i = 0; i < kImages; ++i) {
      const std::vector<uint8_t> image = random_image(spec, uint64_t(i) + 50);
      std::copy(image.begin(), image.end(), bytes.mutable_data<uint8_t>() + i * int64_t(image.size()));
    }
    std::copy(lut.begin(), lut.end(), table.mutable_data<float>());
  }
  Input batch(int64_t i) const {
    return {bytes.slice_outer(i * kImages / kBatches, (i + 1) * kImages / kBatches), table};
  }
  std::function<Input(int64_t)> batches() const {
    return [this](int64_t i) { return batch(i); };
  }
  Input all() const { return {bytes, table}; }
  const std::vector<float> lut = random_lut(3, 1);
  Tensor bytes, table;
};

// Trained for a few steps, so that norms know their inputs.
std::unique_ptr<Net> trained_net(const Images& images) {
  auto net = std::make_unique<Net>(small_net());
  net->parameters.initialize(3);
  auto adam = make_adam({{net->parameters.all(), 1, 0.0}}, {});
  std::vector<double> y;
  for (int64_t i = 0; i < kImages / kBatches; ++i) y.push_back(double(i * 7 % kClasses));
  for (int step = 0; step < 40; ++step) {
    const Tensor loss = cross_entropy(scores(*net, Context::training(0, step), images.batch(step % kBatches)),
                                      Tensor::of({kImages / kBatches}, y, DType::kI32));
    backward(loss);
    adam->step(1e-2);
    for (Parameter* p : net->parameters.all()) p->zero_grad();
  }
  return net;
}

Tensor scores_of(const Net& net, const Images& images) {
  const NoGrad off;
  return forward(net.plan, net.parameters, images.all(), {}).scores;
}
// The root of the mean squared difference, relative to that of b.
double difference(const Tensor& a, const Tensor& b) {
  double d = 0, size = 0;
  REQUIRE(a.shape() == b.shape());
  for (int64_t i = 0; i < b.size(); ++i) d += std::pow(a.at(i) - b.at(i), 2), size += b.at(i) * b.at(i);
  return std::sqrt(d / size);
}
std::map<std::string, Tensor> values_of(const Net& net, const Images& images) {
  const NoGrad off;
  std::map<std::string, Tensor> all;
  Context watch;
  watch.tap = [&](const NodeSpec& node, const Tensor& t) { all[node.name] = t.clone(); };
  (void)forward(net.plan, net.parameters, images.all(), watch);
  return all;
}
double squared_error(const Tensor& x, const MeasuredRange& r, int bits) {
  const int n = (1 << bits) - 1;
  const double step = (r.high - r.low) / n, zero = std::nearbyint(-r.low / step);
  double sum = 0;
  for (double v : x.values())
    sum += std::pow(v - step * std::min(std::max(std::nearbyint(v / step), -zero), n - zero), 2);
  return sum;
}

}  // namespace

TEST_CASE("fold_norms: the net scores as before, layers keep their names, norms that cannot be folded stay") {
  const Images images;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    std::unique_ptr<Net> net = trained_net(images);
    if (seed > 0) randomize(net.get(), seed);
    const std::unique_ptr<Net> folded = fold_norms(*net);
    CHECK(difference(scores_of(*folded, images), scores_of(*net, images)) < 1e-4);
    std::vector<std::string> names;
    for (const NodeSpec& node : folded->spec().nodes) names.push_back(node.name);
    CHECK(names == std::vector<std::string>{"input", "plain", "relu1", "biased", "relu2", "depthwise", "relu3",
                                            "behind", "grouped", "bn4", "add", "pool", "dense", "relu4", "last"});
    for (const char* layer : {"plain", "biased", "depthwise", "dense", "last"})
      CHECK(folded->parameters.find(std::string(layer) + ".bias"));
    CHECK_FALSE(folded->parameters.find("grouped.bias"));
  }
}

TEST_CASE("fold_norms: by hand: y = a (w x + b) + c") {
  for (bool bias : {false, true}) {
    NetBuilder g(1, 1, 1, 2);
    const int x =
        g.linear("fc", g.unary(Kind::kFlatten, "flat", g.input()), {.out_features = 2, .bias = bias, .weight = {}});
    g.batch_norm("bn", x, {.eps = 0.25});
    Net net(g.build());
    std::vector<NamedTensor> state = net.parameters.state_dict();
    for (NamedTensor& t : state) {
      const std::map<std::string, std::vector<double>> values = {
          {"fc.weight", {2, -3}}, {"fc.bias", {1, 4}},         {"bn.weight", {3, -1}},
          {"bn.bias", {0.5, 0}},  {"bn.running_mean", {1, 2}}, {"bn.running_var", {2, 0.75}}};
      t.tensor = Tensor::of(t.tensor.shape(), values.at(t.name));
    }
    (void)net.parameters.load_state_dict(state);
    // a = 3 / 1.5 and -1 / 1; c = 0.5 - 2 * 1 and 0 + 2.
    const std::unique_ptr<Net> folded = fold_norms(net);
    CHECK(folded->parameters.find("fc.weight")->value.values() == std::vector<double>{4, 3});
    CHECK(folded->parameters.find("fc.bias")->value.values() ==
          (bias ? std::vector<double>{0.5, -2} : std::vector<double>{-1.5, 2}));
    CHECK(folded->spec().nodes.size() == 3);
  }
  CHECK_THROWS_WITH_AS((void)fold_norms(Net(small_net(), DType::kF64)), "fold: the net is not f32", Error);
}

TEST_CASE("post training: 8 bits score nearly as floats do, and the fewer bits the farther off") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  const Tensor want = scores_of(*net, images);
  for (RangeRule rule : {RangeRule::kMinMax, RangeRule::kPercentile, RangeRule::kMse})
    for (bool correct : {false, true}) {
      CAPTURE(std::string(name_of(rule)));
      const auto off = [&](int bits) {
        const PostTraining how{.weight_bits = bits, .activation_bits = bits, .range = rule, .bias_correction = correct};
        return difference(scores_of(*quantize_after_training(*net, how, kBatches, images.batches()), images), want);
      };
      const double eight = off(8), six = off(6), three = off(3);
      CHECK(eight < 0.08);
      CHECK(six < 0.15);
      CHECK(eight < six);
      CHECK(six < three);
    }
}

TEST_CASE("post training: every layer is int with its channels' scales, but for a first or last that stays") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  for (bool ends : {false, true}) {
    const std::unique_ptr<Net> made = quantize_after_training(
        *net, {.weight_bits = 5, .activation_bits = 6, .first = ends, .last = ends}, kBatches, images.batches());
    int layers = 0;
    for (const NodeSpec& node : made->spec().nodes) {
      const QuantSpec* w = weight_quant(node);
      if (!w) continue;
      const bool kept = !ends && (node.name == "plain" || node.name == "last");
      CHECK(*w ==
            (kept ? QuantSpec{} : QuantSpec{.scheme = Scheme::kInt, .bits = 5, .granularity = Granularity::kChannel}));
      layers += !kept;
    }
    CHECK(layers == (ends ? 6 : 4));
  }
}

TEST_CASE("post training: minmax takes the ends, percentile leaves out what it says, mse errs no more than minmax") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  const std::unique_ptr<Net> real = fold_norms(*net);
  const std::map<std::string, Tensor> values = values_of(*real, images);
  const auto measure = [&](RangeRule rule, int bits) {
    std::vector<MeasuredRange> ranges;
    const PostTraining how{.activation_bits = bits, .range = rule, .percentile = 90, .bias_correction = false};
    (void)quantize_after_training(*net, how, kBatches, images.batches(), &ranges);
    return ranges;
  };
  for (int bits : {2, 4, 8}) {
    const std::vector<MeasuredRange> ends = measure(RangeRule::kMinMax, bits),
                                     some = measure(RangeRule::kPercentile, bits),
                                     best = measure(RangeRule::kMse, bits);
    REQUIRE(ends.size() == 6);
    for (size_t i = 0; i < ends.size(); ++i) {
      CAPTURE(ends[i].node);
      const std::vector<double> v = values.at(ends[i].node).values();
      const double least = std::min(0.0, *std::min_element(v.begin(), v.end()));
      const double largest = std::max(0.0, *std::max_element(v.begin(), v.end()));
      for (const MeasuredRange* r : {&ends[i], &some[i], &best[i]}) {
        CHECK(r->node == ends[i].node);
        CHECK(r->least == least);
        CHECK(r->largest == largest);
        CHECK(r->low <= 0);
        CHECK(r->high >= 0);
      }
      CHECK(ends[i].low == least);
      CHECK(ends[i].high == largest);
      // At most a tenth, and with one bin less more than that; a bin is a 2048th of the ends.
      const double bin = (largest - least) / 2048 * 1.001;
      double out = 0, with_one = 0;
      for (double x : v) {
        out += x < some[i].low - bin / 1000 || x > some[i].high + bin / 1000;
        with_one += x < some[i].low + (least < 0 ? bin : 0) || x > some[i].high - bin;
      }
      CHECK(out <= 0.1 * double(v.size()));
      CHECK(with_one >= 0.1 * double(v.size()));
      CHECK(squared_error(values.at(ends[i].node), best[i], bits) <=
            1.001 * squared_error(values.at(ends[i].node), ends[i], bits));
    }
  }
}

TEST_CASE("post training: the biases take the mean of each channel back, layer after layer") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  const std::unique_ptr<Net> real = fold_norms(*net);
  const std::map<std::string, Tensor> want = values_of(*real, images);
  double before = 0, after = 0;
  for (bool correct : {false, true}) {
    const PostTraining how{.weight_bits = 3, .activation_bits = 3, .bias_correction = correct};
    const std::unique_ptr<Net> made = quantize_after_training(*net, how, kBatches, images.batches());
    const std::map<std::string, Tensor> got = values_of(*made, images);
    for (const char* layer : {"plain", "biased", "depthwise", "grouped", "dense", "last"}) {
      CAPTURE(std::string(layer));
      const Tensor &a = got.at(layer), &b = want.at(layer);
      const int64_t c = a.dim(-1);
      double worst = 0, largest = 0;
      for (int64_t k = 0; k < c; ++k) {
        double sum = 0;
        for (int64_t i = k; i < a.size(); i += c) {
          sum += (a.at(i) - b.at(i)) * double(c) / double(a.size());
          largest = std::max(largest, std::fabs(b.at(i)));
        }
        worst = std::max(worst, std::fabs(sum));
      }
      if (correct) CHECK(worst <= 1e-5 * largest);
      (correct ? after : before) += worst / largest;
    }
    CHECK(!!made->parameters.find("grouped.bias") == correct);
  }
  CHECK(before > 100 * after);
}

TEST_CASE("post training: the result packs, verifies with 0 differing values, and comes back from its file") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  const TempFolder folder;
  for (int bits : {2, 4, 8})
    for (RangeRule rule : {RangeRule::kMinMax, RangeRule::kPercentile, RangeRule::kMse}) {
      CAPTURE(bits);
      CAPTURE(std::string(name_of(rule)));
      const std::unique_ptr<Net> made = quantize_after_training(
          *net, {.weight_bits = bits, .activation_bits = bits, .range = rule}, kBatches, images.batches());
      Verifier v(*made, std::make_unique<PackedModel>(pack(*made, {images.lut, {}, {}})));
      (void)v.add(images.all());
      CHECK(v.report().equal());
      CHECK(v.report().values > 1000);

      NetInfo info;
      info.spec = made->spec();
      info.mean = info.stddev = {0.5, 0.5, 0.5};
      info.class_names = {"a", "b", "c", "d"};
      save_net(folder / "int.safetensors", made->parameters, info);
      const NetCheckpoint loaded = load_net(folder / "int.safetensors");
      CHECK(to_json(loaded.net->spec()) == to_json(made->spec()));
      CHECK(same_tensor(scores_of(*loaded.net, images), scores_of(*made, images)));
    }
}

TEST_CASE("post training: the result can be trained further") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  const std::unique_ptr<Net> made =
      quantize_after_training(*net, {.weight_bits = 4, .activation_bits = 4}, kBatches, images.batches());
  const Tensor loss = cross_entropy(scores(*made, Context::training(0, 0), images.batch(0)),
                                    Tensor::zeros({kImages / kBatches}, DType::kI32));
  backward(loss);
  for (const Parameter* p : made->parameters.all()) {
    CAPTURE(p->name);
    REQUIRE(p->grad.defined());
    double sum = 0;
    for (double v : p->grad.values()) sum += std::fabs(v);
    CHECK(std::isfinite(sum));
    CHECK(sum > 0);
  }
}

TEST_CASE("post training: what cannot be quantized is refused by name") {
  const Images images;
  const std::unique_ptr<Net> net = trained_net(images);
  const auto error_of = [&](const Net& n, const PostTraining& how) {
    return error_text<Error>([&] { (void)quantize_after_training(n, how, kBatches, images.batches()); });
  };
  const std::unique_ptr<Net> made = quantize_after_training(*net, {}, kBatches, images.batches());
  CHECK(error_of(*made, {}) == "quantize: input.codes is quantized already");
  CHECK(error_of(*net, {.weight_bits = 1}) == "quantize: plain: int takes 2 to 8 bits, not 1");
  CHECK(error_of(*net, {.activation_bits = 9}) == "quantize: plain: int takes 2 to 8 bits, not 9");
  float* w = net->parameters.find("bn2.bias")->value.mutable_data<float>();
  w[3] = std::numeric_limits<float>::infinity();
  CHECK(error_of(*net, {}) == "quantize: relu2 has a value that is not finite");
  for (int i = 0; i < 8; ++i) w[i] = -1e6f;
  CHECK(error_of(*net, {}) == "quantize: relu2 is 0 for all images that were measured");
}

TEST_CASE("halve_weights: real weights take half the file; the net scores nearly as before, and packs bit for bit") {
  const Images images;
  const auto net = trained_net(images);
  const size_t whole = pack(*net, {images.lut, {}, {}}).size();
  for (Scheme half : {Scheme::kF16, Scheme::kBf16}) {
    const auto halved = halve_weights(*net, half);
    const double moved = difference(scores_of(*halved, images), scores_of(*net, images));
    CHECK(moved > 0);
    CHECK(moved < (half == Scheme::kF16 ? 0x1p-9 : 0x1p-6));
    const std::vector<uint8_t> file = pack(*halved, {images.lut, {}, {}});
    int64_t weights = 0;
    for (const NodeSpec& node : net->spec().nodes)
      if (weight_quant(node)) weights += net->parameters.find(node.name + ".weight")->value.size();
    CHECK(file.size() < whole - size_t(weights) * 2 * 9 / 10);
    Verifier v(*halved, std::make_unique<PackedModel>(file));
    (void)v.add(images.all());
    CHECK(v.report().equal());
    CHECK(error_text<Error>([&] { (void)halve_weights(*halved, half); }) ==
          "quantize: no layer of the net has real weights");
  }
}
