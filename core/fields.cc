#include "core/fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/json.h"
#include "core/nearest.h"

namespace bantam {

Range between(double low, double high) { return {low, high, false, {}}; }
Range at_least(double low) { return {low, std::numeric_limits<double>::infinity(), false, {}}; }
Range above(double low) { return {low, std::numeric_limits<double>::infinity(), true, {}}; }
Range one_of(std::vector<std::string> choices) {
  Range r;
  r.choices = std::move(choices);
  return r;
}

std::string Range::text() const {
  if (!choices.empty()) {
    std::string s;
    for (const std::string& c : choices) s += (s.empty() ? "" : " | ") + c;
    return s;
  }
  if (std::isinf(high)) return std::isinf(low) ? "" : (low_excluded ? "above " : "at least ") + shortest(low);
  return shortest(low) + " to " + shortest(high);
}

namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

// A basic string of TOML.
std::string quoted(const std::string& s) {
  static const char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string toml_number(double v) {
  const std::string s = shortest(v);
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

std::string show(const Value& v) {
  return std::visit(
      Overload{[](bool b) { return std::string(b ? "true" : "false"); }, [](int64_t i) { return std::to_string(i); },
               [](double d) { return toml_number(d); }, [](const std::string& s) { return quoted(s); },
               [](const std::vector<double>& list) {
                 std::string s;
                 for (double d : list) s += (s.empty() ? "" : ", ") + toml_number(d);
                 return "[" + s + "]";
               }},
      v);
}

void check_number(const Field& f, double v) {
  const Range& r = f.range;
  if (std::isfinite(v) && v <= r.high && (r.low_excluded ? v > r.low : v >= r.low)) return;
  const std::string want = r.text();
  throw FieldError(f.key + ": " + shortest(v) + " is out of range" + (want.empty() ? "" : ", it must be " + want));
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

template <class T>
bool parse_number(std::string_view s, T* out) {
  s = trim(s);
  if (!s.empty() && s[0] == '+') s.remove_prefix(1);
  const auto r = std::from_chars(s.data(), s.data() + s.size(), *out);
  return !s.empty() && r.ec == std::errc() && r.ptr == s.data() + s.size();
}

[[noreturn]] void wrong_type(const Field& f, const std::string& got) {
  throw FieldError(f.key + ": " + got + " is not " + f.type() +
                   (f.range.text().empty() ? "" : " (" + f.range.text() + ")"));
}

}  // namespace

Field& Field::only_with(std::string key_of_condition, std::vector<std::string> values) {
  condition_key = std::move(key_of_condition);
  condition_values = std::move(values);
  return *this;
}

Field& Field::only_without(std::string key_of_condition) { return only_with(std::move(key_of_condition), {""}); }

Field& Field::without_effect_at(Value value) {
  nothing = std::move(value);
  return *this;
}

Value Field::value() const {
  return std::visit(Overload{[](auto* p) { return Value(*p); }, [](int* p) { return Value(int64_t(*p)); },
                             [](const EnumRef& e) { return Value(std::string(e.get(e.member))); }},
                    member);
}

const char* Field::type() const {
  static constexpr const char* kTypes[] = {"true or false", "an integer", "a number", "a word", "a list of numbers"};
  return kTypes[value().index()];
}

std::string Field::text() const { return show(value()); }

void Field::set(const Value& v) {
  Value converted = v;
  if (std::holds_alternative<double*>(member) && std::holds_alternative<int64_t>(v))
    converted = double(std::get<int64_t>(v));
  if (converted.index() != value().index()) wrong_type(*this, show(v));
  const auto unknown = [&](const std::string& word) {
    throw FieldError(key + ": unknown value '" + word + "'" + did_you_mean(word, range.choices) +
                     ", known: " + range.text());
  };
  const auto check_choice = [&](const std::string& word) {
    if (!range.choices.empty() && std::find(range.choices.begin(), range.choices.end(), word) == range.choices.end())
      unknown(word);
  };
  std::visit(Overload{[&](bool* p) { *p = std::get<bool>(converted); },
                      [&](int64_t* p) {
                        check_number(*this, double(std::get<int64_t>(converted)));
                        *p = std::get<int64_t>(converted);
                      },
                      [&](int* p) {
                        const int64_t i = std::get<int64_t>(converted);
                        check_number(*this, double(i));
                        if (i != int(i)) throw FieldError(key + ": " + std::to_string(i) + " is out of range");
                        *p = int(i);
                      },
                      [&](double* p) {
                        check_number(*this, std::get<double>(converted));
                        *p = std::get<double>(converted);
                      },
                      [&](std::string* p) {
                        const std::string& s = std::get<std::string>(converted);
                        check_choice(s);
                        *p = s;
                      },
                      [&](const EnumRef& e) {
                        const std::string& s = std::get<std::string>(converted);
                        check_choice(s);  // may be fewer than the enum has
                        if (!e.set(e.member, s)) unknown(s);
                      },
                      [&](std::vector<double>* p) {
                        for (double d : std::get<std::vector<double>>(converted)) check_number(*this, d);
                        *p = std::get<std::vector<double>>(converted);
                      }},
             member);
}

void Field::set_text(std::string_view raw) {
  const std::string_view s = trim(raw);
  const std::string shown = "'" + std::string(raw) + "'";
  const Value old = value();
  if (std::holds_alternative<bool>(old)) {
    if (s != "true" && s != "false") wrong_type(*this, shown);
    set(s == "true");
  } else if (std::holds_alternative<int64_t>(old)) {
    int64_t v;
    if (!parse_number(s, &v)) wrong_type(*this, shown);
    set(v);
  } else if (std::holds_alternative<double>(old)) {
    double v;
    if (!parse_number(s, &v)) wrong_type(*this, shown);
    set(v);
  } else if (std::holds_alternative<std::string>(old)) {
    if (!valid_utf8(s)) throw FieldError(key + ": the text is not UTF-8");
    const bool has_quotes = s.size() >= 2 && (s[0] == '"' || s[0] == '\'') && s.back() == s[0];
    set(std::string(has_quotes ? s.substr(1, s.size() - 2) : s));
  } else {
    std::string_view rest = s;
    if (rest.size() >= 2 && rest[0] == '[' && rest.back() == ']') rest = trim(rest.substr(1, rest.size() - 2));
    std::vector<double> list;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      double v;
      if (!parse_number(rest.substr(0, comma), &v)) wrong_type(*this, shown);
      list.push_back(v);
      if (comma == std::string_view::npos) break;
      rest = rest.substr(comma + 1);
      if (rest.empty()) wrong_type(*this, shown);  // a comma with nothing after it
    }
    set(list);
  }
}

Field& FieldList::add(const char* name, FieldRef member, const char* meaning, Range range) {
  Field f;
  f.key = section_.empty() ? name : section_ + "." + name;
  f.member = member;
  f.meaning = meaning;
  f.range = std::move(range);
  fields_.push_back(std::move(f));
  return fields_.back();
}

const Field* FieldList::find(const std::string& key) const {
  for (const Field& f : fields_)
    if (f.key == key) return &f;
  return nullptr;
}

Field& FieldList::at(const std::string& key) {
  for (Field& f : fields_)
    if (f.key == key) return f;
  throw FieldError("unknown key '" + key + "'" + did_you_mean(key, keys()));
}

std::vector<std::string> FieldList::keys() const {
  std::vector<std::string> names;
  for (const Field& f : fields_) names.push_back(f.key);
  return names;
}

bool FieldList::applies(const Field& field) const {
  if (field.condition_key.empty()) return true;
  const Field* other = find(field.condition_key);
  if (!other || !applies(*other)) return false;
  const std::string now = std::get<std::string>(other->value());
  return std::find(field.condition_values.begin(), field.condition_values.end(), now) != field.condition_values.end();
}

}  // namespace bantam
