// Several operating points in one packed file.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compress/pack/pack.h"
#include "compress/pack/packed_file.h"
#include "compress/pack/packed_model.h"
#include "compress/pack/verify.h"
#include "compress/runtime/reader.h"
#include "tests/compress/random_net.h"
#include "tests/core/error_text.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

constexpr int64_t kSide = 8, kClasses = 5;

// One shape of net, its inner layers in these codes: parameters have the same names in all of them.
NetSpec net_of(const QuantSpec& weight, const QuantSpec& activation, int64_t width = 66) {
  NetBuilder g(kSide, kSide, 3, kClasses);
  ConvConfig c;
  c.out_channels = width, c.kernel_h = c.kernel_w = 3, c.pad_h = c.pad_w = 1;
  int x = g.batch_norm("bn1", g.conv("first", g.input(), c));
  for (const char* name : {"second", "third"}) {
    if (activation.scheme != Scheme::kNone) x = g.quantize(std::string(name) + ".codes", x, {.quant = activation});
    c.weight = weight;
    x = g.batch_norm(std::string(name) + ".bn", g.conv(name, x, c));
  }
  x = g.max_pool("pool", x);
  g.linear("last", g.unary(Kind::kGlobalAvgPool, "mean", x), {.out_features = kClasses, .bias = true});
  return g.build();
}

struct Nets {
  Nets() {
    const QuantSpec real, sign{.scheme = Scheme::kSign}, eight{.scheme = Scheme::kUniform, .bits = 8},
        four{.scheme = Scheme::kUniform, .bits = 4};
    for (const QuantSpec& codes : {real, eight, four, sign}) {
      nets.push_back(std::make_unique<Net>(net_of(codes, codes)));
      randomize(nets.back().get(), 3);
      switches.push_back({&nets.back()->plan, &nets.back()->parameters});
    }
  }
  std::vector<std::unique_ptr<Net>> nets;
  std::vector<PackedSwitch> switches;
  const std::vector<float> lut = random_lut(3, 1);
  const std::vector<uint8_t> image = random_image(net_of({}, {}), 5);
};

// Every tensor that a run shows, by name, and the scores.
std::map<std::string, std::vector<uint8_t>> traced(PackedModel& m, const std::vector<uint8_t>& image) {
  std::map<std::string, std::vector<uint8_t>> all;
  const std::vector<float> scores = m.run_traced(image.data(), [&](const bnt_view& v) {
    const size_t element = v.dtype == BNT_F32 ? 4 : 1;
    const size_t n = v.dtype == BNT_BITS ? size_t(v.dims[0]) * v.dims[1] * words_for(v.dims[2]) * 8
                                         : size_t(v.dims[0]) * v.dims[1] * v.dims[2] * element;
    const auto* p = static_cast<const uint8_t*>(v.data);
    all[v.name] = {p, p + n};
  });
  const auto* p = reinterpret_cast<const uint8_t*>(scores.data());
  all[""] = {p, p + scores.size() * sizeof(float)};
  return all;
}

}  // namespace

TEST_CASE("switches: four forms of a net in one file run as each does from its own, in any order") {
  const Nets n;
  PackOptions options{.lut = n.lut, .test_image = n.image};
  const std::vector<uint8_t> file = pack(n.switches, options);
  PackedModel all(file);
  CHECK(all.info().switches == 4);
  std::vector<std::map<std::string, std::vector<uint8_t>>> want;
  size_t apart = 0;
  uint32_t base = 0, per_lane = 0, first = 0;
  uint64_t macs = 0;
  for (size_t i = 0; i < n.nets.size(); ++i) {
    const std::vector<uint8_t> one = pack(*n.nets[i], options);
    PackedModel own(one);
    want.push_back(traced(own, n.image));
    apart += one.size();
    bnt_switch s;
    REQUIRE(bnt_get_switch(&all.model(), uint32_t(i), &s) == BNT_OK);
    CHECK(s.width_permille == 1000);
    CHECK(s.weight_bits == (i == 0 ? 32 : i == 1 ? 8 : i == 2 ? 4 : 1));
    CHECK(s.act_bits == s.weight_bits);
    CHECK(s.arena_base == own.info().arena_base);
    CHECK(s.arena_per_lane == own.info().arena_per_lane);
    CHECK(s.ops == own.info().ops);
    base = std::max(base, s.arena_base), per_lane = std::max(per_lane, s.arena_per_lane), first += s.ops;
    macs = std::max(macs, own.info().macs);
  }
  CHECK(all.info().arena_base == base);
  CHECK(all.info().arena_per_lane == per_lane);
  CHECK(all.info().ops == first);
  CHECK(all.info().macs == macs);
  // The first and last layer's weights, norms, the input's table and the image lie in the file once.
  CHECK(file.size() + 3 * (n.lut.size() * 4 + n.image.size() + 27 * 80 * 4) < apart);
  for (uint32_t i : {0u, 3u, 1u, 2u, 2u, 0u, 1u, 3u}) {
    CAPTURE(i);
    all.set_switch(i);
    CHECK(traced(all, n.image) == want[i]);
    CHECK(traced(*all.another_session(), n.image) == want[i]);
    Verifier v(*n.nets[i], all.another_session());
    Tensor x = Tensor::empty({1, kSide, kSide, 3}, DType::kU8), table = Tensor::empty({3, 256});
    std::copy(n.image.begin(), n.image.end(), x.mutable_data<uint8_t>());
    std::copy(n.lut.begin(), n.lut.end(), table.mutable_data<float>());
    (void)v.add({x, table});
    CHECK(v.report().equal());
  }
  CHECK_THROWS_AS(all.set_switch(4), Error);
}

