// The command line as data. CLI11 stays in command_line.cc.
#pragma once

#include <string>
#include <variant>

#include "cmd/commands.h"

namespace bantam {

struct PrintArgs {
  std::string text;  // help or version: to stdout
};
using Command = std::variant<PrintArgs, TrainArgs, EvalArgs, PredictArgs, InfoArgs, PackArgs, QuantizeArgs, InspectArgs,
                             ConvertArgs, VerifyArgs, BenchArgs, BatchesArgs, ImagesArgs, ToyArgs, ReportArgs>;

// Throws UsageError: one line, with the nearest known name where a flag or a subcommand is unknown.
Command parse_command_line(int argc, const char* const* argv);

}  // namespace bantam
