// bantam eval: accuracy of a checkpoint or a packed model.
#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/svg.h"
#include "cmd/report/terminal.h"
#include "cmd/report/text.h"
#include "core/parallel.h"

namespace bantam {
namespace {

bool ends_with(const std::string& s, const std::string& end) {
  return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
}

Json share_json(int64_t right, int64_t n) {
  const Interval i = wilson95(right, n);
  return Json::object(
      {{"value", n ? double(right) / double(n) : 0.0}, {"right", right}, {"low95", i.low}, {"high95", i.high}});
}

Json metrics_json(const Metrics& m, const std::vector<std::string>& names) {
  const auto optional = [](const std::optional<double>& v) { return v ? Json(*v) : Json(); };
  Json classes = Json::array(), confusion = Json::array();
  for (int c = 0; c < m.classes(); ++c) {
    const ClassFigures f = m.figures_of(c);
    classes.push(Json::object({{"name", names[size_t(c)]},
                               {"images", f.images},
                               {"recall", optional(f.recall)},
                               {"precision", optional(f.precision)},
                               {"f1", optional(f.f1)}}));
    Json row = Json::array();
    for (int p = 0; p < m.classes(); ++p) row.push(m.confusion(c, p));
    confusion.push(row);
  }
  return Json::object({{"images", m.images()},
                       {"loss", m.loss()},
                       {"top1", share_json(m.top1_right(), m.images())},
                       {"top5", share_json(m.top5_right(), m.images())},
                       {"classes", classes},
                       {"confusion", confusion}});
}

}  // namespace

int run_eval(const EvalArgs& args) {
  if (!args.confusion.empty() && !ends_with(args.confusion, ".csv") && !ends_with(args.confusion, ".svg"))
    throw UsageError("--confusion " + args.confusion + ": the name must end in .csv or .svg");
  set_threads(args.common.threads);
  AnyModel model = load_any(args.model);
  EvalImages images(model, {args.data, args.kind, args.split, args.images, args.resize});
  const Dataset& data = images.data();

  Progress progress(stderr_terminal(args.common.no_progress, args.common.quiet));
  Scorer scorer(&model);
  Metrics metrics(data.classes());
  const double start = monotonic_seconds();
  for (int64_t begin = 0; begin < data.count; begin += args.batch) {
    const int64_t n = std::min(args.batch, data.count - begin);
    const Tensor scores = scorer(images.get(begin, n));
    const float* s = scores.data<float>();
    const int32_t* labels = data.labels.data() + begin;
    metrics.add(s, labels, n, cross_entropy_sum(s, labels, n, data.classes()));
    ProgressState state;
    state.title = "evaluate";
    state.done = metrics.images();
    state.total = data.count;
    state.loss = metrics.loss();
    state.accuracy = metrics.top1();
    const double seconds = monotonic_seconds() - start;
    state.images_per_second = seconds > 0 ? double(metrics.images()) / seconds : 0;
    state.seconds_left = seconds / double(metrics.images()) * double(data.count - metrics.images());
    progress.update(state);
  }
  progress.clear();

  if (!args.confusion.empty())
    atomic_write(args.confusion, ends_with(args.confusion, ".csv") ? confusion_csv(metrics, model.class_names)
                                                                   : confusion_chart(metrics, model.class_names));
  if (args.common.json) {
    Json report =
        Json::object({{"model", model.path}, {"kind", model.kind()}, {"data", data.name}, {"split", args.split}});
    const Json figures = metrics_json(metrics, model.class_names);
    for (const auto& [key, value] : figures.as_object()) report.set(key, value);
    print_report("eval", report);
  } else {
    print(model.path + " on " + thousands(metrics.images()) + " " + args.split + " images of " + data.name + "\n\n" +
          metrics_text(metrics, model.class_names));
  }
  return kExitOk;
}

}  // namespace bantam
