// A config struct's fields as a list: name, member, meaning, range. One list drives the reading of recipes, --set, the
// dump of the resolved recipe, its documentation, and the suggestions for mistyped keys.
//
//   void fields(OptimizerConfig& c, FieldList& f) {
//     f.add("lr", &c.lr, "learning rate", above(0));
//     f.add("momentum", &c.momentum, "momentum", between(0, 1)).only_with("optimizer.name", {"sgd"});
//   }
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bantam {

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
using FieldRef = std::variant<bool*, int64_t*, double*, std::string*, std::vector<double>*>;

struct Field {
  std::string key;  // "optimizer.lr"
  FieldRef member;
  std::string meaning;
  Range range;
  // The field has a meaning only while another one has one of these values: "optimizer.name" in {"sgd"}.
  std::string condition_key;
  std::vector<std::string> condition_values;
  bool nothing_at_zero = false;  // a method's strength: at 0 there is no method, and the key is not written out

  Field& only_with(std::string key, std::vector<std::string> values);
  Field& without_effect_at_zero();
  bool has_effect() const;

  Value value() const;
  const char* type() const;  // "true or false", "integer", "number", "text", "list of numbers"
  std::string text() const;  // the value as TOML writes it; numbers in their shortest exact form
  // Throws UsageError "KEY: ..." on a wrong type or a value outside the range. An integer does for a number.
  void set(const Value& v);
  // From the text of --set key=value: 0.1, true, [1, 2] or 1,2, word or "word".
  void set_text(std::string_view text);
};

class FieldList {
 public:
  void section(std::string name) { section_ = std::move(name); }
  Field& add(const char* name, FieldRef member, const char* meaning, Range range = {});

  const std::vector<Field>& all() const { return fields_; }
  // Throws UsageError with the nearest known key.
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
