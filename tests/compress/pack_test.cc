#include "compress/pack/pack.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "compress/pack/lower.h"
#include "compress/pack/packed_file.h"
#include "compress/pack/weights.h"
#include "compress/runtime/reader.h"
#include "core/named_enum.h"
#include "core/rng.h"
#include "nn/models/models.h"
#include "tests/compress/golden_net.h"
#include "tests/compress/pack_compare.h"
#include "tests/compress/random_net.h"
#include "tests/core/error_text.h"
#include "tests/effort.h"
#include "tests/nn/forms.h"
#include "tests/nn/hard_swish_net.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

// What the integer comparisons of a file look like: ops that make bits so, those with a pool, channels whose pool is an
// AND; ops that make codes, those with a pool, channels whose pool takes the least; and channels.
struct ThresholdCount {
  int ops = 0, pooled = 0, ands = 0;
  int code_ops = 0, code_pooled = 0, leasts = 0, code_falls = 0;
  int64_t intervals = 0, flips = 0, constants = 0;

  void operator+=(const ThresholdCount& o) {
    ops += o.ops, pooled += o.pooled, ands += o.ands;
    code_ops += o.code_ops, code_pooled += o.code_pooled, leasts += o.leasts, code_falls += o.code_falls;
    intervals += o.intervals, flips += o.flips, constants += o.constants;
  }
};
ThresholdCount count_thresholds(const std::vector<uint8_t>& file) {
  ThresholdCount n;
  const Reader m(file.data(), file.size());
  for (uint32_t i = 0; i < m.header().n_ops; ++i) {
    const OpRecord op = m.op(i);
    if (!op.thresholds) continue;
    const Elements out = m.output_elements(op);
    const bool pooled = op.n_stages == 1, bits = out.type == Type::kBits;
    ++(bits ? n.ops : n.code_ops);
    (bits ? n.pooled : n.code_pooled) += pooled;
    const uint8_t *lo = &file[op.thresholds], *hi = lo + op.k * 4, *masks = lo + threshold_masks(op.k, out);
    const auto bit = [&](uint32_t c, size_t which) {
      return masks[which * words_for(op.k) * 8 + c / 8] >> (c % 8) & 1;
    };
    for (uint32_t c = 0; c < op.k; ++c) {
      if (!bits) {
        n.code_falls += bit(c, 0);
        if (pooled) n.leasts += bit(c, 1);
        continue;
      }
      const int32_t l = int32_t(load_le32(lo + 4 * c)), u = int32_t(load_le32(hi + 4 * c));
      n.constants += l > u;
      n.intervals += l <= u && u != INT32_MAX;
      n.flips += bit(c, 0);
      if (pooled) n.ands += bit(c, 1);
    }
  }
  return n;
}

// How many stages of a kind a file has.
int count_stages(const std::vector<uint8_t>& file, StageKind kind) {
  const Header h = read_record<Header>(file.data());
  int n = 0;
  for (uint32_t i = 0; i < h.n_stages; ++i)
    n += read_record<StageRecord>(&file[places_of(h).stages + i * StageRecord::kBytes]).kind == uint8_t(kind);
  return n;
}

// Adds a node of this kind behind x, which has c channels of 6x5 pixels. `other` has x's shape.
int add_node(NetBuilder* g, Kind kind, int x, int64_t c, int other) {
  const std::string name = "it";
  switch (kind) {
    case Kind::kInput: return x;  // the net has its one
    case Kind::kConv: return g->conv(name, x, {.out_channels = c, .kernel_h = 3, .kernel_w = 2, .weight = {}});
    case Kind::kLinear: return g->linear(name, g->unary(Kind::kFlatten, "flat", x), {.out_features = c, .weight = {}});
    case Kind::kBatchNorm: return g->batch_norm(name, x);
    case Kind::kPRelu: return g->prelu(name, x, {.slopes = c, .parameter = name});
    case Kind::kMaxPool: return g->max_pool(name, x);
    case Kind::kAvgPool: return g->avg_pool(name, x);
    case Kind::kAdaptiveAvgPool: return g->adaptive_avg_pool(name, x, {.out_h = 6, .out_w = 5});
    case Kind::kAdd: return g->add(name, x, other);
    case Kind::kMul: return g->mul(name, x, other);
    case Kind::kConcat: return g->concat(name, {x, other});
    case Kind::kQuantize: return g->quantize(name, x);
    case Kind::kInputScale:
      return g->input_scale(name, x, other, {});
    case Kind::kDropout: return g->dropout(name, x, {.p = 0.5});
    case Kind::kRelu:
    case Kind::kHardtanh:
    case Kind::kHardSwish:
    case Kind::kSigmoid:
    case Kind::kTanh:
    case Kind::kSoftmax:
    case Kind::kGlobalAvgPool:
    case Kind::kFlatten: return g->unary(kind, name, x);
  }
  throw Error("add_node: no such kind");
}

