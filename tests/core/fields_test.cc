#include "core/fields.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/fields_json.h"

using namespace bantam;

namespace {

enum class Taste : uint8_t { kSweet, kSour, kSalty };
constexpr const char* name_of(Taste taste) {
  switch (taste) {
    case Taste::kSweet: return "sweet";
    case Taste::kSour: return "sour";
    case Taste::kSalty: return "salty";
  }
  return nullptr;
}

struct Dish {
  std::string name = "soup";
  int64_t guests = 4;
  int plates = 4;
  double salt = 0.5;
  bool hot = true;
  Taste taste = Taste::kSalty;
  std::vector<double> times = {1, 2.5};
};

void fields(Dish& d, FieldList& f) {
  f.add("name", &d.name, "what it is called");
  f.add("guests", &d.guests, "who eats it", at_least(1));
  f.add("plates", &d.plates, "what it is eaten from", between(0, 1e12));
  f.add("salt", &d.salt, "g a guest", above(0)).only_with("taste", {"salty", "sour"});
  f.add("hot", &d.hot, "whether it is served hot");
  f.add("taste", &d.taste, "what it tastes of");
  f.add("times", &d.times, "minutes a step", between(0, 60));
}

FieldList list_of(Dish& d) {
  FieldList list;
  fields(d, list);
  return list;
}

}  // namespace

TEST_CASE("named enum: names and values lead to one another; what has no name is no value") {
  CHECK(all_names<Taste>() == std::vector<std::string>{"sweet", "sour", "salty"});
  for (Taste t : all_values<Taste>()) CHECK(from_name<Taste>(name_of(t)) == t);
  CHECK_FALSE(from_name<Taste>("Sweet"));
  CHECK_FALSE(from_name<Taste>(""));
}

TEST_CASE("fields: text sets each type of member, and shows it as TOML") {
  Dish d;
  FieldList list = list_of(d);
  const std::pair<const char*, const char*> cases[] = {
      {"name", "\"a \\\"b\\\" \\\\\""}, {"guests", "12"}, {"plates", "0"}, {"salt", "0.1"}, {"hot", "false"},
      {"taste", "\"sour\""},            {"times", "[0.0, 60.0]"},
  };
  list.at("name").set_text("a \"b\" \\");
  list.at("guests").set_text(" +12 ");
  list.at("plates").set_text("0");
  list.at("salt").set_text("1e-1");
  list.at("hot").set_text("false");
  list.at("taste").set_text("'sour'");
  list.at("times").set_text("0,60");
  for (const auto& [key, text] : cases) CHECK(list.at(key).text() == text);
  CHECK(d.guests == 12);
  CHECK(d.plates == 0);
  CHECK(d.taste == Taste::kSour);
  CHECK(d.times == std::vector<double>{0, 60});
  list.at("times").set_text("[]");
  CHECK(d.times.empty());
}

TEST_CASE("fields: an enum's field takes only the words that its range names") {
  Dish d;
  FieldList list;
  list.add("taste", &d.taste, "").range = one_of({"sweet", "salty"});
  CHECK_THROWS_WITH_AS(list.at("taste").set_text("sour"), "taste: unknown value 'sour', known: sweet | salty",
                       FieldError);
  CHECK(d.taste == Taste::kSalty);
  list.at("taste").set_text("sweet");
  CHECK(d.taste == Taste::kSweet);
}

