// Nets of the kinds that mobile and densely connected nets are made of, and of layers that are cut into parts of their
// channels: packed, against the reference.
#include <cstring>
#include <iterator>

#include "compress/runtime/reader.h"
#include "ops/kernels/gemm_xnor.h"
#include "tests/compress/pack_compare.h"
#include "tests/compress/random_kinds_net.h"
#include "tests/effort.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

// Three lanes by turns, the last task first.
void run_backwards(const bnt_model& model, const bnt_info& info, const std::vector<uint8_t>& image, float* scores) {
  const bnt_parallel parallel = {nullptr, 3,
                                 [](void*, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
                                   for (uint32_t t = tasks; t-- > 0;) task(context, t, t % 3);
                                 }};
  std::vector<uint8_t> memory(info.arena_base + 3 * info.arena_per_lane + 64);
  uint8_t* arena = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  bnt_session session;
  REQUIRE(bnt_open(&model, arena, memory.size() - size_t(arena - memory.data()), &parallel, &session) == BNT_OK);
  REQUIRE(bnt_run(&session, image.data(), 1, scores, info.classes) == BNT_OK);
}

}  // namespace

TEST_CASE("pack: 200 generated nets with gates, concatenations, means, softmax and wide layers equal the reference") {
  int64_t values = 0;
  uint64_t parted = 0, sources[kSources] = {}, stages_seen[kStageKinds] = {};
  for (uint64_t seed = 0; seed < (kWatched ? 20 : 200); ++seed) {
    CAPTURE(seed);
    const NetSpec spec = random_kinds_net(seed);
    Net model(spec);
    randomize(&model, seed);
    const std::vector<float> lut = random_lut(std::get<InputConfig>(spec.nodes[0].config).c, seed);
    const std::vector<uint8_t> file = pack(model, {lut, {}, {}});
    PackedModel packed(file);
    const Comparison r = compare(model, packed, random_image(spec, seed), lut);
    CAPTURE(r.first);
    REQUIRE(r.differing == 0);
    values += r.values;
    const Reader m(file.data(), file.size());
    StageRecord stages[kMaxStages];
    for (uint32_t i = 0; i < m.header().n_ops; ++i) {
      const OpRecord op = m.op(i);
      parted += m.geometry(op, stages).parts > 1;
      ++sources[op.source];
      for (uint32_t s = 0; s < op.n_stages; ++s) ++stages_seen[stages[s].kind];
    }
  }
  MESSAGE(values, " values, ", parted, " operations in parts of their channels");
  if (kWatched) return;
  CHECK(parted > 50);
  for (Source s : {Source::kAdaptiveAverage, Source::kConcat, Source::kFeatures}) CHECK(sources[uint8_t(s)] > 20);
  for (StageKind s : {StageKind::kSigmoid, StageKind::kTanh, StageKind::kSoftmax, StageKind::kMul,
                      StageKind::kAveragePool, StageKind::kAppend})
    CHECK(stages_seen[uint8_t(s)] > 20);
}