// Where a node stands: behind a convolution that nobody else reads, behind one that a second branch reads, or between
// a binary convolution and a sign.
enum class Place { kInChain, kAlone, kBeforeSign };
NetSpec net_with(Kind kind, Place place) {
  constexpr int64_t kChannels = 70;
  ConvConfig same;
  same.out_channels = kChannels, same.kernel_h = same.kernel_w = 3, same.pad_h = same.pad_w = 1, same.bias = true;
  ConvConfig binary = same;
  binary.weight = {Scheme::kSign, Surrogate::kIdentity};
  NetBuilder g(6, 5, 3, 4);
  const auto head = [&](const std::string& name, int x, bool flat) {
    if (!flat) x = g.unary(Kind::kGlobalAvgPool, name + ".mean", x);
    return g.linear(name, x, {.out_features = 4, .weight = {}});
  };
  const bool flat = kind == Kind::kLinear || kind == Kind::kGlobalAvgPool || kind == Kind::kFlatten;
  const int other = g.conv("other", g.input(), same);
  int x = g.conv("before", g.input(), same);
  if (place == Place::kBeforeSign) x = g.conv("binary", g.quantize("signs", x), binary);
  const int it = add_node(&g, kind, x, kChannels, other);
  const int y = place == Place::kBeforeSign ? g.quantize("sign", it) : it;
  const int scores = head("fc", y, flat);
  g.add("scores", scores, head("fc2", place == Place::kAlone ? x : other, false));
  return g.build();
}

std::string error_of(const NetSpec& spec) {
  Net model(spec);
  model.parameters.initialize(1);
  return error_text<Error>(
      [&] { (void)pack(model, {random_lut(std::get<InputConfig>(spec.nodes[0].config).c, 1), {}, {}}); });
}

}  // namespace

TEST_CASE("pack: the quickstart net equals its evaluation forward at every tensor, bit for bit") {
  for (Form form : kForms) {
    const Comparison r = pack_and_compare(in_form("quickstart", form), 3, 3);
    CAPTURE(r.first);
    CHECK(r.differing == 0);
    CHECK(r.tensors >= 4);
    CHECK((r.bit_tensors > 0) == (form == Form::kBnn));
  }
}

TEST_CASE("pack: LeNet, VGG-11 and ResNet-14, narrow, equal their evaluation forward bit for bit") {
  CHECK(pack_and_compare(lenet({}), 4).differing == 0);
  for (Form form : kForms) {
    const Comparison vgg = pack_and_compare(cifar_net("vgg11", form, 0.125), 5),
                     resnet = pack_and_compare(cifar_net("resnet14", form, 0.125), 6);
    CAPTURE(vgg.first);
    CAPTURE(resnet.first);
    CHECK(vgg.differing == 0);
    CHECK(resnet.differing == 0);
  }
}

TEST_CASE("pack: all binary layers of VGG-11 whose result is signed again become integer comparisons") {
  Net model(cifar_net("vgg11", Form::kBnn, 0.125));
  randomize(&model, 5);
  // Seven binary convolutions; the last one's Hardtanh feeds the linear layer as floats.
  CHECK(count_thresholds(pack(model, {random_lut(3, 1), {}, {}})).ops == 6);
}

