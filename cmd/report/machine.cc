#include "cmd/report/machine.h"

#include <algorithm>
#include <vector>

#include "cmd/report/terminal.h"
#include "core/parallel.h"
#include "ops/kernels_train/fma_burst.h"

namespace bantam {

double fma_peak() {
  constexpr int64_t kTurns = 20000;  // well under a millisecond
  const int64_t pieces = 4 * threads();
  std::vector<int64_t> done(static_cast<size_t>(pieces));
  double best = 0;
  for (int run = 0; run < 12; ++run) {
    const double start = monotonic_seconds();
    parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        float values[2] = {0.5f, 0.25f};
        done[size_t(i)] = fma_burst(kTurns, values);
        if (!(values[0] == values[0])) done[size_t(i)] = 0;  // uses the result
      }
    });
    const double seconds = monotonic_seconds() - start;
    int64_t sum = 0;
    for (int64_t n : done) sum += n;
    best = std::max(best, double(sum) / seconds);
  }
  return best;
}

CoreProbe probe_cores(int count) {
  const int before = threads();
  CoreProbe probe;
  set_threads(1);
  probe.one = fma_peak();
  set_threads(count);
  probe.threads = threads();
  probe.all = probe.threads == 1 ? probe.one : fma_peak();
  set_threads(before);
  return probe;
}

}  // namespace bantam
