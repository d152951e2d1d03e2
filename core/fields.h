// A config struct's fields as a list: name, member, meaning, range. One list drives whatever reads or writes it:
// recipes with --set, their dump and documentation, suggestions for mistyped keys, JSON (fields_json.h).
//
//   void fields(OptimizerConfig& c, FieldList& f) {
//     f.add("lr", &c.lr, "learning rate", above(0));
//     f.add("momentum", &c.momentum, "momentum", between(0, 1)).only_with("optimizer.name", {"sgd"});
//   }
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/named_enum.h"

namespace bantam {

// A key that nobody knows, or a value that its field does not take ("lr: 0 is out of range, it must be above 0").
class FieldError : public Error {
 public:
  using Error::Error;
};

// Which values a field may have: numbers in [low, high] (or ]low, high]), lists of such numbers, or one of some words.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_excluded = false;
  std::vector<std::string> choices;

  std::string text() const;  // "0 to 1", "above 0", "sgd | adam", "" where anything goes
};
Range between(double low, double high);
Range at_least(double low);
Range above(double low);
Range one_of(std::vector<std::string> choices);

using Value = std::variant<bool, int64_t, double, std::string, std::vector<double>>;
// A member whose type is a NamedEnum; its value is a word.
struct EnumRef {
  void* member;
  const char* (*get)(const void* member);
  bool (*set)(void* member, std::string_view name);  // false: no value of the enum has this name
};
using FieldRef = std::variant<bool*, int64_t*, double*, std::string*, std::vector<double>*, int*, EnumRef>;

struct Field {
  std::string key;  // "optimizer.lr"
  FieldRef member;
  std::string meaning;
  Range range;
  // The field has a meaning only while another one has one of these values: "optimizer.name" in {"sgd"}.
  std::string condition_key;
  std::vector<std::string> condition_values;
  // A value that means the same as no key at all (a method's strength of 0): it is not written, and may be left out.
  std::optional<Value> nothing;

  Field& only_with(std::string key, std::vector<std::string> values);
  Field& only_without(std::string key);  // while that text is empty
  Field& without_effect_at(Value value);
  bool has_effect() const { return value() != nothing; }

  Value value() const;
  const char* type() const;  // "true or false", "integer", "number", "text", "list of numbers"
  std::string text() const;  // the value as TOML writes it; numbers in their shortest exact form
  // Throws FieldError "KEY: ..." on a wrong type or a value outside the range. An integer does for a number.
  void set(const Value& v);
  // From the text of --set key=value: 0.1, true, [1, 2] or 1,2, word or "word".
  void set_text(std::string_view text);
};

class FieldList {
 public:
  void section(std::string name) { section_ = std::move(name); }
  Field& add(const char* name, FieldRef member, const char* meaning, Range range = {});
  template <NamedEnum E>
  Field& add(const char* name, E* member, const char* meaning) {
    const EnumRef ref{member, [](const void* m) { return name_of(*static_cast<const E*>(m)); },
                      [](void* m, std::string_view word) {
                        const std::optional<E> e = from_name<E>(word);
                        if (e) *static_cast<E*>(m) = *e;
                        return e.has_value();
                      }};
    return add(name, FieldRef(ref), meaning, one_of(all_names<E>()));
  }

  const std::vector<Field>& all() const { return fields_; }
  std::vector<Field>& all() { return fields_; }
  // Throws FieldError with the nearest known key.
  Field& at(const std::string& key);
  std::vector<std::string> keys() const;
  // Whether the field's condition holds (and that of the field which it names).
  bool applies(const Field& field) const;

 private:
  const Field* find(const std::string& key) const;

  std::string section_;
  std::vector<Field> fields_;
};

}  // namespace bantam
