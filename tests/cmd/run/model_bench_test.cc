#include "cmd/run/model_bench.h"

#include <doctest/doctest.h>

#include <string>

#include "cmd/report/machine.h"
#include "compress/pack/pack.h"
#include "core/parallel.h"
#include "nn/models/models.h"
#include "tests/compress/random_net.h"
#include "tests/nn/forms.h"

namespace bantam {
namespace {

std::vector<uint8_t> packed_bnn() {
  Net net(cifar_net("resnet14", Form::kBnn, 0.25));
  randomize(&net, 11);
  return pack(net, {random_lut(3, 1), {}, {}});
}

PackedOp op_of(const char* product, uint64_t macs, uint64_t bytes) {
  PackedOp op;
  op.product = product, op.macs = macs, op.in_bytes = bytes;
  return op;
}

}  // namespace

TEST_CASE("model bench: every operation of a packed net has its time, on each number of threads") {
  const std::vector<uint8_t> file = packed_bnn();
  const PackedModel model(file);
  for (int count : {1, 2}) {
    CAPTURE(count);
    const ModelBenchRow row =
        bench_packed(model, file, {.threads = count, .batch = 3, .runs = 5, .warmup = 1, .ops = true});
    CHECK(row.options.threads == threads());
    CHECK(row.min_us > 0);
    CHECK(row.min_us <= row.median_us);
    CHECK(row.median_us <= row.max_us);
    REQUIRE(row.ops.size() == model.info().ops);
    double sum = 0;
    for (size_t i = 0; i < row.ops.size(); ++i) {
      const OpTime& o = row.ops[i];
      CHECK(o.op.name == bnt_op_name(&model.model(), uint32_t(i)));
      CHECK(o.us > 0);
      CHECK(limit_of(o.op, row.limits).us > 0);
      sum += o.us;
    }
    CHECK(row.ops_us() == doctest::Approx(sum));
    CHECK(row.limits.popcount > row.limits.fma);
    CHECK(row.limits.copy > 0);
  }
  CHECK(bench_packed(model, file, {.runs = 2, .warmup = 0}).ops.empty());
  set_threads(0);
}

TEST_CASE("model bench: an operation stands beside the limit by which it takes longest") {
  const RunLimits limits{.fma = 1e9, .popcount = 64e9, .copy = 4e9};
  const OpLimit floats = limit_of(op_of("f32 x f32", 2000, 400), limits);
  CHECK(std::string(floats.name) == "fma");
  CHECK(floats.us == doctest::Approx(2));
  const OpLimit bits = limit_of(op_of("bits x bits", 128000, 400), limits);
  CHECK(std::string(bits.name) == "popcount");
  CHECK(bits.us == doctest::Approx(2));
  // 2000 products of bits take 1/32 us, 400 bytes 1/10.
  const OpLimit moved = limit_of(op_of("bits x bits", 2000, 400), limits);
  CHECK(std::string(moved.name) == "copy");
  CHECK(moved.us == doctest::Approx(0.1));
  CHECK(std::string(limit_of(op_of("load", 0, 400), limits).name) == "copy");
}

TEST_CASE("model bench: a table's and a JSON report's rows and operations are those that were measured") {
  ModelBenchReport report{"net.bnt", "packed", {}};
  for (int count : {1, 2}) {
    ModelBenchRow row;
    row.options = {.threads = count, .batch = 4, .runs = 7, .warmup = 3, .ops = true};
    row.median_us = 200.0 / count, row.min_us = 90, row.max_us = 300;
    row.limits = {1e9, 64e9, 4e9};
    row.ops = {{op_of("f32 x f32", 2000, 400), 8}, {op_of("load", 0, 400), 2}};
    row.ops[0].op.name = "conv", row.ops[1].op.name = "sum";
    report.rows.push_back(row);
  }
  const Json json = model_bench_json(report);
  CHECK(json.at("median_us").as_double() == 200);
  CHECK(json.at("threads").as_int() == 1);
  REQUIRE(json.at("rows").size() == 2);
  const Json& second = json.at("rows").as_array()[1];
  CHECK(second.at("images_per_s").as_double() == 40000);
  CHECK(second.at("ops_us").as_double() == 10);
  const Json& op = second.at("ops").as_array()[0];
  CHECK(op.at("name").as_string() == "conv");
  CHECK(op.at("share").as_double() == doctest::Approx(0.8));
  CHECK(op.at("limit").as_string() == "fma");
  CHECK(op.at("limit_share").as_double() == doctest::Approx(0.25));
  const std::string text = model_bench_markdown(report);
  CHECK(
      text.find("| net.bnt | packed |       2 |     4 |     100.0 | 90.00 | 300.0 |       25.00 |    40000 |    7 |") !=
      std::string::npos);
  CHECK(text.find("One image on 2 threads, operation by operation: 10.00 us, the longest 8.00") != std::string::npos);
}

}  // namespace bantam
