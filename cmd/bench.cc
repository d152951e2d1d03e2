// bantam bench: latency of one image.
#include <algorithm>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/output.h"
#include "cmd/trainer/errors.h"
#include "cmd/trainer/terminal.h"
#include "cmd/trainer/text.h"
#include "core/parallel.h"
#include "core/rng.h"

namespace bantam {

int run_bench(const BenchArgs& args) {
  set_threads(args.common.threads);
  AnyModel model = load_any(args.model);
  if (model.packed && args.common.threads != 1)
    throw UsageError("bench: --threads: a packed model runs one image on one thread");
  const int64_t pixels = model.h * model.w * model.c;
  std::vector<uint8_t> image(static_cast<size_t>(pixels));
  const Rng rng(0, kRngTest, 1);
  for (size_t i = 0; i < image.size(); ++i) image[i] = uint8_t(rng.below(i, 256));

  // What is timed starts at u8 pixels and ends at scores, for both kinds.
  Scorer scorer(&model);
  std::vector<double> us;
  for (int i = 0; i < args.warmup + args.runs; ++i) {
    const double start = monotonic_seconds();
    const Tensor scores = scorer({image.data()});
    if (i >= args.warmup) us.push_back(1e6 * (monotonic_seconds() - start));
  }
  std::sort(us.begin(), us.end());
  const double median = us.size() % 2 ? us[us.size() / 2] : (us[us.size() / 2 - 1] + us[us.size() / 2]) / 2;
  if (args.common.json) {
    print_report("bench", Json::object({{"model", model.path},
                                        {"kind", model.kind()},
                                        {"threads", threads()},
                                        {"runs", args.runs},
                                        {"warmup", args.warmup},
                                        {"median_us", median},
                                        {"min_us", us.front()},
                                        {"max_us", us.back()}}));
  } else {
    print(model.path + " (" + model.kind() + "): one image, " + std::to_string(threads()) + " thread" +
          (threads() > 1 ? "s" : "") + ": median " + fixed(median, 1) + " us of " + std::to_string(args.runs) +
          " runs after " + std::to_string(args.warmup) + " (" + fixed(us.front(), 1) + " to " + fixed(us.back(), 1) +
          ")\n");
  }
  return kExitOk;
}

}  // namespace bantam