TEST_CASE(
    "pack: 600 generated nets (all codebooks, signs of gamma, slopes, paddings, odd channels) equal the reference, 0 "
    "differences") {
  int64_t values = 0, tensors = 0, bits = 0, codes = 0, nets = 0;
  ThresholdCount all;
  int swishes = 0;
  constexpr int64_t kNets = kWatched ? 60 : 600;
  for (uint64_t seed = 0; seed < kNets; ++seed) {
    CAPTURE(seed);
    const NetSpec spec = random_net(seed);
    Net model(spec);
    randomize(&model, seed);
    const std::vector<float> lut = random_lut(std::get<InputConfig>(spec.nodes[0].config).c, seed);
    const std::vector<uint8_t> file = pack(model, {lut, {}, {}});
    PackedModel packed(file);
    const Comparison r = compare(model, packed, random_image(spec, seed), lut);
    CAPTURE(r.first);
    REQUIRE(r.differing == 0);
    ++nets;
    values += r.values, tensors += r.tensors, bits += r.bit_tensors, codes += r.code_tensors;
    swishes += count_stages(file, StageKind::kHardSwish);
    all += count_thresholds(file);
  }
  CHECK(nets == kNets);
  MESSAGE(nets, " nets, ", tensors, " tensors (", bits, " of bits, ", codes, " of codes), ", values, " values, ",
          all.ops, " ops on thresholds (", all.pooled, " pooled), channels: ", all.intervals, " intervals, ", all.flips,
          " flips, ", all.constants, " constants, ", all.ands, " ANDs; ", all.code_ops,
          " ops on thresholds for codes (", all.code_pooled, " pooled), channels: ", all.code_falls, " fall, ",
          all.leasts, " take the least");
  if (kWatched) return;
  // The generator does reach every kind of comparison.
  CHECK(all.ops > 80);
  CHECK(all.pooled > 20);
  CHECK(all.ands > 100);
  CHECK(all.intervals > 80);
  CHECK(all.flips > 500);
  CHECK(all.constants > 100);
  CHECK(all.code_ops > 100);
  CHECK(all.code_pooled > 12);
  CHECK(all.code_falls > 500);
  CHECK(all.leasts > 100);
  CHECK(swishes > 100);
}

TEST_CASE(
    "pack: each kind of node packs, and equals its evaluation forward wherever it stands; XNOR-Net's factor is "
    "refused") {
  for (const Kind kind : all_kinds()) {
    const std::string name = name_of(kind);
    CAPTURE(name);
    for (Place place : {Place::kInChain, Place::kAlone, Place::kBeforeSign}) {
      CAPTURE(int(place));
      if (kind == Kind::kInputScale) {
        CHECK(error_of(net_with(kind, place)) == "pack: it (input_scale): the packed format has no such operation");
        continue;
      }
      const Comparison r = pack_and_compare(net_with(kind, place), uint64_t(int(kind)), 2);
      CAPTURE(r.first);
      CHECK(r.differing == 0);
    }
  }
}

TEST_CASE(
    "pack: hard_swish behind a norm, a sum, a pool, a layer, before a sign and at the output equals the evaluation "
    "forward bit for bit; a sign behind it is one of floats") {
  const NetSpec spec = hard_swish_net();
  int pieces[kHardSwishes][3] = {};  // values before each hard_swish: up to -3, between, from 3 on
  for (uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const Comparison r = pack_and_compare(spec, seed, 2);
    CAPTURE(r.first);
    CHECK(r.differing == 0);
    CHECK(r.bit_tensors == 4);

    Net model(spec);
    randomize(&model, seed);
    const std::vector<float> lut = random_lut(3, seed);
    const std::vector<uint8_t> file = pack(model, {lut, {}, {}});
    CHECK(count_stages(file, StageKind::kHardSwish) == kHardSwishes);
    CHECK(count_thresholds(file).ops == 1);  // sign5, behind a norm alone
    CHECK(load_le32(&file[Header::kAtVersion]) == kVersion);
    const std::vector<uint8_t> image = random_image(spec, seed);
    std::vector<float> x(image.size());
    for (size_t i = 0; i < image.size(); ++i) x[i] = lut[(i % 3) * 256 + image[i]];
    const auto values = reference_net(model, x);
    for (const NodeSpec& node : spec.nodes)
      if (node.kind == Kind::kHardSwish)
        for (float v : values.at(spec.nodes[size_t(node.inputs[0])].name).v)
          ++pieces[node.name.back() - '1'][v <= -3 ? 0 : v >= 3 ? 2 : 1];
  }
  for (int i = 0; i < kHardSwishes; ++i)
    for (int piece = 0; piece < 3; ++piece) {
      CAPTURE(i);
      CAPTURE(piece);
      CHECK(pieces[i][piece] > 0);
    }
}

