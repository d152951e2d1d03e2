// bantam verify: a packed model against its checkpoint, value by value, at every tensor that the packed model
// materializes.
#include "compress/pack/verify.h"

#include <algorithm>
#include <memory>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/terminal.h"
#include "cmd/report/text.h"
#include "core/parallel.h"
#include "data/transforms.h"

namespace bantam {
namespace {

constexpr int64_t kBatch = 32;

struct Verification {
  const VerifyReport& report;
  int64_t checkpoint_right = 0, packed_right = 0;
  double share(int64_t right) const { return double(right) / double(std::max<int64_t>(1, report.images)); }
};

std::string verify_text(const Verification& v) {
  size_t width = 6;
  for (const VerifiedTensor& t : v.report.tensors) width = std::max(width, t.name.size());
  std::string out = pad_right("tensor", width) + pad_left("type", 6) + pad_left("size", 14) + pad_left("values", 16) +
                    pad_left("differing", 12) + "\n";
  for (const VerifiedTensor& t : v.report.tensors) {
    const std::string size = std::to_string(t.h) + "x" + std::to_string(t.w) + "x" + std::to_string(t.c);
    out += pad_right(t.name, width) + pad_left(t.type, 6) + pad_left(size, 14) + pad_left(thousands(t.values), 16) +
           pad_left(thousands(t.differing), 12) + "\n";
  }
  const auto percent = [&](int64_t right) { return fixed(100.0 * v.share(right), 2) + " %"; };
  return out + "\n" + thousands(v.report.images) + " images, " + thousands(v.report.values) +
         " values: " + thousands(v.report.differing_values) + " differ; " + thousands(v.report.differing_predictions) +
         " predictions differ\ntop-1: checkpoint " + percent(v.checkpoint_right) + ", packed " +
         percent(v.packed_right) + "\n";
}

Json verify_json(const Verification& v) {
  Json tensors = Json::array();
  for (const VerifiedTensor& t : v.report.tensors) {
    Json dims = Json::array();
    for (int64_t d : {t.h, t.w, t.c}) dims.push(d);
    tensors.push(Json::object(
        {{"name", t.name}, {"type", t.type}, {"dims", dims}, {"values", t.values}, {"differing", t.differing}}));
  }
  return Json::object({{"images", v.report.images},
                       {"values", v.report.values},
                       {"differing_values", v.report.differing_values},
                       {"differing_predictions", v.report.differing_predictions},
                       {"checkpoint_top1", v.share(v.checkpoint_right)},
                       {"packed_top1", v.share(v.packed_right)},
                       {"tensors", tensors}});
}

}  // namespace

int run_verify(const VerifyArgs& args) {
  set_threads(args.common.threads);
  AnyModel net;
  net.net = load_net(args.checkpoint);
  net.path = net.net->path;
  const Shape in = infer_shapes(net.net->info.spec)[0];
  net.h = in[1], net.w = in[2], net.c = in[3];
  net.class_names = net.net->info.class_names;
  std::unique_ptr<PackedModel> packed = load_packed(args.packed);
  const bnt_info& info = packed->info();
  if (info.h != net.h || info.w != net.w || info.c != net.c || int(info.classes) != net.classes())
    throw UsageError(args.packed + ": input or classes are not those of " + net.path);
  check_switch(info, args.active, args.packed);
  packed->set_switch(uint32_t(args.active));
  EvalImages images(net, {args.data, args.kind, args.split, args.images, args.resize});
  const Dataset& data = images.data();
  const Tensor byte_values = byte_values_of(*net.net);

  Progress progress(stderr_terminal(args.common.no_progress, args.common.quiet));
  std::unique_ptr<Verifier> verifier;
  try {
    verifier = std::make_unique<Verifier>(*net.net->net, std::move(packed));
  } catch (const Error& e) {  // the packed model of another net: the wrong pair was named
    throw UsageError(args.packed + ": " + e.what());
  }
  Verification v{verifier->report()};
  const double start = monotonic_seconds();
  for (int64_t begin = 0; begin < data.count; begin += kBatch) {
    const int64_t n = std::min(kBatch, data.count - begin);
    const Verifier::Predictions p = verifier->add({images.get(begin, n), byte_values});
    for (int64_t i = 0; i < n; ++i) {
      v.checkpoint_right += p.trained[size_t(i)] == data.labels[size_t(begin + i)];
      v.packed_right += p.packed[size_t(i)] == data.labels[size_t(begin + i)];
    }
    const int64_t done = v.report.images;
    const double seconds = monotonic_seconds() - start;
    ProgressState state;
    state.title = "verify";
    state.done = done;
    state.total = data.count;
    state.evaluating = true;
    state.images_per_second = seconds > 0 ? double(done) / seconds : 0;
    state.seconds_left = seconds / double(done) * double(data.count - done);
    progress.update(state);
  }
  progress.clear();
  if (args.common.json)
    print_report("verify", verify_json(v));
  else
    print(verify_text(v));
  return !v.report.equal() ? kExitMismatch : kExitOk;
}

}  // namespace bantam
