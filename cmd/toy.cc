// bantam toy: a method's behavior on a problem that fits on a page.
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/surface_svg.h"
#include "cmd/report/text.h"
#include "cmd/run/toy_apsq.h"
#include "core/file.h"

namespace bantam {
namespace {

std::string figure_of(const std::vector<ToyTrajectory>& all) {
  constexpr double kSize = 5;
  Surface surface{.height =
                      [](double x, double y) {
                        return toy_loss({x, y});
                      },
                  .low = {-2.5, -1},
                  .high = {3, 4.5},
                  .levels = {0.25, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                  .minima = {{1, 1}, {0, 3}},
                  .lines = {{{{-kSize, -kSize}, {kSize, kSize}}}, {{{-kSize, kSize}, {kSize, -kSize}}}}};
  std::vector<SurfacePanel> panels;
  for (const ToyTrajectory& t : all) {
    const ToyStep& end = t.steps.back();
    SurfacePanel panel{.title = t.arm.name,
                       .note = std::to_string(t.flips) + " sign flips in " + std::to_string(t.arm.steps) +
                               " steps; ends at loss " + fixed(end.loss, 3)};
    SurfacePath real{.name = "real"}, quantized{.name = "quantized"};
    for (const ToyStep& s : t.steps) real.points.push_back(s.real), quantized.points.push_back(s.quantized);
    panel.paths = {real, quantized};
    panels.push_back(panel);
  }
  return surface_chart("Two weights with one scale: what can be reached lies on the diagonals", surface, panels, 2);
}

}  // namespace

int run_toy(const ToyArgs& args) {
  if (args.which != "apsq") throw UsageError("toy: unknown problem '" + args.which + "'; known: apsq");
  std::vector<ToyTrajectory> all;
  for (const ToyArm& arm : toy_arms()) all.push_back(run_toy(arm));
  if (!args.out.empty()) atomic_write(args.out, figure_of(all));
  Json rows = Json::array();
  std::string text = "arm                     steps  flips  ends at           loss    cosine\n";
  for (const ToyTrajectory& t : all) {
    const ToyStep& end = t.steps.back();
    rows.push(Json::object({{"arm", t.arm.name},
                            {"steps", t.arm.steps},
                            {"flips", t.flips},
                            {"x", end.quantized[0]},
                            {"y", end.quantized[1]},
                            {"loss", end.loss},
                            {"cosine", end.cosine}}));
    text += pad_right(t.arm.name, 24) + pad_left(std::to_string(t.arm.steps), 5) +
            pad_left(std::to_string(t.flips), 7) + "  " +
            pad_right("(" + fixed(end.quantized[0], 3) + ", " + fixed(end.quantized[1], 3) + ")", 18) +
            pad_right(fixed(end.loss, 3), 8) + fixed(end.cosine, 4) + "\n";
  }
  if (args.common.json)
    print_report("toy", Json::object({{"problem", args.which}, {"arms", rows}}));
  else
    print(text + (args.out.empty() ? "" : args.out + ": the trajectories over the loss\n"));
  return kExitOk;
}

}  // namespace bantam
