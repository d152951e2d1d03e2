#include "core/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "tests/core/error_text.h"

namespace bantam {
namespace {

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  return error_text<JsonError>([&] { Json::parse(text, limits); });
}

TEST_CASE("json: values of every type come back as they were written, in their order") {
  std::string text =
      R"({"z":null,"a":[true,false,-1,0,9223372036854775807,18446744073709551615,0.5,1e-300],"s":"x\"\\\n","o":{}})";
  Json v = Json::parse(text);
  CHECK(v.dump() == text);
  CHECK(v.as_object()[0].first == "z");
  CHECK(v.at("a").as_array()[2].as_int() == -1);
  CHECK(v.at("a").as_array()[4].as_int() == INT64_MAX);
  CHECK(v.at("a").as_array()[5].as_uint() == UINT64_MAX);
  CHECK(v.at("a").as_array()[6].as_double() == 0.5);
  CHECK(v.at("s").as_string() == "x\"\\\n");
  CHECK(Json::parse(v.dump(2)) == v);
}

TEST_CASE("json: indented text") {
  Json v = Json::object({{"name", "net"}, {"sizes", Json::array().push(1).push(2)}, {"empty", Json::array()}});
  CHECK(v.dump(2) == "{\n  \"name\": \"net\",\n  \"sizes\": [\n    1,\n    2\n  ],\n  \"empty\": []\n}\n");
}

TEST_CASE("json: a double is the shortest text that reads back as the same double, and stays a double") {
  CHECK(Json(0.1).dump() == "0.1");
  CHECK(Json(1.0).dump() == "1.0");
  CHECK(Json(-0.0).dump() == "-0.0");
  CHECK(Json(1e22).dump() == "1e+22");
  CHECK(Json(5e-324).dump() == "5e-324");
  CHECK(Json(0.1f).dump() == "0.1");
  CHECK(Json(16777216.0f).dump() == "16777216.0");
  uint64_t bits = 12345;
  for (int i = 0; i < 20000; ++i) {
    bits = bits * 6364136223846793005u + 1442695040888963407u;
    double d;
    memcpy(&d, &bits, 8);
    if (!std::isfinite(d)) continue;
    Json back = Json::parse(Json(d).dump());
    REQUIRE(back.type() == Json::Type::kDouble);
    double e = back.as_double();
    REQUIRE(memcmp(&d, &e, 8) == 0);
  }
}

TEST_CASE("json: what JSON cannot say is written as null") {
  CHECK(Json(std::nan("")).dump() == "null");
  CHECK(Json(std::numeric_limits<double>::infinity()).dump() == "null");
  CHECK(Json(-std::numeric_limits<float>::infinity()).dump() == "null");
}

