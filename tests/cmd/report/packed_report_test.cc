#include "cmd/report/packed_report.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "compress/pack/pack.h"
#include "compress/pack/packed_model.h"
#include "tests/compress/random_net.h"

using namespace bantam;

namespace {

std::vector<uint8_t> packed(const NetSpec& spec, uint64_t seed) {
  Net net(spec);
  randomize(&net, seed);
  return pack(net, {random_lut(std::get<InputConfig>(spec.nodes[0].config).c, seed), {}, {}});
}

const PackedOp& op_of(const PackedReport& report, const std::string& product) {
  for (const PackedOp& o : report.ops)
    if (o.product == product) return o;
  FAIL(product, " is not among the operations");
  return report.ops[0];
}

// 6x6x2 -> 4x4x4 floats -> 4 bits by 3 bits, 4x4x8 -> signs by signs, 4x4x16 -> 3 scores.
NetSpec known_net() {
  NetBuilder g(6, 6, 2, 3);
  int x = g.conv("real", g.input(), {.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .bias = true, .weight = {}});
  x = g.quantize("four", x, {.quant = {.scheme = Scheme::kInt, .bits = 4, .low = -1, .high = 2}});
  x = g.conv("codes", x, {.out_channels = 8, .weight = {.scheme = Scheme::kInt, .bits = 3}});
  x = g.quantize("sign", g.batch_norm("bn", x), {.quant = {.scheme = Scheme::kSign}});
  x = g.conv(
      "bits", x,
      {.out_channels = 16, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .weight = {.scheme = Scheme::kSign}});
  x = g.unary(Kind::kGlobalAvgPool, "pool", g.unary(Kind::kRelu, "relu", x));
  g.linear("fc", x, {.out_features = 3, .bias = true, .weight = {.scheme = Scheme::kPow2, .bits = 4}});
  return g.build();
}

}  // namespace

TEST_CASE("packed report: a net of known layers by hand") {
  const std::vector<uint8_t> file = packed(known_net(), 3);
  const PackedReport report = report_of(file);
  CHECK(report.file_bytes == file.size());

  const PackedOp& real = op_of(report, "f32 x f32");
  CHECK(real.macs == 4 * 2 * 9 * 16);
  CHECK(real.weight_bits == 32);
  CHECK(real.bit_operations == real.macs * 32 * 32);
  CHECK(real.shape == "4x4x4");
  CHECK(real.out == "4 bits");
  CHECK(real.requantized == "f32");
  CHECK(real.out_bytes == 64);
  CHECK(real.tensors == 1);
  const PackedOp& codes = op_of(report, "codes x codes");
  CHECK(codes.macs == 8 * 4 * 16);
  CHECK(codes.weight_bits == 3);
  CHECK(codes.weight_bytes == 8 * 2);  // 4 weights of 3 bits a row, in whole bytes
  CHECK(codes.bit_operations == codes.macs * 4 * 3);
  CHECK(codes.out == "bits");
  CHECK(codes.requantized == "thresholds");
  CHECK(codes.out_bytes == 16 * 8);  // a word a pixel
  CHECK(codes.in_bytes == 64);
  CHECK(codes.moved_bytes() == 16 + 64 + 128);
  const PackedOp& bits = op_of(report, "bits x bits");
  CHECK(bits.macs == 16 * 8 * 9 * 16);
  CHECK(bits.weight_bits == 1);
  CHECK(bits.bit_operations == bits.macs);
  CHECK(bits.requantized == "");
  const PackedOp& table = op_of(report, "f32 x table");
  CHECK(table.macs == 48);
  CHECK(table.weight_bits == 4);
  CHECK(table.weight_bytes == 3 * 8);
  CHECK(table.bit_operations == 48 * 32 * 4);
  CHECK(table.shape == "1x1x3");

  // Table 1.1: a product and a sum of floats, 4.6 pJ; of codes, 0.2 and 0.1; 5 pJ for each 4 bytes moved.
  const double moved = double(codes.weight_bytes + real.out_bytes + codes.out_bytes) / 4 * 5;
  CHECK(codes.picojoules == doctest::Approx(0.3 * double(codes.macs) + moved));
  CHECK(real.picojoules > 4.6 * double(real.macs));
}

