#include "cmd/report/c_array.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "compress/pack/packed_model.h"
#include "tests/compress/golden_net.h"

namespace bantam {
namespace {

// The numbers between the first pair of braces behind the array's declaration.
std::vector<uint8_t> bytes_of(const std::string& source) {
  std::vector<uint8_t> bytes;
  const char* p = source.c_str() + source.find("] = {") + 5;
  for (char* end = nullptr; *p != '}'; p = end + 1) {
    bytes.push_back(uint8_t(strtoul(p, &end, 10)));
    if (*end != ',') FAIL("a number is not followed by a comma");
    if (end[1] == '\n') ++end;
  }
  return bytes;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("c array: the source holds the file's bytes, the header the sizes that the runtime asks for") {
  const std::vector<uint8_t> file = golden_file();
  const PackedModel model(file);
  const CArray c = c_array(file, model.info(), "net", "best.safetensors");
  CHECK(c.symbol == "net_bnt");
  CHECK(bytes_of(c.source) == file);
  CHECK(has(c.source, "#include \"net.h\"\n"));
  CHECK(has(c.source, "const unsigned int net_bnt_len = NET_BNT_LEN;"));
  CHECK(has(c.source, "bantam 0"));
  CHECK(has(c.source, " from best.safetensors."));
  CHECK(has(c.header, "#define NET_BNT_LEN " + std::to_string(file.size()) + "u"));
  CHECK(has(c.header, "#define NET_BNT_MODEL_BYTES " + std::to_string(model.info().model_bytes) + "u"));
  CHECK(has(c.header, "#define NET_BNT_ARENA_BASE " + std::to_string(model.info().arena_base) + "u"));
  CHECK(has(c.header, "#define NET_BNT_ARENA_PER_LANE " + std::to_string(model.info().arena_per_lane) + "u"));
  CHECK(has(c.header, "#define NET_BNT_CLASSES " + std::to_string(model.info().classes) + "u"));
  CHECK(has(c.header, "mem[NET_BNT_MODEL_BYTES]"));
}

TEST_CASE("c array: names become identifiers and plain comments") {
  const std::vector<uint8_t> file = golden_file();
  bnt_info info = PackedModel(file).info();
  CHECK(c_array(file, info, "2-nd net", "x").symbol == "_2_nd_net_bnt");
  CHECK(c_array(file, info, "int", "x").symbol == "int_bnt");
  const CArray c = c_array(file, info, "a", "*/ int x; /*\n\\\xC3\xA9?");
  CHECK(has(c.source, " from __ int x_ _______.\n"));
  CHECK(has(c.header, " from __ int x_ _______.\n"));
  info.model_bytes = 0;  // of a float net: an array of no bytes is no C
  const CArray none = c_array(file, info, "a", "x");
  CHECK(!has(none.header, "mem["));
  CHECK(has(none.header, "bnt_load(a_bnt, a_bnt_len, 0, 0, &model, 0)"));
}

}  // namespace bantam
