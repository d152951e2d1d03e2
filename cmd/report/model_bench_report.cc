#include "cmd/report/model_bench_report.h"

#include <algorithm>

#include "cmd/report/text.h"

namespace bantam {
namespace {

std::string us_text(double v) { return fixed(v, v < 100 ? 2 : 1); }
std::string percent(double share) { return fixed(100 * share, 1); }

std::string ops_text(const ModelBenchRow& r) {
  const auto number = [](uint64_t v) { return v ? thousands(int64_t(v)) : std::string("-"); };
  std::vector<std::vector<std::string>> rows{{"operation", "product", "median us", "share %", "bytes", "MACs",
                                              "bit operations", "G/s", "limit", "% of limit"}};
  double longest = 0;
  for (const OpTime& o : r.ops) {
    const OpLimit limit = limit_of(o.op, r.limits);
    const uint64_t work = o.op.macs ? o.op.macs : o.op.moved_bytes();
    rows.push_back({o.op.name, o.op.product, us_text(o.us), percent(o.us / r.ops_us()), number(o.op.moved_bytes()),
                    number(o.op.macs), number(o.op.bit_operations), fixed(1e-3 * double(work) / o.us, 1), limit.name,
                    percent(limit.us / o.us)});
    longest = std::max(longest, o.us);
  }
  return "\nOne image on " + std::to_string(r.options.threads) + (r.options.threads == 1 ? " thread" : " threads") +
         ", operation by operation: " + us_text(r.ops_us()) + " us, the longest " + us_text(longest) + "\n\n" +
         markdown_table(rows) + "\nLimits, measured in this run: fma " + fixed(1e-9 * r.limits.fma, 1) +
         " GMAC/s of f32 from registers, popcount " + fixed(1e-9 * r.limits.popcount, 0) +
         " GMAC/s of bits from registers,\ncopy " + fixed(1e-9 * r.limits.copy, 1) +
         " GB/s read and written by memcpy.\n";
}

}  // namespace

OpLimit limit_of(const PackedOp& op, const RunLimits& limits) {
  const bool bits = op.product == "bits x bits";
  const double copy_us = 1e6 * double(op.moved_bytes()) / limits.copy;
  const double macs_us = 1e6 * double(op.macs) / (bits ? limits.popcount : limits.fma);
  if (op.macs && macs_us >= copy_us) return {bits ? "popcount" : "fma", macs_us};
  return {"copy", copy_us};
}

Json model_bench_json(const ModelBenchReport& report) {
  // One row's numbers; a report has those of its first beside the rows.
  const auto numbers = [](const ModelBenchRow& r) {
    return Json::object({{"threads", r.options.threads},
                         {"batch", r.options.batch},
                         {"runs", r.options.runs},
                         {"warmup", r.options.warmup},
                         {"median_us", r.median_us},
                         {"min_us", r.min_us},
                         {"max_us", r.max_us},
                         {"images_per_s", r.images_per_s()}});
  };
  Json json = Json::object({{"model", report.model}, {"kind", report.kind}});
  const Json first = numbers(report.rows[0]);
  for (const auto& [key, value] : first.as_object()) json.set(key, value);
  Json rows = Json::array();
  for (const ModelBenchRow& r : report.rows) {
    Json row = numbers(r);
    if (!r.ops.empty()) {
      Json ops = Json::array();
      for (const OpTime& o : r.ops) {
        const OpLimit limit = limit_of(o.op, r.limits);
        ops.push(Json::object({{"name", o.op.name},
                               {"product", o.op.product},
                               {"median_us", o.us},
                               {"share", o.us / r.ops_us()},
                               {"bytes", o.op.moved_bytes()},
                               {"macs", o.op.macs},
                               {"bit_operations", o.op.bit_operations},
                               {"limit", limit.name},
                               {"limit_share", limit.us / o.us}}));
      }
      row.set("ops_us", r.ops_us());
      row.set("limits", Json::object({{"fma_gmacs", 1e-9 * r.limits.fma},
                                      {"popcount_gmacs", 1e-9 * r.limits.popcount},
                                      {"copy_gbytes", 1e-9 * r.limits.copy}}));
      row.set("ops", ops);
    }
    rows.push(row);
  }
  json.set("rows", rows);
  return json;
}

std::string model_bench_markdown(const ModelBenchReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"model", "kind", "threads", "batch", "median us", "min", "max", "us an image", "images/s", "runs"}};
  for (const ModelBenchRow& r : report.rows)
    rows.push_back({report.model, report.kind, std::to_string(r.options.threads), std::to_string(r.options.batch),
                    us_text(r.median_us), us_text(r.min_us), us_text(r.max_us),
                    us_text(r.median_us / double(r.options.batch)), fixed(r.images_per_s(), 0),
                    std::to_string(r.options.runs)});
  std::string s = markdown_table(rows) + "\nFrom pixels to scores, after " +
                  std::to_string(report.rows[0].options.warmup) + " runs to warm up.\n";
  for (const ModelBenchRow& r : report.rows)
    if (!r.ops.empty()) s += ops_text(r);
  if (!report.rows[0].ops.empty())
    s += "\nbytes: weights, operands and results, each read or written once. G/s: multiply-accumulates where there are "
         "any, else\nbytes. An operation stands beside the limit that binds it: its MACs by fma or popcount, or its "
         "bytes "
         "by copy. Codes\nstand beside fma, too, and may pass it.\n";
  return s;
}

}  // namespace bantam