TEST_CASE("packed report: an operation reads the tensor that it adds, too, and says how many tensors it makes") {
  NetBuilder g(4, 4, 2, 3);
  const int real = g.conv("real", g.input(), {.out_channels = 8, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1});
  int x = g.quantize("sign", real, {.quant = {.scheme = Scheme::kSign}});
  x = g.conv("bits", x, {.out_channels = 8, .weight = {.scheme = Scheme::kSign}});
  x = g.unary(Kind::kFlatten, "flat", g.add("sum", x, real));
  g.linear("fc", x, {.out_features = 3});
  const PackedReport report = report_of(packed(g.build(), 3));
  const PackedOp& first = op_of(report, "f32 x f32");
  CHECK(first.tensors == 2);
  CHECK(first.in_bytes == 4 * 4 * 2 * 4);
  CHECK(first.out_bytes == 16 * 8 * 4 + 16 * 8);
  const PackedOp& bits = op_of(report, "bits x bits");
  CHECK(bits.tensors == 1);
  CHECK(bits.in_bytes == 16 * 8 + 16 * 8 * 4);
}

TEST_CASE("packed report: metadata, by key") {
  Net net(known_net());
  randomize(&net, 3);
  PackOptions options{.lut = random_lut(2, 3)};
  options.metadata = {{"site", "north"}, {"lot", "7 = 7"}};
  const PackedReport report = report_of(pack(net, options));
  REQUIRE(report.metadata.size() == 2);
  CHECK(report.metadata[0].first == "lot");
  CHECK(packed_json(report).at("metadata").at("lot").as_string() == "7 = 7");
  CHECK(packed_text(report).find("metadata         site = north\n") != std::string::npos);
  CHECK(packed_json(report_of(packed(known_net(), 3))).at("metadata").size() == 0);
}

TEST_CASE("packed report: sums over the operations are the totals, and memory is what a session asks for") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const std::vector<uint8_t> file = packed(random_net(seed), seed);
    const PackedReport report = report_of(file);
    PackedReport sum;
    for (const PackedOp& o : report.ops) {
      CHECK(o.product != "?");
      CHECK((o.macs > 0) == (o.weight_bits > 0));
      CHECK((o.weight_bytes > 0) == (o.weight_bits > 0));
      CHECK(o.out_bytes > 0);
      sum.macs += o.macs, sum.bit_operations += o.bit_operations, sum.picojoules += o.picojoules;
      sum.model_bytes += (o.laid_out_bytes + 63) / 64 * 64;
    }
    CHECK(report.macs == sum.macs);
    CHECK(report.bit_operations == sum.bit_operations);
    CHECK(report.picojoules == doctest::Approx(sum.picojoules));
    CHECK(report.model_bytes == sum.model_bytes);
    CHECK(report.ram() == report.model_bytes + report.arena_bytes);
    const Json json = packed_json(report);
    CHECK(json.at("ops").size() == report.ops.size());
    const std::string text = packed_text(report);
    for (const PackedOp& o : report.ops) CHECK(text.find(o.name) != std::string::npos);
  }
}

TEST_CASE("packed report: devices have names of their own and memories") {
  for (const Device& a : devices()) {
    CHECK(a.flash > 0);
    CHECK(a.ram > 0);
    int same = 0;
    for (const Device& b : devices()) same += std::string(a.name) == b.name;
    CHECK(same == 1);
  }
}

TEST_CASE("packed report: what lanes can gain, by how operations are cut") {
  PackedReport report;
  report.ops.resize(3);
  report.ops[0].macs = 100, report.ops[0].tasks = 4;
  report.ops[1].macs = 100, report.ops[1].tasks = 1;
  report.ops[2].macs = 90, report.ops[2].tasks = 3;
  CHECK(report.speed_up(1) == 1);
  CHECK(report.speed_up(2) == doctest::Approx(290.0 / (50 + 100 + 60)));
  CHECK(report.speed_up(4) == doctest::Approx(290.0 / (25 + 100 + 30)));
  CHECK(PackedReport().speed_up(2) == 1);
}

TEST_CASE("packed report: of several switches, the one that is asked for, and what each is") {
  Net net(known_net());
  randomize(&net, 3);
  const PackedSwitch switches[] = {{&net.plan, &net.parameters}, {&net.plan, &net.parameters, 500}};
  const std::vector<uint8_t> file = pack(switches, {.lut = random_lut(2, 3)});
  const PackedReport first = report_of(file), second = report_of(file, 1);
  REQUIRE(first.switches.size() == 2);
  CHECK(second.switches[1].width_permille == 500);
  CHECK(second.switches[1].ops == second.ops.size());
  CHECK(first.ops.size() == second.ops.size());
  CHECK(first.macs == second.macs);
  CHECK(first.model_bytes == 2 * report_of(pack(net, {.lut = random_lut(2, 3)})).model_bytes);
  CHECK(packed_text(second).find("switch 1, above  width 0.500") != std::string::npos);
  CHECK(packed_text(report_of(pack(net, {.lut = random_lut(2, 3)}))).find("switch") == std::string::npos);
}