TEST_CASE("pack: layers that are cut into parts of their channels, in every form, equal the reference in any order") {
  struct Case {
    QuantSpec weight, activation;
  };
  const QuantSpec real, sign{.scheme = Scheme::kSign}, few{.scheme = Scheme::kUniform, .bits = 3},
      many{.scheme = Scheme::kUniform, .bits = 8};
  const Case cases[] = {{real, real}, {sign, real}, {many, real}, {sign, sign}, {few, few}, {many, many}, {few, sign}};
  int parted = 0;
  for (const Case& c : cases)
    for (const QuantSpec& out : {real, sign, few, many})
      for (bool pooled : {false, true})
        for (int64_t k : {65, 128, 190, 257}) {
          NetBuilder g(4, 5, 3, 3);
          ConvConfig conv;
          conv.out_channels = 66, conv.kernel_h = conv.kernel_w = 3, conv.pad_h = conv.pad_w = 1;
          int x = g.conv("first", g.input(), conv);
          if (c.activation.scheme != Scheme::kNone) x = g.quantize("codes", x, {.quant = c.activation});
          conv.out_channels = k, conv.weight = c.weight, conv.bias = true;
          x = g.batch_norm("norm", g.conv("second", x, conv));
          if (pooled) x = g.max_pool("pool", x);
          if (out.scheme != Scheme::kNone) x = g.quantize("out", x, {.quant = out});
          g.linear("fc", g.unary(Kind::kGlobalAvgPool, "mean", x), {.out_features = 3});
          const NetSpec spec = g.build();
          CAPTURE(name_of(c.weight.scheme));
          CAPTURE(c.weight.bits);
          CAPTURE(name_of(c.activation.scheme));
          CAPTURE(name_of(out.scheme));
          CAPTURE(out.bits);
          CAPTURE(pooled);
          CAPTURE(k);
          Net model(spec);
          randomize(&model, uint64_t(k));
          const std::vector<float> lut = random_lut(3, 1);
          const std::vector<uint8_t> file = pack(model, {lut, {}, {}});
          const Reader m(file.data(), file.size());
          StageRecord stages[kMaxStages];
          uint64_t parts = 0;
          for (uint32_t i = 0; i < m.header().n_ops; ++i) parts = std::max(parts, m.geometry(m.op(i), stages).parts);
          parted += parts > 1;
          PackedModel packed(file);
          const std::vector<uint8_t> image = random_image(spec, uint64_t(k));
          const Comparison r = compare(model, packed, image, lut);
          CAPTURE(r.first);
          REQUIRE(r.differing == 0);
          float scores[3];
          run_backwards(packed.model(), packed.info(), image, scores);
          REQUIRE(memcmp(scores, packed.run(image.data(), 1).data(), sizeof scores) == 0);
        }
  CHECK(parted > 100);
  MESSAGE(parted, " nets with a layer in parts");
}

TEST_CASE("pack: for a target's order the same values, and on that target no copy of the weights") {
  const WeightOrder orders[] = {WeightOrder::kAvx512, WeightOrder::kAvx2, WeightOrder::kNeon, WeightOrder::kArmv7,
                                WeightOrder::kScalar};
  const int widths[] = {16, 4, 4, 2, 1};
  int in_place = 0;
  for (uint64_t seed = 0; seed < (kWatched ? 15 : 60); ++seed) {
    CAPTURE(seed);
    const NetSpec spec = random_net(seed);
    Net model(spec);
    randomize(&model, seed);
    const std::vector<float> lut = random_lut(std::get<InputConfig>(spec.nodes[0].config).c, seed);
    const std::vector<uint8_t> image = random_image(spec, seed);
    const std::vector<uint8_t> rows = pack(model, {lut, {}, {}});
    PackedModel by_rows(rows);
    const std::vector<float> want = by_rows.run(image.data(), 1);
    for (size_t i = 0; i < std::size(orders); ++i) {
      CAPTURE(i);
      PackOptions options{.lut = lut};
      options.order = orders[i];
      const std::vector<uint8_t> file = pack(model, options);
      PackedModel packed(file);
      const Comparison r = compare(model, packed, image, lut);
      CAPTURE(r.first);
      REQUIRE(r.differing == 0);
      const std::vector<float> got = packed.run(image.data(), 1);
      REQUIRE(memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0);
      // What is left to lay out: tables of binary layers, and weights of products of floats that are kept as codes.
      const Reader m(file.data(), file.size());
      StageRecord stages[kMaxStages];
      for (uint32_t o = 0; o < m.header().n_ops; ++o) {
        const OpRecord op = m.op(o);
        const Geometry g = m.geometry(op, stages);
        if (g.product == Product::kCodes) CHECK(g.model_bytes == 0);
        if (g.product != Product::kXnor) continue;
        CHECK(op.panel == uint32_t(widths[i]));
        const bool here = widths[i] == xnor_panel();
        CHECK(g.model_bytes == (here ? 0 : xnor_panel_bytes(g.conv)) + xnor_table_bytes(g.conv, op.pad_value));
        in_place += here;
      }
    }
  }
  CHECK(in_place > (kWatched ? 0 : 10));
}
