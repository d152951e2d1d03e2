// JSON (RFC 8259), strict and bounded, because it comes from files that nobody vouches for: UTF-8 only, duplicate keys
// refused, depth and size limited, numbers that do not fit refused instead of rounded. Objects keep the order in which
// keys were added, and the writer is deterministic: equal values give equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace bantam {

// "at byte 17: duplicate key 'a'", or a value of another type than asked for.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct JsonLimits {
  size_t max_bytes = size_t(16) << 20;
  int max_depth = 64;           // of nested arrays and objects
  size_t max_values = 1 << 18;  // values and keys: bounds memory at about 100 bytes each
};

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;
  // kInt holds all of int64_t, kUint only what lies above it (seeds, hashes).
  enum class Type { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Json(T v) {
    if constexpr (std::is_unsigned_v<T>) {
      if (uint64_t(v) > uint64_t(INT64_MAX)) {
        value_ = uint64_t(v);
        return;
      }
    }
    value_ = int64_t(v);
  }
  Json(double v) : value_(v) {}
  Json(float v);  // the double whose shortest decimal is that of v: 0.1f is written as 0.1
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}  // keys must differ

  static Json array() { return Json(Array()); }
  static Json object() { return Json(Object()); }
  // Json::object({{"step", 3}, {"loss", 0.25}})
  static Json object(std::initializer_list<Member> members);

  Type type() const { return Type(value_.index()); }
  const char* type_name() const;  // "an integer", "a string", ... for error texts
  bool is_null() const { return type() == Type::kNull; }
  bool is_string() const { return type() == Type::kString; }
  bool is_array() const { return type() == Type::kArray; }
  bool is_object() const { return type() == Type::kObject; }
  bool is_integer() const { return type() == Type::kInt || type() == Type::kUint; }
  bool is_number() const { return is_integer() || type() == Type::kDouble; }

  // The value, if it has that type: JsonError "expected an integer, found a string" otherwise.
  bool as_bool() const;
  int64_t as_int() const;    // of an integer that fits
  uint64_t as_uint() const;  // of an integer that is not negative
  double as_double() const;  // of any number
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;

  // Of an object. `at` throws JsonError "missing key 'x'"; `find` gives null.
  const Json& at(std::string_view key) const;
  const Json* find(std::string_view key) const;
  // Adds a member, or replaces its value where it is. Makes an object of null.
  Json& set(std::string_view key, Json value);
  // Adds an element. Makes an array of null.
  Json& push(Json value);
  size_t size() const;  // elements or members; 0 for any other type

  // Text: UTF-8, no space at all, or `indent` spaces a level and a last newline. A double is the shortest decimal that
  // reads back as the same double, and always has a point or an exponent; NaN and infinities, which JSON lacks, become
  // null. JsonError if a string is not UTF-8.
  std::string dump(int indent = 0) const;
  static Json parse(std::string_view text, const JsonLimits& limits = {});

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> value_;
};

// For texts too large to hold as a Json: called value by value, in the order of the text. Whatever is thrown in here
// leaves parse_json unchanged. Keys have been checked for duplicates, numbers for range.
class JsonHandler {
 public:
  virtual ~JsonHandler() = default;
  virtual void scalar(Json value) = 0;  // null, bool, a number or a string
  virtual void begin_object() = 0;
  virtual void key(std::string name) = 0;
  virtual void end_object() = 0;
  virtual void begin_array() = 0;
  virtual void end_array() = 0;
};
void parse_json(std::string_view text, JsonHandler& handler, const JsonLimits& limits = {});

// A string as JSON writes it, quotes included. Escapes what JSON demands and nothing else. JsonError if it is not
// UTF-8.
std::string json_quote(std::string_view text);
// The shortest decimal that reads back as v; "nan", "inf", "-inf" for those.
std::string shortest(double v);
std::string shortest(float v);
bool valid_utf8(std::string_view text);

}  // namespace bantam