TEST_CASE(
    "pack: each codebook of weights by each of activations, at each granularity and rule of scales, grouped or not") {
  std::vector<QuantSpec> weights, activations;
  for (Scheme scheme : all_values<Scheme>()) {
    const SchemeTraits traits = traits_of(scheme);
    QuantSpec q{.scheme = scheme};
    for (q.bits = traits.fixed_bits ? 2 : traits.least_bits; q.bits <= (traits.fixed_bits ? 2 : 8); ++q.bits) {
      if (traits.activations) {
        q.granularity = Granularity::kLayer;
        for (ScaleRule rule : {ScaleRule::kNone, ScaleRule::kMax, ScaleRule::kLearned}) {
          q.scale = rule;
          if (normal(q, Operand::kActivation) != q || !refusal(q, Operand::kActivation).empty()) continue;
          activations.push_back(q);
          // Around 0, and from 0 up: a zero point between the ends, and at the first.
          if (traits.ranged && rule == ScaleRule::kNone)
            activations.back().low = q.bits % 2 ? 0 : -0.7, activations.back().high = 1.3;
        }
      }
      if (!traits.weights) continue;
      const int granularities = traits.granular ? 3 : 1, rules = traits.scaled ? 4 : 1;
      for (int i = 0; i < granularities * rules; ++i) {
        q.granularity = Granularity(i / rules), q.scale = ScaleRule(i % rules);
        weights.push_back(q);
      }
    }
  }
  int nets = 0, integer = 0;
  for (size_t i = 0; i < weights.size(); ++i)
    for (size_t j = 0; j < activations.size(); ++j) {
      if ((i + j) % (kWatched ? 25 : 5)) continue;  // each meets each kind of the other's; all pairs would take long
      CAPTURE(i);
      CAPTURE(j);
      NetBuilder g(5, 4, 2, 3);
      ConvConfig c;
      c.out_channels = 6, c.kernel_h = c.kernel_w = 2, c.bias = i % 2 == 0;
      int x = g.conv("first", g.input(), c);
      x = g.quantize("codes", x, {.quant = activations[j]});
      c.groups = (i + j) / 5 % 3 == 0 ? 2 : 1, c.weight = weights[i], c.pad_w = 1, c.bias = j % 2 == 0;
      x = g.batch_norm("norm", g.conv("second", x, c));
      x = g.quantize("again", x, {.quant = activations[(j + i) % activations.size()]});
      // The window of a linear layer is the image, which kernels are not shared over.
      x = g.quantize("flat.codes", g.unary(Kind::kFlatten, "flat", x), {.quant = activations[j]});
      x = g.linear("fc", x, {.out_features = 3, .weight = weights[i]});
      const NetSpec spec = g.build();
      const Comparison r = pack_and_compare(spec, i * 100 + j);
      CAPTURE(r.first);
      REQUIRE(r.differing == 0);
      ++nets;
      const Plan plan(spec);
      integer += plan.is_integer(size_t(spec.find("second")));
    }
  CHECK(nets > 400);
  CHECK(integer > 300);
  MESSAGE(weights.size(), " codebooks of weights, ", activations.size(), " of activations, ", nets, " nets");
}

