#include "cmd/report/machine.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cmd/report/terminal.h"
#include "core/parallel.h"
#include "ops/kernels_train/fma_burst.h"
#include "ops/kernels_train/popcount_burst.h"

namespace bantam {
namespace {

// Work done a second by all threads together, the best of several runs; piece(i) does one piece's and says how much.
template <class Piece>
double best_rate(int64_t pieces, const Piece& piece) {
  std::vector<int64_t> done(static_cast<size_t>(pieces));
  double best = 0;
  for (int run = 0; run < 12; ++run) {
    const double start = monotonic_seconds();
    parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) done[size_t(i)] = piece(i);
    });
    const double seconds = monotonic_seconds() - start;
    int64_t sum = 0;
    for (int64_t n : done) sum += n;
    best = std::max(best, double(sum) / seconds);
  }
  return best;
}

}  // namespace

double fma_peak() {
  constexpr int64_t kTurns = 20000;  // well under a millisecond
  return best_rate(4 * threads(), [](int64_t) {
    float values[2] = {0.5f, 0.25f};
    const int64_t done = fma_burst(kTurns, values);
    return values[0] == values[0] ? done : 0;  // uses the result
  });
}

double popcount_peak() {
  constexpr int64_t kTurns = 20000;
  return 64 * best_rate(4 * threads(), [](int64_t) {
           uint64_t words[24], value = 0;
           for (uint64_t i = 0; i < 24; ++i) words[i] = 0x0123456789ABCDEFull * (i + 1);
           const int64_t done = popcount_burst(kTurns, words, &value);
           return value != 1 ? done : 0;  // uses the result
         });
}

double copy_peak(int64_t block_bytes) {
  // Each piece's blocks are its own, and as many copies as make a piece worth handing to a thread.
  const size_t block = size_t(std::clamp<int64_t>(block_bytes, 4096, int64_t(1) << 26));
  const int64_t pieces = threads(), copies = std::max<int64_t>(1, int64_t(1 << 21) / int64_t(block));
  std::vector<uint8_t> memory(2 * block * size_t(pieces), 1);
  return best_rate(pieces, [&](int64_t i) {
    uint8_t* const from = memory.data() + 2 * block * size_t(i);
    for (int64_t n = 0; n < copies; ++n) {
      memcpy(from + block, from, block);
      from[n % int64_t(block)] = uint8_t(from[2 * block - 1] + 1);  // no copy is like the one before it
    }
    return 2 * int64_t(block) * copies;
  });
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
