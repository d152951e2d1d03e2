// json_check FILE [KEY...]: exit 0 if every line of FILE is a JSON object with `schema` 1 that has all the keys. Lets
// the scripts judge what the program prints by the project's own strict reader.
#include <cstdio>

#include "core/file.h"
#include "core/json.h"

int main(int argc, char** argv) {
  using namespace bantam;
  if (argc < 2) return 2;
  try {
    std::string text = read_text(argv[1], 1 << 24);
    size_t lines = 0;
    for (size_t at = 0; at < text.size(); ++lines) {
      size_t end = text.find('\n', at);
      if (end == std::string::npos) throw JsonError("the last line does not end");
      Json line = Json::parse(std::string_view(text).substr(at, end - at));
      if (line.at("schema").as_int() != 1) throw JsonError("another schema");
      for (int i = 2; i < argc; ++i) line.at(argv[i]);
      at = end + 1;
    }
    return lines > 0 ? 0 : 1;
  } catch (const std::exception& e) {
    fprintf(stderr, "json_check: %s\n", e.what());
    return 1;
  }
}