TEST_CASE("pack: a layer of codes by hand: 8 ninths and a bias") {
  NetBuilder g(1, 1, 3, 1);
  const int x =
      g.quantize("codes", g.unary(Kind::kFlatten, "flat", g.input()), {.quant = {.scheme = Scheme::kRelu, .bits = 2}});
  g.linear("fc", x, {.out_features = 1, .bias = true, .weight = {.scheme = Scheme::kUniform, .bits = 3}});
  Net model(g.build());
  model.parameters.find("fc.weight")->value = Tensor::of({1, 3}, {-1, 0.4, 0.7});  // thirds: codes -3, 1, 2
  model.parameters.find("fc.bias")->value = Tensor::of({1}, {0.5});
  std::vector<float> lut;
  for (int i = 0; i < 3 * 256; ++i) lut.push_back(float(i % 256) / 255.0f);
  PackedModel packed(pack(model, {lut, {}, {}}));
  int seen = 0;
  const uint8_t image[3] = {0, 128, 255};  // 0, 1.5 and 3 thirds: codes 0, 2, 3
  const std::vector<float> scores = packed.run_traced(image, [&](const bnt_view& v) {
    if (std::string(v.name) != "codes") return;
    ++seen;
    CHECK(v.dtype == BNT_CODES);
    CHECK(std::vector<uint8_t>(static_cast<const uint8_t*>(v.data), static_cast<const uint8_t*>(v.data) + 3) ==
          std::vector<uint8_t>{0, 2, 3});
    CHECK(v.mul == 1);
    CHECK(v.add == 0);
    CHECK(v.scale == 1.0f / 3);
  });
  CHECK(seen == 1);
  const float ninth = (1.0f / 3) * (1.0f / 3);
  CHECK(scores == std::vector<float>{std::fma(8.0f, ninth, 0.5f)});  // 0 * -3 + 2 * 1 + 3 * 2 = 8
}

TEST_CASE("pack: what the format cannot hold is refused by name and reason") {
  NetBuilder g(8, 8, 4, 4);
  const auto with_head = [](NetBuilder b, int x) {
    b.unary(Kind::kGlobalAvgPool, "pool", x);
    return b.build();
  };
  NetBuilder b(8, 8, 4, 52);
  int x = b.concat("many", std::vector<int>(13, 0));
  CHECK(error_of(with_head(b, x)) == "pack: many (concat): more than 12 operands");
  b = g, x = b.avg_pool("long", 0, {1, 1, 1, 100, 0, 0});
  CHECK(error_of(with_head(b, x)) == "pack: long (avg_pool): its window is larger than 64");
  b = g, x = b.max_pool("wide", 0, {1, 1, 100, 1, 0, 0});
  CHECK(error_of(with_head(b, x)) == "pack: wide (max_pool): its window is larger than 64");
  ConvConfig padded;
  padded.out_channels = 4, padded.pad_h = padded.pad_w = 1;  // of a 1x1 kernel: windows without a pixel
  b = g, x = b.conv("c", 0, padded);
  CHECK(error_of(with_head(b, x)) ==
        "pack: c (conv): the packed format cannot hold it (field at byte 32 of its record)");
}

TEST_CASE("pack: a parameter that is not finite is refused by name and place") {
  Net model(in_form("quickstart", Form::kBnn));
  randomize(&model, 1);
  Parameter* p = model.parameters.all().front();
  p->value.mutable_data<float>()[5] = std::numeric_limits<float>::infinity();
  const std::string what = error_text<Error>([&] { (void)pack(model, {random_lut(1, 1), {}, {}}); });
  CHECK(what.find(p->name + " is not finite at 5") != std::string::npos);
}

