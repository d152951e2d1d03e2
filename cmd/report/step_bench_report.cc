#include "cmd/report/step_bench_report.h"

#include <algorithm>

#include "cmd/report/text.h"

namespace bantam {
namespace {

const char* mode(const StepBenchRow& r) { return r.options.evaluation ? "evaluation" : "training"; }

Json probe_json(const CoreProbe& p) {
  return Json::object({{"threads", p.threads},
                       {"one_gflops", 2e-9 * p.one},
                       {"all_gflops", 2e-9 * p.all},
                       {"ratio", p.ratio()},
                       {"real_cores", p.real_cores()}});
}

std::string probe_text(const CoreProbe& p) {
  if (p.threads == 1) return fixed(2e-9 * p.one, 0) + " GFLOP/s";
  return fixed(2e-9 * p.one, 0) + " GFLOP/s on 1 thread, " + fixed(2e-9 * p.all, 0) + " on " +
         std::to_string(p.threads) + " (" + fixed(p.ratio(), 2) + " times" +
         (p.real_cores() ? "" : ": NOT cores of their own; times on more than one thread mean little") + ")";
}

Json node_json(const NodeTimes& n) {
  const auto text = [](const std::string& s) { return s.empty() ? Json() : Json(s); };
  return Json::object({{"name", n.name},
                       {"kind", n.kind},
                       {"forward_ms", n.forward_ms},
                       {"backward_ms", n.backward_ms},
                       {"macs", n.macs},
                       {"forward", text(n.forward)},
                       {"input_gradient", text(n.input_gradient)},
                       {"weight_gradient", text(n.weight_gradient)}});
}

std::string ms(double v) { return fixed(v, v < 1 ? 4 : v < 10 ? 3 : v < 100 ? 2 : 1); }

std::string row_text(const StepBenchRow& r) {
  const double observed = r.forward_ms + r.loss_ms + r.backward_ms + r.optimizer_ms;
  std::string s = r.recipe + ", " + mode(r) + ", batch " + std::to_string(r.options.batch) + ", " +
                  std::to_string(r.options.threads) + (r.options.threads == 1 ? " thread" : " threads") +
                  ": where the time goes (" + ms(observed) + " ms observed: forward " + ms(r.forward_ms);
  if (!r.options.evaluation)
    s += ", loss " + ms(r.loss_ms) + ", backward " + ms(r.backward_ms) + ", optimizer " + ms(r.optimizer_ms);
  s += ")\n\n";
  std::vector<std::vector<std::string>> kinds{{"kind", "forward ms", "backward ms", "share %"}};
  for (const NodeTimes& k : by_kind(r.nodes))
    kinds.push_back(
        {k.kind, ms(k.forward_ms), ms(k.backward_ms), fixed(100 * (k.forward_ms + k.backward_ms) / observed, 1)});
  s += markdown_table(kinds) + "\n";
  std::vector<std::vector<std::string>> nodes{
      {"products", "forward ms", "backward ms", "GFLOP/s", "forward", "input gradient", "weight gradient"}};
  for (const NodeTimes& n : r.nodes) {
    if (n.forward.empty()) continue;
    const int passes = 1 + !n.input_gradient.empty() + !n.weight_gradient.empty();
    const auto name = [](const std::string& a) { return a.empty() ? std::string("-") : a; };
    nodes.push_back({n.name, ms(n.forward_ms), ms(n.backward_ms),
                     fixed(2e-6 * double(n.macs) * passes / (n.forward_ms + n.backward_ms), 0), n.forward,
                     name(n.input_gradient), name(n.weight_gradient)});
  }
  return s + markdown_table(nodes);
}

}  // namespace

std::vector<NodeTimes> by_kind(const std::vector<NodeTimes>& nodes) {
  std::vector<NodeTimes> kinds;
  for (const NodeTimes& n : nodes) {
    const std::string kind = n.kind + (n.forward.empty() ? "" : " " + n.forward);
    auto it = std::find_if(kinds.begin(), kinds.end(), [&](const NodeTimes& k) { return k.kind == kind; });
    if (it == kinds.end()) it = kinds.insert(kinds.end(), {"", kind, 0, 0, 0, "", "", ""});
    it->forward_ms += n.forward_ms;
    it->backward_ms += n.backward_ms;
    it->macs += n.macs;
  }
  std::erase_if(kinds, [](const NodeTimes& k) { return k.forward_ms + k.backward_ms == 0; });
  std::stable_sort(kinds.begin(), kinds.end(), [](const NodeTimes& a, const NodeTimes& b) {
    return a.forward_ms + a.backward_ms > b.forward_ms + b.backward_ms;
  });
  return kinds;
}

Json step_bench_json(const StepBenchReport& report) {
  Json rows = Json::array();
  for (const StepBenchRow& r : report.rows) {
    Json kinds = Json::array(), nodes = Json::array();
    for (const NodeTimes& k : by_kind(r.nodes))
      kinds.push(Json::object({{"kind", k.kind}, {"forward_ms", k.forward_ms}, {"backward_ms", k.backward_ms}}));
    for (const NodeTimes& n : r.nodes) nodes.push(node_json(n));
    rows.push(Json::object({{"recipe", r.recipe},
                            {"mode", mode(r)},
                            {"threads", r.options.threads},
                            {"batch", r.options.batch},
                            {"runs", r.options.runs},
                            {"step_ms_median", r.median_ms},
                            {"step_ms_min", r.min_ms},
                            {"step_ms_max", r.max_ms},
                            {"step_cpu_ms_median", r.cpu_ms},
                            {"images_per_s", r.images_per_s()},
                            {"gflops", r.gflops()},
                            {"peak_gflops", r.peak_gflops},
                            {"peak_share", r.peak_share()},
                            {"pool_high_water_bytes", r.pool_high_water_bytes},
                            {"forward_ms", r.forward_ms},
                            {"loss_ms", r.loss_ms},
                            {"backward_ms", r.backward_ms},
                            {"optimizer_ms", r.optimizer_ms},
                            {"by_kind", kinds},
                            {"nodes", nodes}}));
  }
  return Json::object(
      {{"cores_before", probe_json(report.before)}, {"cores_after", probe_json(report.after)}, {"rows", rows}});
}

std::string step_bench_csv(const StepBenchReport& report) {
  std::string s =
      "recipe,mode,threads,batch,runs,step_ms_median,step_ms_min,step_ms_max,images_per_s,gflops,peak_gflops,peak_"
      "share,"
      "pool_high_water_bytes\n";
  for (const StepBenchRow& r : report.rows) {
    const bool quoted = r.recipe.find_first_of(",\"") != std::string::npos;
    s += (quoted ? json_quote(r.recipe) : r.recipe) + "," + mode(r) + "," + std::to_string(r.options.threads) + "," +
         std::to_string(r.options.batch) + "," + std::to_string(r.options.runs);
    for (double v : {r.median_ms, r.min_ms, r.max_ms, r.images_per_s(), r.gflops(), r.peak_gflops, r.peak_share()})
      s += "," + shortest(v);
    s += "," + std::to_string(r.pool_high_water_bytes) + "\n";
  }
  return s;
}

std::string step_bench_markdown(const StepBenchReport& report) {
  std::vector<std::vector<std::string>> rows{{"recipe", "mode", "threads", "batch", "median ms", "min", "max", "CPU ms",
                                              "runs", "images/s", "GFLOP/s", "% of peak", "pool high water"}};
  for (const StepBenchRow& r : report.rows)
    rows.push_back({r.recipe, mode(r), std::to_string(r.options.threads), std::to_string(r.options.batch),
                    ms(r.median_ms), ms(r.min_ms), ms(r.max_ms), ms(r.cpu_ms), std::to_string(r.options.runs),
                    fixed(r.images_per_s(), 0), fixed(r.gflops(), 1), fixed(100 * r.peak_share(), 1),
                    bytes_text(r.pool_high_water_bytes)});
  std::string s = markdown_table(rows) + "\nFused multiply-adds from registers before: " + probe_text(report.before) +
                  "; after: " + probe_text(report.after) +
                  ".\nGFLOP/s count two for each multiply-add of a direct convolution in each pass that is done.\n";
  for (const StepBenchRow& r : report.rows) s += "\n" + row_text(r);
  return s;
}

}  // namespace bantam
