#include "core/json.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "bantam_fault.h"
#include "core/base/utf8.h"
#include "core/file.h"

namespace bantam {
namespace {

[[noreturn]] void fail_at(size_t offset, const std::string& what) {
  throw JsonError("at byte " + std::to_string(offset) + ": " + what);
}

// nlohmann's SAX callbacks do not tell where they are: its parser reads through this iterator, which does.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* p, const char** cursor) : p_(p), cursor_(cursor) {}
  reference operator*() const { return *p_; }
  CountingIterator& operator++() {
    *cursor_ = ++p_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& o) const { return p_ == o.p_; }
  bool operator!=(const CountingIterator& o) const { return p_ != o.p_; }

 private:
  const char* p_;
  const char** cursor_;
};

// Between nlohmann's parser and a handler: adds what the parser lacks (limits, duplicate keys, ranges).
class Checker {
 public:
  Checker(std::string_view text, JsonHandler& handler, const JsonLimits& limits)
      : begin_(text.data()), cursor(text.data()), handler_(handler), limits_(limits) {}

  bool null() { return scalar(Json()); }
  bool boolean(bool v) { return scalar(Json(v)); }
  bool number_integer(int64_t v) { return scalar(Json(v)); }
  bool number_unsigned(uint64_t v) { return scalar(Json(v)); }
  bool number_float(double v, const std::string& text) {
    // The parser turns an integer of more than 64 bits into a double, silently.
    if (text.find_first_of(".eE") == std::string::npos) fail_at(offset(), "integer out of range: " + printable(text));
    if (!std::isfinite(v)) fail_at(offset(), "number out of range: " + printable(text));
    return scalar(Json(v));
  }
  bool string(std::string& v) { return scalar(Json(std::move(v))); }
  bool binary(std::vector<uint8_t>&) { return false; }  // of the binary formats: never called for text
  bool start_object(size_t) {
    enter();
    keys_.emplace_back();
    handler_.begin_object();
    return true;
  }
  bool key(std::string& v) {
    count();
#ifndef BANTAM_FAULT_JSON_KEEPS_DUPLICATES
    if (!keys_.back().insert(v).second) fail_at(offset(), "duplicate key " + quote_name(v));
#endif
    handler_.key(std::move(v));
    return true;
  }
  bool end_object() {
    keys_.pop_back();
    --depth_;
    handler_.end_object();
    return true;
  }
  bool start_array(size_t) {
    enter();
    handler_.begin_array();
    return true;
  }
  bool end_array() {
    --depth_;
    handler_.end_array();
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing ...": its last
    // part.
    std::string what = e.what();
    size_t from = what.find("syntax error");
    if (from == std::string::npos) from = what.find("number overflow");
    fail_at(position, printable(std::string_view(what).substr(from == std::string::npos ? 0 : from), 200));
  }

 private:
  size_t offset() const { return size_t(cursor - begin_); }
  void count() {
    if (++values_ > limits_.max_values)
      fail_at(offset(), "more than " + std::to_string(limits_.max_values) + " values");
  }
  void enter() {
    count();
    if (++depth_ > limits_.max_depth)
      fail_at(offset(), "nested deeper than " + std::to_string(limits_.max_depth) + " levels");
  }
  bool scalar(Json v) {
    count();
    handler_.scalar(std::move(v));
    return true;
  }

  const char* begin_;

 public:
  const char* cursor;  // how far the parser has read

 private:
  JsonHandler& handler_;
  const JsonLimits& limits_;
  int depth_ = 0;
  size_t values_ = 0;
  // Ordered sets: a hash table with a known hash function can be made quadratic by who chooses the keys.
  std::vector<std::set<std::string>> keys_;
};

// Builds a Json. What is open lies on a stack of our own: no recursion, no pointers into moving vectors.
class Builder : public JsonHandler {
 public:
  Json result;

  void scalar(Json v) override { place(std::move(v)); }
  void begin_object() override { open_.emplace_back(); }
  void key(std::string name) override { open_.back().key = std::move(name); }
  void end_object() override { place(Json(std::move(pop().members))); }
  void begin_array() override {
    open_.emplace_back();
    open_.back().is_array = true;
  }
  void end_array() override { place(Json(std::move(pop().elements))); }

 private:
  struct Open {
    bool is_array = false;
    std::string key;  // the last one read, whose value comes next
    Json::Array elements;
    Json::Object members;
  };
  Open pop() {
    Open top = std::move(open_.back());
    open_.pop_back();
    return top;
  }
  void place(Json v) {
    if (open_.empty()) {
      result = std::move(v);
    } else if (Open& top = open_.back(); top.is_array) {
      top.elements.push_back(std::move(v));
    } else {
      top.members.emplace_back(std::move(top.key), std::move(v));
    }
  }

  std::vector<Open> open_;
};

[[noreturn]] void wrong_type(const char* wanted, const Json& found) {
  throw JsonError(std::string("expected ") + wanted + ", found " + found.type_name());
}

template <class T>
std::string shortest_of(T v) {
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
}

void append_value(std::string& out, const Json& v, int indent, int level);

// The elements of an array or the members of an object, between their brackets.
template <class Items, class AppendItem>
void append_items(std::string& out, const Items& items, const char* brackets, int indent, int level,
                  AppendItem append_item) {
  out += brackets[0];
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    if (indent > 0) out.append(1, '\n').append(size_t(indent) * size_t(level + 1), ' ');
    append_item(items[i]);
  }
  if (indent > 0 && !items.empty()) out.append(1, '\n').append(size_t(indent) * size_t(level), ' ');
  out += brackets[1];
}