TEST_CASE("fields: a value that a field does not take is refused by name, and the member stays") {
  const struct {
    const char *key, *text, *error;
  } cases[] = {
      {"guests", "0", "guests: 0 is out of range, it must be at least 1"},
      {"guests", "1.5", "guests: '1.5' is not an integer (at least 1)"},
      {"guests", "99999999999999999999", "guests: '99999999999999999999' is not an integer (at least 1)"},
      {"plates", "4294967297", "plates: 4294967297 is out of range"},
      {"salt", "0", "salt: 0 is out of range, it must be above 0"},
      {"salt", "nan", "salt: nan is out of range, it must be above 0"},
      {"salt", "inf", "salt: inf is out of range, it must be above 0"},
      {"hot", "1", "hot: '1' is not true or false"},
      {"taste", "swete", "taste: unknown value 'swete' (did you mean 'sweet'?), known: sweet | sour | salty"},
      {"times", "1,2,", "times: '1,2,' is not a list of numbers (0 to 60)"},
      {"times", "1,61", "times: 61 is out of range, it must be 0 to 60"},
      {"name", "\xff", "name: the text is not UTF-8"},
  };
  for (const auto& c : cases) {
    Dish d;
    FieldList list = list_of(d);
    const std::string before = list.at(c.key).text();
    CHECK_THROWS_WITH_AS(list.at(c.key).set_text(c.text), c.error, FieldError);
    CHECK(list.at(c.key).text() == before);
  }
  Dish d;
  CHECK_THROWS_WITH_AS(list_of(d).at("gests"), "unknown key 'gests' (did you mean 'guests'?)", FieldError);
}

TEST_CASE("fields: a condition on another field, and on that one's") {
  Dish d;
  FieldList list = list_of(d);
  std::string extra;
  list.add("grain", &extra, "of the salt").only_with("name", {"soup"});
  CHECK(list.applies(list.at("salt")));
  list.at("taste").set_text("sweet");
  CHECK_FALSE(list.applies(list.at("salt")));
  CHECK(list.applies(list.at("grain")));
  std::string size;
  list.add("size", &size, "of the pot").only_without("grain");
  CHECK(list.applies(list.at("size")));
  extra = "fine";
  CHECK_FALSE(list.applies(list.at("size")));
  extra = "";
  d.name = "cake";
  CHECK_FALSE(list.applies(list.at("size")));  // what it hangs on has no effect itself
}

TEST_CASE("fields as JSON: an object and back, keys with a dot as objects in it, nothing for what has no effect") {
  struct Menu {
    Dish first;
    int64_t wine = 0;
  };
  const auto list_menu = [](Menu& m) {
    FieldList list;
    list.section("first");
    fields(m.first, list);
    list.section("");
    list.add("wine", &m.wine, "bottles").without_effect_at(int64_t(0));
    return list;
  };
  Menu menu;
  menu.first.salt = 0.1;
  Json json = Json::object();
  write_fields(list_menu(menu), &json);
  const std::string text =
      R"({"first":{"name":"soup","guests":4,"plates":4,"salt":0.1,"hot":true,"taste":"salty","times":[1.0,2.5]}})";
  CHECK(json.dump() == text);
  menu.wine = 3;
  write_fields(list_menu(menu), &json);
  CHECK(json.at("wine").as_int() == 3);

  Menu back;
  FieldList list = list_menu(back);
  back.first = {.name = "cake", .guests = 9, .plates = 9, .salt = 9, .hot = false, .taste = Taste::kSweet, .times = {}};
  read_fields(&list, json);
  Json again = Json::object();
  write_fields(list, &again);
  CHECK(again.dump() == json.dump());

  const auto refused = [&](const char* from, const char* to, const char* error) {
    std::string bad = text;
    bad.replace(bad.find(from), std::string(from).size(), to);
    FieldList into = list_menu(back);
    CHECK_THROWS_WITH_AS(read_fields(&into, Json::parse(bad)), error, JsonError);
  };
  refused("\"hot\":true,", "", "missing key 'first.hot'");
  refused("\"hot\"", "\"warm\"", "unknown key 'first.warm'");
  refused("\"first\"", "\"second\"", "unknown key 'second'");
  refused("true", "null", "first.hot: no value can be null");
  refused("\"guests\":4", "\"guests\":4.0", "first.guests: 4.0 is not an integer (at least 1)");
  refused("[1.0,2.5]", "[1.0,\"x\"]", "first.times: expected a number, found a string");
  refused("\"salty\"", "\"salt\"",
          "first.taste: unknown value 'salt' (did you mean 'salty'?), known: sweet | sour | salty");
  FieldList into = list_menu(back);
  CHECK_THROWS_WITH_AS(read_fields(&into, Json::parse(R"({"first":{},"x":1})"), {"y"}), "unknown key 'x'", JsonError);
  CHECK_THROWS_WITH_AS(read_fields(&into, Json::parse(R"({"wine":1})")), "missing key 'first'", JsonError);
}
