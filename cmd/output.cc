#include "cmd/output.h"

#include <cerrno>
#include <cstdio>

#include "core/file.h"

namespace bantam {
namespace {

constexpr int kReportSchema = 1;

}  // namespace

void print(const std::string& text) { fwrite(text.data(), 1, text.size(), stdout); }

void print_report(const std::string& name, const Json& fields) {
  Json report = Json::object({{"schema", kReportSchema}, {"report", name}});
  for (const auto& [key, value] : fields.as_object()) report.set(key, value);
  print(report.dump() + "\n");
}

void flush_output() {
  errno = 0;
  if (fflush(stdout) != 0 || ferror(stdout)) throw IoError("stdout", "write", "write", errno ? errno : EIO);
}

}  // namespace bantam