TEST_CASE("pack: unpacked weights are the signs, or the values, of what was packed") {
  const Rng rng(9, kRngTest);
  std::vector<float> w(2 * 37 * 70), signs(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = i % 17 == 0 ? -0.0f : float(rng.normal(i));
    signs[i] = w[i] >= 0 ? 1.0f : -1.0f;
  }
  CHECK(unpack_weight_bits(pack_weight_bits(w.data(), 2 * 37, 70).data(), 2 * 37, 70) == signs);
  CHECK(unpack_weight_signs(pack_weight_signs(w.data(), 2, 70, 37).data(), 2, 70, 37) == signs);
  CHECK(unpack_weight_panels(pack_weight_panels(w.data(), 2, 70, 37).data(), 2, 70, 37) == w);
}

TEST_CASE("pack: the same model gives the same bytes, and every single-bit flip of them is refused") {
  Net model(in_form("quickstart", Form::kBnn));
  randomize(&model, 2);
  std::vector<uint8_t> file = pack(model, {random_lut(1, 2), {}, {}});
  CHECK(file == pack(model, {random_lut(1, 2), {}, {}}));
  const Rng rng(3, kRngTest);
  for (uint64_t i = 0; i < 300; ++i) {
    const uint32_t bit = rng.below(i, uint32_t(file.size()) * 8);
    file[bit / 8] ^= uint8_t(1u << (bit % 8));
    CHECK_THROWS_AS(PackedModel{file}, Error);
    file[bit / 8] ^= uint8_t(1u << (bit % 8));
  }
}

TEST_CASE("pack: the golden net packs to the committed bytes, and the committed file passes its self test") {
  const std::vector<uint8_t> file = golden_file();
  std::ifstream in("tests/compress/golden.bnt", std::ios::binary);
  const std::vector<uint8_t> want((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  REQUIRE(want.size() > 0);
  CHECK(file == want);  // else the format or the packer has changed: new version, or tests/make_packed --golden
  const std::vector<float> lut = [&] {
    std::vector<float> v;
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < 256; ++i) v.push_back(float(i - 128 + c) / 64.0f);
    return v;
  }();
  Net model(golden_spec());
  set_golden_parameters(&model);
  PackedModel packed(want);
  CHECK(compare(model, packed, golden_image(), lut).differing == 0);
}

TEST_CASE("pack: metadata is what the runtime reads back, whatever its order, and what breaks its rules is refused") {
  NetBuilder g(5, 5, 1, 2);
  g.linear("fc", g.unary(Kind::kFlatten, "flat", g.input()), {.out_features = 2});
  Net net(g.build());
  randomize(&net, 3);
  PackOptions options{.lut = random_lut(1, 3)};
  const std::vector<uint8_t> without = pack(net, options);
  options.metadata = {{"b", "2"}, {"B", "\xC3\xBC"}, {"a", ""}, {"a.1", "fc"}};
  const std::vector<uint8_t> file = pack(net, options);
  const PackedModel model(file);
  for (const auto& [key, value] : options.metadata) CHECK(bnt_metadata(&model.model(), key.c_str()) == value);
  const char* const keys[] = {"B", "a", "a.1", "b"};  // by their bytes
  for (uint32_t i = 0; i < 4; ++i) CHECK(std::string(bnt_metadata_key(&model.model(), i)) == keys[i]);
  CHECK(bnt_metadata_key(&model.model(), 4) == nullptr);
  CHECK(file.size() >= without.size());
  CHECK(PackedModel(without).info().arena_base == model.info().arena_base);

  const auto refused = [&](const std::string& key, const std::string& value) {
    PackOptions wrong = options;
    wrong.metadata = {{key, value}};
    CHECK(metadata_fault(key, value) != "");
    CHECK_THROWS_AS(pack(net, wrong), Error);
  };
  refused("", "x");
  refused("a b", "x");
  refused("a=b", "x");
  refused(std::string(65, 'a'), "x");
  refused("a", std::string(1025, 'x'));
  refused("a", "line\n");
  refused("a", "\xFF");
  refused("a", std::string("a\0b", 3));
  CHECK(metadata_fault(std::string(64, 'a'), std::string(1024, 'x')) == "");
  for (size_t i = 0; i <= kMaxPackMetadata; ++i) options.metadata["k" + std::to_string(i)] = "v";
  CHECK_THROWS_AS(pack(net, options), Error);
}
