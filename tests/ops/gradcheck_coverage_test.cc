// No op lacks a gradient check: every record("name", ...) in the sources has a gradcheck("name", ...) in a test. The
// harness itself refuses a name that is not in the graph, so a name in a test is a check that ran.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

struct Calls {
  std::set<std::string> names;
  std::vector<std::string> unnamed;  // files with a call whose first argument is no literal
};

// First arguments of calls of `function` in `text`; declarations (a type before the argument) do not count.
void find_calls(const std::string& text, const std::string& function, const std::string& where, Calls* out) {
  const std::string needle = function + "(";
  for (size_t at = text.find(needle); at != std::string::npos; at = text.find(needle, at + 1)) {
    const char before = at == 0 ? ' ' : text[at - 1];
    if (isalnum(static_cast<unsigned char>(before)) || before == '_') continue;
    size_t p = text.find_first_not_of(" \n\t", at + needle.size());
    if (p == std::string::npos || text.compare(p, 6, "const ") == 0 || text[p] == ')') continue;
    if (text[p] != '"') {
      out->unnamed.push_back(where);
      continue;
    }
    const size_t end = text.find('"', p + 1);
    out->names.insert(text.substr(p + 1, end - p - 1));
  }
}

std::string strip_comments(const std::string& text) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t c = line.find("//");
    out += (c == std::string::npos ? line : line.substr(0, c)) + "\n";
  }
  return out;
}

Calls calls_below(const std::vector<std::string>& folders, const std::string& function, const std::string& ending) {
  Calls calls;
  for (const std::string& folder : folders) {
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string path = entry.path().string();
      if (path.size() < ending.size() || path.compare(path.size() - ending.size(), ending.size(), ending) != 0)
        continue;
      std::ifstream in(path);
      std::stringstream text;
      text << in.rdbuf();
      find_calls(strip_comments(text.str()), function, path, &calls);
    }
  }
  return calls;
}

}  // namespace

TEST_CASE("gradients: every op that is recorded has a gradient check, and those of ops/ a dry run") {
  REQUIRE_MESSAGE(fs::exists("ops/meson.build"), "run the tests from the root of the sources");
  Calls recorded = calls_below({"ops", "nn", "compress"}, "record", ".cc");
  // These record under the names that their callers give.
  std::erase(recorded.unnamed, "nn/batch_blocks.cc");
  for (const char* function : {"in_batch_blocks", "norm_in_batch_blocks"})
    recorded.names.merge(calls_below({"ops", "nn", "compress"}, function, ".cc").names);
  const Calls checked = calls_below({"tests"}, "gradcheck", "_test.cc");
  for (const std::string& file : recorded.unnamed) FAIL_CHECK(file << ": record() wants the op's name as a literal");
  for (const std::string& name : recorded.names)
    CHECK_MESSAGE(checked.names.count(name) == 1, "no gradcheck(\"" << name << "\", ...) in tests/");
  const Calls dry = calls_below({"tests/ops"}, "check", "/dry_run_test.cc");
  for (const std::string& name : calls_below({"ops"}, "record", ".cc").names)
    CHECK_MESSAGE(dry.names.count(name) == 1, "no check(\"" << name << "\", ...) in tests/ops/dry_run_test.cc");
}

TEST_CASE(
    "gradients: the search finds calls, skips comments and declarations, and reports names that are no literals") {
  Calls calls;
  find_calls(strip_comments("x = record(\"a\", y);\n// record(\"b\")\nreturn record(\n    \"c\", z); Tensor "
                            "record(const char* op); recording(\"d\"); record(op);"),
             "record", "file", &calls);
  CHECK(calls.names == std::set<std::string>{"a", "c"});
  CHECK(calls.unnamed == std::vector<std::string>{"file"});
}
