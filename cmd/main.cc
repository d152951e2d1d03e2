// The program: parses the command line, runs a subcommand, and turns what went wrong into one line and an exit code.
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "cmd/command_line.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "core/file.h"
#include "core/json.h"
#include "core/tensor.h"

namespace bantam {
namespace {

int run(const PrintArgs& args) {
  print(args.text);
  return kExitOk;
}
int run(const TrainArgs& args) { return run_train(args); }
int run(const EvalArgs& args) { return run_eval(args); }
int run(const PredictArgs& args) { return run_predict(args); }
int run(const InfoArgs& args) { return run_info(args); }
int run(const PackArgs& args) { return run_pack(args); }
int run(const InspectArgs& args) { return run_inspect(args); }
int run(const QuantizeArgs& args) { return run_quantize(args); }
int run(const ConvertArgs& args) { return run_convert(args); }
int run(const VerifyArgs& args) { return run_verify(args); }
int run(const BenchArgs& args) { return run_bench(args); }
int run(const BatchesArgs& args) { return run_batches(args); }
int run(const ImagesArgs& args) { return run_images(args); }
int run(const ToyArgs& args) { return run_toy(args); }
int run(const ReportArgs& args) { return run_report(args); }

int fail(int code, std::string what) {
  for (char& c : what)
    if (c == '\n' || c == '\r') c = ' ';
  fprintf(stderr, "bantam: %s\n", what.c_str());
  return code;
}

int run_program(int argc, char** argv) {
  try {
    const Command command = parse_command_line(argc, argv);
    const int code = std::visit([](const auto& args) { return run(args); }, command);
    flush_output();
    return code;
  } catch (const UsageError& e) {
    return fail(kExitUsage, e.what());
  } catch (const FileError& e) {
    return fail(kExitBadFile, e.what());
  } catch (const JsonError& e) {
    return fail(kExitBadFile, e.what());
  } catch (const NumericError& e) {
    return fail(kExitNumeric, e.what());
  } catch (const IoError& e) {
    return fail(kExitIo, e.what());
  } catch (const std::bad_alloc&) {
    return fail(kExitFailure, "out of memory");
  } catch (const std::exception& e) {
    return fail(kExitFailure, e.what());
  }
}

}  // namespace
}  // namespace bantam

int main(int argc, char** argv) { return bantam::run_program(argc, argv); }