void append_value(std::string& out, const Json& v, int indent, int level) {
  switch (v.type()) {
    case Json::Type::kNull: out += "null"; break;
    case Json::Type::kBool: out += v.as_bool() ? "true" : "false"; break;
    case Json::Type::kInt: out += std::to_string(v.as_int()); break;
    case Json::Type::kUint: out += std::to_string(v.as_uint()); break;
    case Json::Type::kDouble: {
      if (!std::isfinite(v.as_double())) {
        out += "null";
        break;
      }
      std::string text = shortest(v.as_double());
      out += text;
      if (text.find_first_of(".e") == std::string::npos) out += ".0";  // or it would be read back as an integer
      break;
    }
    case Json::Type::kString: out += json_quote(v.as_string()); break;
    case Json::Type::kArray:
      append_items(out, v.as_array(), "[]", indent, level,
                   [&](const Json& item) { append_value(out, item, indent, level + 1); });
      break;
    case Json::Type::kObject:
      append_items(out, v.as_object(), "{}", indent, level, [&](const Json::Member& member) {
        out += json_quote(member.first);
        out += indent > 0 ? ": " : ":";
        append_value(out, member.second, indent, level + 1);
      });
      break;
  }
}

}  // namespace

std::string shortest(double v) { return shortest_of(v); }
std::string shortest(float v) { return shortest_of(v); }

Json::Json(float v) : value_(double(v)) {
  if (!std::isfinite(v)) return;
  std::string text = shortest(v);
  double d = 0;
  std::from_chars(text.data(), text.data() + text.size(), d);
  value_ = d;
}

Json Json::object(std::initializer_list<Member> members) {
  Json result = object();
  for (const Member& m : members) result.set(m.first, m.second);
  return result;
}

const char* Json::type_name() const {
  switch (type()) {
    case Type::kNull: return "null";
    case Type::kBool: return "true or false";
    case Type::kInt:
    case Type::kUint: return "an integer";
    case Type::kDouble: return "a number";
    case Type::kString: return "a string";
    case Type::kArray: return "an array";
    case Type::kObject: return "an object";
  }
  return "?";
}

bool Json::as_bool() const {
  if (type() != Type::kBool) wrong_type("true or false", *this);
  return std::get<bool>(value_);
}

int64_t Json::as_int() const {
  if (type() == Type::kUint) throw JsonError("integer out of range: " + std::to_string(std::get<uint64_t>(value_)));
  if (type() != Type::kInt) wrong_type("an integer", *this);
  return std::get<int64_t>(value_);
}

uint64_t Json::as_uint() const {
  if (type() == Type::kUint) return std::get<uint64_t>(value_);
  if (type() != Type::kInt) wrong_type("an integer", *this);
  int64_t v = std::get<int64_t>(value_);
  if (v < 0) throw JsonError("integer out of range: " + std::to_string(v));
  return uint64_t(v);
}

double Json::as_double() const {
  switch (type()) {
    case Type::kInt: return double(std::get<int64_t>(value_));
    case Type::kUint: return double(std::get<uint64_t>(value_));
    case Type::kDouble: return std::get<double>(value_);
    default: wrong_type("a number", *this);
  }
}

const std::string& Json::as_string() const {
  if (type() != Type::kString) wrong_type("a string", *this);
  return std::get<std::string>(value_);
}

const Json::Array& Json::as_array() const {
  if (type() != Type::kArray) wrong_type("an array", *this);
  return std::get<Array>(value_);
}

const Json::Object& Json::as_object() const {
  if (type() != Type::kObject) wrong_type("an object", *this);
  return std::get<Object>(value_);
}

const Json* Json::find(std::string_view key) const {
  for (const Member& m : as_object())
    if (m.first == key) return &m.second;
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* found = find(key);
  if (!found) throw JsonError("missing key " + quote_name(key));
  return *found;
}

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object();
  if (!is_object()) wrong_type("an object", *this);
  auto& members = std::get<Object>(value_);
  for (Member& m : members) {
    if (m.first == key) {
      m.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::string(key), std::move(value));
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array();
  if (!is_array()) wrong_type("an array", *this);
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

size_t Json::size() const {
  if (is_array()) return as_array().size();
  if (is_object()) return as_object().size();
  return 0;
}

std::string Json::dump(int indent) const {
  std::string out;
  append_value(out, *this, indent, 0);
  if (indent > 0) out += '\n';
  return out;
}

Json Json::parse(std::string_view text, const JsonLimits& limits) {
  Builder builder;
  parse_json(text, builder, limits);
  return std::move(builder.result);
}

void parse_json(std::string_view text, JsonHandler& handler, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    throw JsonError(std::to_string(text.size()) + " bytes, at most " + std::to_string(limits.max_bytes) + " allowed");
  // Two things that the parser lets pass: it takes a NUL for the end of the text, and it skips a byte order mark.
  if (size_t nul = text.find('\0'); nul != std::string_view::npos) fail_at(nul, "NUL byte");
  if (text.substr(0, 3) == "\xEF\xBB\xBF") fail_at(0, "byte order mark");
  Checker checker(text, handler, limits);
  const char* end = text.data() + text.size();
  nlohmann::json::sax_parse(CountingIterator(text.data(), &checker.cursor), CountingIterator(end, &checker.cursor),
                            &checker);
}

std::string json_quote(std::string_view text) {
  if (!valid_utf8(text)) throw JsonError("not UTF-8: " + quote_name(text));
  static const char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
  return out;
}

bool valid_utf8(std::string_view text) { return is_utf8(text.data(), text.size()); }

}  // namespace bantam