TEST_CASE("json: strings are escaped as little as JSON allows") {
  CHECK(json_quote("a/\x7f\xC3\xA9") == "\"a/\x7f\xC3\xA9\"");
  CHECK(json_quote(std::string_view("\0\x1f\b\f\n\r\t\"\\", 9)) == "\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\\"");
  CHECK(Json::parse("\"\\u0000\\ud83d\\ude00\\/\"").as_string() == std::string("\0\xF0\x9F\x98\x80/", 6));
  CHECK_THROWS_WITH_AS(json_quote("\xC3"), "not UTF-8: '\\xc3'", JsonError);
}

TEST_CASE("json: set replaces in place and keeps the order, push appends") {
  Json v;
  v.set("a", 1).set("b", 2).set("a", 3);
  CHECK(v.dump() == R"({"a":3,"b":2})");
  Json list;
  list.push(1).push("x");
  CHECK(list.dump() == R"([1,"x"])");
  CHECK(list.size() == 2);
  CHECK_THROWS_WITH_AS(list.set("a", 1), "expected an object, found an array", JsonError);
  CHECK(Json::object({{"a", 1}, {"a", 2}}).dump() == R"({"a":2})");
}

TEST_CASE("json: a value of another type than asked for is an error that names both") {
  Json v = Json::parse(R"({"i":-1,"u":18446744073709551615,"d":1.5,"s":"x"})");
  CHECK_THROWS_WITH_AS(v.at("d").as_int(), "expected an integer, found a number", JsonError);
  CHECK_THROWS_WITH_AS(v.at("s").as_double(), "expected a number, found a string", JsonError);
  CHECK_THROWS_WITH_AS(v.at("s").as_array(), "expected an array, found a string", JsonError);
  CHECK_THROWS_WITH_AS(v.at("s").as_bool(), "expected true or false, found a string", JsonError);
  CHECK_THROWS_WITH_AS(v.at("i").as_string(), "expected a string, found an integer", JsonError);
  CHECK_THROWS_WITH_AS(v.at("i").as_uint(), "integer out of range: -1", JsonError);
  CHECK_THROWS_WITH_AS(v.at("u").as_int(), "integer out of range: 18446744073709551615", JsonError);
  CHECK_THROWS_WITH_AS(v.at("q"), "missing key 'q'", JsonError);
  CHECK(v.at("i").as_double() == -1.0);
}

TEST_CASE("json: malformed texts, each with its error") {
  struct Row {
    std::string_view text, error;
  };
  using namespace std::string_view_literals;
  const Row rows[] = {
      {"", "at byte 1: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal"},
      {"{\"a\":1,\"a\":2}", "at byte 10: duplicate key 'a'"},
      {"{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "at byte 21: duplicate key 'b'"},
      {"{} x",
       "at byte 4: syntax error while parsing value - invalid literal; last read: '{} x'; expected end of input"},
      {"{}\0"sv, "at byte 2: NUL byte"},
      {"\xEF\xBB\xBF{}", "at byte 0: byte order mark"},
      {"[NaN]", "at byte 2: syntax error while parsing value - invalid literal; last read: '[N'"},
      {"[Infinity]", "at byte 2: syntax error while parsing value - invalid literal; last read: '[I'"},
      {"[1e999]", "at byte 6: number overflow parsing '1e999'"},
      {"[18446744073709551616]", "at byte 22: integer out of range: 18446744073709551616"},
      {"[-9223372036854775809]", "at byte 22: integer out of range: -9223372036854775809"},
      {"[01]", "at byte 3: syntax error while parsing array - unexpected number literal; expected ']'"},
      {"[1,]", "at byte 4: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal"},
      {"{\"a\" 1}", "at byte 6: syntax error while parsing object separator - unexpected number literal; expected ':'"},
      {"{a:1}",
       "at byte 2: syntax error while parsing object key - invalid literal; last read: '{a'; expected string literal"},
      {"[1 /* no */]", "at byte 4: syntax error while parsing array - invalid literal; last read: '1 /'; expected ']'"},
      {"\"\xC3(\"",
       "at byte 3: syntax error while parsing value - invalid string: ill-formed UTF-8 byte; last read: '\"\\xc3('"},
      {"\"\\ud800\"",
       "at byte 8: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by "
       "U+DC00..U+DFFF; last read: '\"\\ud800\"'"},
      {"\"\x01\"",
       "at byte 2: syntax error while parsing value - invalid string: control character U+0001 (SOH) must be escaped "
       "to \\u0001; last read: '\"<U+0001>'"},
      {"[\"abc",
       "at byte 6: syntax error while parsing value - invalid string: missing closing quote; last read: '\"abc'"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(error_of(row.text) == row.error);
  }
}

TEST_CASE("json: depth, number of values and size are bounded") {
  std::string nested = std::string(64, '[') + std::string(64, ']');
  CHECK(error_of(nested) == "accepted");
  CHECK(error_of("[" + nested + "]") == "at byte 65: nested deeper than 64 levels");
  CHECK(error_of(std::string(100000, '[')) == "at byte 65: nested deeper than 64 levels");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK(error_of(objects) == "at byte 321: nested deeper than 64 levels");
  CHECK(error_of("[1,2,3]", {.max_values = 4}) == "accepted");
  CHECK(error_of("[1,2,3]", {.max_values = 3}) == "at byte 7: more than 3 values");
  CHECK(error_of("[1,2,3]", {.max_bytes = 6}) == "7 bytes, at most 6 allowed");
}

TEST_CASE("json: a text cut off anywhere is refused") {
  std::string text = R"({"net":{"nodes":[{"name":"conv1","k":[3,3]},null,true],"eps":1e-05},"s":"\u00e9"})";
  Json::parse(text);
  for (size_t n = 0; n < text.size(); ++n) {
    CAPTURE(n);
    CHECK(error_of(text.substr(0, n)) != "accepted");
  }
}

TEST_CASE("json: utf-8 is checked to the letter") {
  for (std::string_view good :
       {"", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    CHECK(valid_utf8(good));
  for (std::string_view bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xE1\x80", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE1\x80\x41", "\xF1\x80\x80"})
    CHECK_FALSE(valid_utf8(bad));
}

}  // namespace
}  // namespace bantam
