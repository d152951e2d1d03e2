#include "cmd/run/arm_plot.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "cmd/report/net_report.h"
#include "cmd/report/svg.h"
#include "compress/net_checkpoint.h"

namespace bantam {
namespace {

// The mean over the seeds that have reached an epoch, and from the least to the largest of them.
Series curve_of(const Arm& arm) {
  std::map<int64_t, std::vector<double>> by_epoch;
  for (const auto& [seed, run] : arm.runs)
    for (const auto& [epoch, top1] : run.top1_by_epoch) by_epoch[epoch].push_back(100 * top1);
  Series series{arm.name, {}};
  for (const auto& [epoch, values] : by_epoch) {
    series.points.emplace_back(double(epoch), summarize(values).mean);
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    series.band.emplace_back(*low, *high);
  }
  if (arm.runs.size() < 2) series.band.clear();
  return series;
}

// KiB of the weights as they are deployed; NaN where no run has a checkpoint.
double weight_kib(const Arm& arm) {
  for (const auto& [seed, run] : arm.runs) {
    const std::string file = run.path + "/last.safetensors";
    if (std::filesystem::is_regular_file(file))
      return double(cost_of(load_net(file).info.spec).parameter_bits) / 8 / 1024;
  }
  return std::nan("");
}

}  // namespace

std::vector<size_t> pareto_front(const std::vector<std::pair<double, double>>& points) {
  std::vector<size_t> order, front;
  for (size_t i = 0; i < points.size(); ++i)
    if (std::isfinite(points[i].first) && std::isfinite(points[i].second)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return points[a].first != points[b].first ? points[a].first < points[b].first : points[a].second > points[b].second;
  });
  double best = -std::numeric_limits<double>::infinity();
  for (size_t i : order)
    if (points[i].second > best) front.push_back(i), best = points[i].second;
  return front;
}

std::string arms_chart(const std::vector<Arm>& arms) {
  Panel curves{"Accuracy by epoch", "epoch", "%", {}}, sizes{"Against size", "KiB of weights", "%", {}};
  std::vector<std::pair<double, double>> points;
  for (const Arm& arm : arms) {
    curves.series.push_back(curve_of(arm));
    const std::vector<ArmRow> row = compare({arm}, 0, ArmMetric::kTop1);
    points.emplace_back(weight_kib(arm), row[0].own.n ? row[0].own.mean : std::nan(""));
    Series dot{arm.name, {}};
    dot.dots_only = true;
    if (std::isfinite(points.back().first)) dot.points.push_back(points.back());
    sizes.series.push_back(dot);
  }
  Series front{"Pareto front", {}};
  for (size_t i : pareto_front(points)) front.points.push_back(points[i]);
  sizes.series.push_back(front);
  return line_chart("Settings over their seeds: mean, least and largest", {curves, sizes});
}

}  // namespace bantam
