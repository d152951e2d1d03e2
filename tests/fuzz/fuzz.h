// A fuzzer is one file tests/fuzz/NAME.cc with the two functions below, and one line in tests/fuzz/targets.txt. In a
// fuzz build (meson -Dfuzz=true, clang) libFuzzer drives it; in any other build its seeds are replayed as a test,
// whole, cut off everywhere and with bits flipped, so that no fuzzer rots.
#pragma once

#include <functional>

#include "core/file.h"

namespace bantam {

// Tries one input. Returns for every input, accepted or not: an exception that escapes, a sanitizer's report, a failed
// FUZZ_CHECK is a finding.
void fuzz_one(ByteSpan input);
// Small valid inputs to start from.
void fuzz_seeds(const std::function<void(ByteSpan)>& seed);

[[noreturn]] void fuzz_failed(const char* what, const char* file, int line);
#define FUZZ_CHECK(x) ((x) ? void() : ::bantam::fuzz_failed(#x, __FILE__, __LINE__))

}  // namespace bantam
