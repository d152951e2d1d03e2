// Which SIMD targets this build holds code for: bits of Highway's numbering, and their names.
#pragma once

#include <stdint.h>

namespace bantam {

int64_t compiled_targets() noexcept;
int64_t best_target() noexcept;                        // of these, the one that this machine runs
const char* target_name(int64_t target_bit) noexcept;  // "AVX3_DL"

}  // namespace bantam
