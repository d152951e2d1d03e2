// What can end a command, and the exit code that it ends with. Errors of other folders (bad files, I/O) keep their own
// classes; main.cc maps all of them.
#pragma once

#include <stdexcept>
#include <string>

namespace bantam {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,   // a failure at run time
  kExitUsage = 2,     // command line or recipe
  kExitBadFile = 3,   // an input file that is corrupt or not what it should be
  kExitNumeric = 4,   // NaN or infinity while training
  kExitIo = 5,        // disk full, I/O error
  kExitMismatch = 6,  // verify: values differ
  kExitInterrupt = 130,
  kExitTerminate = 143,
};

// The command line or the recipe asks for something that does not exist or does not fit.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A loss or a gradient that is no longer a finite number.
class NumericError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace bantam
