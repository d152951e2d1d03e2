// What all fuzzers share: the entry points of libFuzzer, or a main() that replays the seeds (see fuzz.h).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/hash.h"
#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_failed(const char* what, const char* file, int line) {
  fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
  abort();
}

}  // namespace bantam

#ifdef BANTAM_FUZZ

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bantam::fuzz_one({data, size});
  return 0;
}

// `fuzz_NAME --write-seeds=FOLDER` writes the seeds, named by their hash, and ends.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const char kFlag[] = "--write-seeds=";
  for (int i = 1; i < *argc; ++i) {
    if (strncmp((*argv)[i], kFlag, sizeof kFlag - 1) != 0) continue;
    std::string folder = (*argv)[i] + sizeof kFlag - 1;
    bantam::fuzz_seeds([&](bantam::ByteSpan seed) {
      bantam::atomic_write(folder + "/" + bantam::sha256_hex(seed).substr(0, 16), {&seed, 1});
    });
    exit(0);
  }
  return 0;
}

#else

int main() {
  // Enough to try every reader's every field, bounded in time for large seeds.
  constexpr size_t kMostTries = 4000;
  size_t seeds = 0;
  bantam::fuzz_seeds([&](bantam::ByteSpan seed) {
    ++seeds;
    bantam::fuzz_one(seed);
    size_t step = seed.size() / kMostTries + 1;
    for (size_t n = 0; n < seed.size(); n += step) bantam::fuzz_one(seed.first(n));
    bantam::Bytes flipped(seed.begin(), seed.end());
    for (size_t i = 0; i < seed.size(); i += step) {
      flipped[i] ^= uint8_t(1 << (i % 8));
      bantam::fuzz_one(flipped);
      flipped[i] ^= uint8_t(1 << (i % 8));
    }
  });
  printf("%d passed, %d failed\n", seeds > 0, seeds == 0);
  return seeds > 0 ? 0 : 1;
}

#endif
