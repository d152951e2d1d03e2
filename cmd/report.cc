// bantam report: settings held against one another over seeds.
#include <cmath>

#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/text.h"
#include "cmd/run/arm_plot.h"
#include "cmd/run/arms.h"
#include "core/fields.h"
#include "core/file.h"
#include "core/nearest.h"

namespace bantam {
namespace {

size_t index_of(const std::vector<Arm>& arms, const std::string& name) {
  std::vector<std::string> names;
  for (size_t i = 0; i < arms.size(); ++i) {
    if (name.empty() || arms[i].name == name) return i;
    names.push_back(arms[i].name);
  }
  throw UsageError("report: --against " + name + ": there is no such arm" + did_you_mean(name, names) + "; there are " +
                   one_of(names).text());
}

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(); }

Json json_of(const ArmRow& row) {
  Json json = Json::object({{"arm", row.name},
                            {"n", row.own.n},
                            {"mean", row.own.n ? number(row.own.mean) : Json()},
                            {"stddev", row.own.n > 1 ? number(row.own.stddev) : Json()},
                            {"unfinished", row.unfinished}});
  if (row.verdict.empty()) return json;
  json.set("pairs", row.difference.n);
  json.set("difference", row.difference.n ? number(row.difference.mean) : Json());
  json.set("half_width95", row.difference.n ? number(row.difference.half_width) : Json());
  json.set("verdict", row.verdict);
  return json;
}

// The columns of text and Markdown: the arm, mean, spread, n, difference with its interval, verdict.
std::vector<std::vector<std::string>> cells_of(const std::vector<ArmRow>& rows, const std::string& metric,
                                               const std::string& other, int decimals) {
  std::vector<std::vector<std::string>> cells = {
      {"arm", metric, "standard deviation", "n", "against " + other + ", by seed", "verdict"}};
  for (const ArmRow& r : rows) {
    std::string difference;
    if (r.difference.n > 0) {
      difference = (r.difference.mean >= 0 ? "+" : "") + fixed(r.difference.mean, decimals);
      if (r.difference.n > 1) difference += " +- " + fixed(r.difference.half_width, decimals);
    }
    cells.push_back(
        {r.name, r.own.n ? fixed(r.own.mean, decimals) : "-", r.own.n > 1 ? fixed(r.own.stddev, decimals) : "-",
         std::to_string(r.own.n) + (r.unfinished ? " (" + std::to_string(r.unfinished) + " unfinished)" : ""),
         difference, r.verdict});
  }
  return cells;
}

std::string csv_of(const std::vector<ArmRow>& rows) {
  std::string out = "arm,n,mean,stddev,unfinished,pairs,difference,half_width95,verdict\n";
  for (const ArmRow& r : rows) {
    out += csv_field(r.name) + "," + std::to_string(r.own.n) + "," + (r.own.n ? shortest(r.own.mean) : "") + "," +
           (r.own.n > 1 ? shortest(r.own.stddev) : "") + "," + std::to_string(r.unfinished) + ",";
    out += r.verdict.empty()
               ? ",,,"
               : std::to_string(r.difference.n) + "," + (r.difference.n ? shortest(r.difference.mean) : "") + "," +
                     (r.difference.n > 1 ? shortest(r.difference.half_width) : "") + "," + r.verdict;
    out += "\n";
  }
  return out;
}

}  // namespace

int run_report(const ReportArgs& args) {
  const std::vector<Arm> arms = read_arms(args.folders);
  for (const Arm& arm : arms)
    if (!arm.split.empty() && !arms[0].split.empty() && arm.split != arms[0].split)
      throw UsageError("report: " + arm.name + " was evaluated on " + arm.split + ", " + arms[0].name + " on " +
                       arms[0].split);
  const size_t against = index_of(arms, args.against);
  const std::optional<ArmMetric> metric = from_name<ArmMetric>(args.metric);
  if (!metric) throw UsageError("report: --metric is " + one_of(all_names<ArmMetric>()).text());
  const std::vector<ArmRow> rows = compare(arms, against, *metric);
  if (!args.plot.empty()) atomic_write(args.plot, arms_chart(arms));
  const bool loss = *metric == ArmMetric::kLoss;
  if (args.format == "csv") {
    print(csv_of(rows));
  } else if (args.format == "json") {
    Json list = Json::array();
    for (const ArmRow& r : rows) list.push(json_of(r));
    print_report("report", Json::object({{"metric", args.metric},
                                         {"unit", loss ? "cross-entropy" : "per cent"},
                                         {"split", arms[0].split},
                                         {"against", arms[against].name},
                                         {"arms", list}}));
  } else {
    const std::string name = arms[0].split + (loss                          ? " loss"
                                              : *metric == ArmMetric::kBest ? " best top-1 %"
                                                                            : " top-1 %");
    print(markdown_table(cells_of(rows, name, arms[against].name, loss ? 4 : 2)));
  }
  return kExitOk;
}

}  // namespace bantam
