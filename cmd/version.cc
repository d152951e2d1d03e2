// bantam --version: what a bug report needs to say.
#include "cmd/commands.h"
#include "compress/runtime/bnt.h"
#include "core/parallel.h"
#include "data/image.h"
#include "ops/kernels/targets.h"

namespace bantam {

std::string version_text() {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
#if defined(HWY_COMPILE_ONLY_SCALAR)
  const char* dispatch = "scalar build";
#elif defined(HWY_COMPILE_ONLY_STATIC)
  const char* dispatch = "fixed when built";
#else
  const char* dispatch = "chosen at run time";
#endif
  std::string targets;
  const int64_t compiled = compiled_targets();
  for (int bit = 0; bit < 63; ++bit)
    if (compiled >> bit & 1) targets += (targets.empty() ? "" : " ") + std::string(target_name(int64_t(1) << bit));
  set_threads(0);
  return "bantam " BANTAM_VERSION
         "\n"
         "runtime       " +
         std::string(bnt_version()) + "\n" + "compiler      " + compiler + "\n" + "SIMD targets  " + targets + "\n" +
         "SIMD in use   " + target_name(best_target()) + " (" + dispatch + ")\n" + "threads       " +
         std::to_string(threads()) + " (" + threads_backend() + ")\n" + "images        JPEG by " + jpeg_decoder() +
         ", PNG by " + png_decoder() + "\n";
}

}  // namespace bantam