TEST_CASE("switches: the self test runs each of them, and finds one whose weights are others") {
  const Nets n;
  std::vector<uint8_t> file = pack(n.switches, {.lut = n.lut, .test_image = n.image});
  for (int which = -1; which < 4; ++which) {
    CAPTURE(which);
    std::vector<uint8_t> broken = file;
    if (which >= 0) {  // the last bit of the scores of that switch
      const Header h = read_record<Header>(file.data());
      broken[h.self_test + round_up(n.image.size(), 4) + size_t(which) * kClasses * 4] ^= 1;
      seal(&broken);
    }
    alignas(64) static uint8_t bytes[1 << 20], mem[1 << 21], arena[1 << 20];
    REQUIRE(broken.size() <= sizeof bytes);
    memcpy(bytes, broken.data(), broken.size());
    bnt_model model;
    bnt_session session;
    REQUIRE(bnt_load(bytes, broken.size(), mem, sizeof mem, &model, nullptr) == BNT_OK);
    REQUIRE(bnt_open(&model, arena, sizeof arena, nullptr, &session) == BNT_OK);
    CHECK(bnt_self_test(&session) == (which < 0 ? BNT_OK : BNT_SELF_TEST_FAILED));
    CHECK(bnt_set_switch(&session, 4) == BNT_BAD_ARGUMENT);
    CHECK(bnt_set_switch(&session, 3) == BNT_OK);
    float scores[kClasses], again[kClasses];
    REQUIRE(bnt_run(&session, n.image.data(), 1, scores, kClasses) == BNT_OK);
    CHECK(bnt_self_test(&session) != BNT_BUSY);  // leaves the session at its switch
    REQUIRE(bnt_run(&session, n.image.data(), 1, again, kClasses) == BNT_OK);
    CHECK(memcmp(scores, again, sizeof scores) == 0);
  }
}

TEST_CASE("switches: with weights in flash, what several have in common takes no memory either") {
  const QuantSpec sign{.scheme = Scheme::kSign};
  Net a(net_of(sign, sign));
  randomize(&a, 3);
  const PackedSwitch twice[] = {{&a.plan, &a.parameters}, {&a.plan, &a.parameters}};
  const std::vector<float> lut = random_lut(3, 1);
  const std::vector<uint8_t> one = pack(a, {.lut = lut}), two = pack(twice, {.lut = lut});
  CHECK(two.size() < one.size() + one.size() / 4);  // records and names, no payload
}

