#include "core/json.h"

#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  Json v;
  try {
    v = Json::parse(as_text(input));
  } catch (const JsonError&) {
    return;
  }
  // What was accepted can be written, and comes back as it was.
  std::string text = v.dump();
  FUZZ_CHECK(Json::parse(text) == v);
  FUZZ_CHECK(Json::parse(v.dump(2)) == v);
  // Whoever reads it asks for types and keys; wrong guesses throw JsonError and nothing else.
  for (auto ask :
       {+[](const Json& j) { j.as_bool(); }, +[](const Json& j) { j.as_int(); }, +[](const Json& j) { j.as_uint(); },
        +[](const Json& j) { j.as_double(); }, +[](const Json& j) { j.as_string(); },
        +[](const Json& j) { j.as_array(); }, +[](const Json& j) { j.at("a"); }}) {
    try {
      ask(v);
    } catch (const JsonError&) {
    }
  }
  Json built = Json::object({{"value", v}, {"f", 0.5f}});
  built.set("list", Json().push(v).push(nullptr));
  FUZZ_CHECK(built.at("list").size() == 2);
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  for (const char* text : {R"({"a":[1,-2,3.5,1e-7,true,false,null,"x\u00e9\n"],"b":{"c":{}}})", "[]",
                           "\"\\ud83d\\ude00\"", "18446744073709551615", "-9223372036854775808", " [ 1 , 2 ] "})
    seed(as_bytes(text));
  // Refusals that chance finds late.
  for (const char* text : {R"({"a":1,"a":2})", "[1e999]", "[18446744073709551616]", "\xEF\xBB\xBF{}", "{\"a\xC3\":1}"})
    seed(as_bytes(text));
  seed(as_bytes(std::string(80, '[')));
  seed(as_bytes(std::string_view("[]\0", 3)));
}

}  // namespace bantam