TEST_CASE("switches: each is proved apart: what one may not do is named") {
  const Nets n;
  const std::vector<uint8_t> file = pack(n.switches, {.lut = n.lut});
  const Header h = read_record<Header>(file.data());
  const Places p = places_of(h);
  struct Broken {
    const char* name;
    std::function<void(std::vector<SwitchRecord>&, std::vector<OpRecord>&, Header&)> change;
    int at_switch = -1;  // and the field in it; else of the header, or of an op
    uint32_t field = 0;
    int at_op = -1;
  };
  std::vector<SwitchRecord> switches;
  for (uint32_t i = 0; i < h.n_switches; ++i)
    switches.push_back(read_record<SwitchRecord>(&file[p.switches + i * SwitchRecord::kBytes]));
  std::vector<OpRecord> ops;
  for (uint32_t i = 0; i < h.n_ops; ++i) ops.push_back(read_record<OpRecord>(&file[p.ops + i * OpRecord::kBytes]));
  const uint32_t second = switches[1].first_op;
  using S = SwitchRecord;
  const Broken all[] = {
      {"a gap between them", [](auto& s, auto&, auto&) { ++s[1].first_op; }, 1, S::kAtFirstOp},
      {"an overlap", [](auto& s, auto&, auto&) { --s[2].first_op; }, 2, S::kAtFirstOp},
      {"one without ops", [](auto& s, auto&, auto&) { s[1].n_ops = 0; }, 1, S::kAtOps},
      {"one of more ops than there are", [](auto& s, auto&, auto&) { ++s[3].n_ops; }, 3, S::kAtOps},
      {"ops that no switch has", [](auto& s, auto&, auto&) { --s[3].n_ops; }, 3, S::kAtOps},
      {"a reserved field", [](auto& s, auto&, auto&) { s[2].reserved[1] = 1; }, 2, S::kAtReserved + 4},
      {"no channels", [](auto& s, auto&, auto&) { s[2].width_permille = 0; }, 2, 0},
      {"scores of another switch", [](auto& s, auto&, auto&) { s[2].output = s[1].output; }, 2, S::kAtOutput},
      {"the header's scores of another", [](auto& s, auto&, Header& f) { f.output = s[1].output; }, 0, S::kAtOutput},
      {"less memory than one needs", [](auto& s, auto&, auto&) { s[3].arena_base -= 64; }, 3, S::kAtArenaBase},
      {"more than it needs", [](auto& s, auto&, auto&) { s[3].arena_base += 64; }, 3, S::kAtArenaBase},
      {"less scratch", [](auto& s, auto&, auto&) { s[3].arena_per_lane -= 64; }, 3, S::kAtPerLane},
      {"more memory in the header", [](auto&, auto&, Header& f) { f.arena_base += 64; }, -1, Header::kAtArenaBase},
      {"more scratch in the header", [](auto&, auto&, Header& f) { f.arena_per_lane += 64; }, -1, Header::kAtPerLane},
      {"an op that reads another switch's tensor",
       [&](auto& s, auto& o, auto&) { o[second + 1].in = o[s[0].first_op].out_f32; }, -1, OpRecord::kAtIn,
       int(second) + 1},
      {"an op that makes another switch's tensor", [&](auto&, auto& o, auto&) { o[second].out_f32 = o[0].out_f32; }, -1,
       OpRecord::kAtOutF32, int(second)},
  };
  for (const Broken& b : all) {
    CAPTURE(std::string(b.name));
    std::vector<uint8_t> bytes = file;
    std::vector<SwitchRecord> s = switches;
    std::vector<OpRecord> o = ops;
    Header header = h;
    b.change(s, o, header);
    write_record(header, bytes.data());
    for (size_t i = 0; i < s.size(); ++i) write_record(s[i], &bytes[p.switches + i * S::kBytes]);
    for (size_t i = 0; i < o.size(); ++i) write_record(o[i], &bytes[p.ops + i * OpRecord::kBytes]);
    seal(&bytes);
    bnt_info info;
    bnt_where where;
    CHECK(Reader(bytes.data(), bytes.size()).check(&info, &where) == BNT_MALFORMED);
    const uint64_t at = b.at_switch >= 0 ? p.switches + uint64_t(b.at_switch) * S::kBytes
                        : b.at_op >= 0   ? p.ops + uint64_t(b.at_op) * OpRecord::kBytes
                                         : 0;
    CHECK(where.offset == at + b.field);
  }
}

TEST_CASE("switches: nets that do not fit into one file are refused") {
  const QuantSpec real;
  Net a(net_of(real, real));
  NetBuilder g(kSide, kSide + 1, 3, kClasses);
  g.linear("last", g.unary(Kind::kGlobalAvgPool, "mean", g.input()), {.out_features = kClasses});
  Net b(g.build());
  randomize(&a, 1), randomize(&b, 1);
  const std::vector<float> lut = random_lut(3, 1);
  const auto refused = [&](const std::vector<PackedSwitch>& s) {
    return error_text<Error>([&] { (void)pack(s, {.lut = lut}); });
  };
  CHECK(refused({{&a.plan, &a.parameters}, {&b.plan, &b.parameters}}) ==
        "pack: the switches of a file have one input and the same classes");
  CHECK(refused({}) == "pack: a file has 1 to 16 switches");
  CHECK(refused(std::vector<PackedSwitch>(17, {&a.plan, &a.parameters})) == "pack: a file has 1 to 16 switches");
}
