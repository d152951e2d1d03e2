#include "core/fields_json.h"

#include <algorithm>

namespace bantam {
namespace {

struct Key {
  std::string object, name;  // the object's is empty for a member of the outer one
};
Key key_of(const Field& field) {
  const size_t dot = field.key.find('.');
  return dot == std::string::npos ? Key{"", field.key} : Key{field.key.substr(0, dot), field.key.substr(dot + 1)};
}

struct ToJson {
  Json operator()(const std::vector<double>& list) const {
    Json all = Json::array();
    for (double d : list) all.push(d);
    return all;
  }
  template <class T>
  Json operator()(const T& v) const {
    return Json(v);
  }
};
Json to_json(const Value& value) { return std::visit(ToJson(), value); }

Value to_value(const Json& json) {
  switch (json.type()) {
    case Json::Type::kBool:
      return json.as_bool();
    case Json::Type::kInt:
    case Json::Type::kUint:
      return json.as_int();
    case Json::Type::kDouble:
      return json.as_double();
    case Json::Type::kString:
      return json.as_string();
    case Json::Type::kArray: {
      std::vector<double> list;
      for (const Json& element : json.as_array()) list.push_back(element.as_double());
      return list;
    }
    case Json::Type::kNull:
    case Json::Type::kObject:
      break;
  }
  throw JsonError(std::string("no value can be ") + json.type_name());
}

// Refuses what is neither a field of this object ("" is the outer one) nor, in the outer one, one of `others`.
void only_known(const FieldList& list, const Json& json, const std::string& object,
                const std::vector<std::string>& others) {
  for (const auto& [key, value] : json.as_object()) {
    const bool known = std::any_of(list.all().begin(), list.all().end(), [&, &key = key](const Field& f) {
      const Key k = key_of(f);
      return k.object == object ? k.name == key : object.empty() && k.object == key;
    });
    if (!known && std::find(others.begin(), others.end(), key) == others.end())
      throw JsonError("unknown key '" + (object.empty() ? "" : object + ".") + key + "'");
  }
}

}  // namespace

void write_fields(const FieldList& list, Json* json) {
  for (const Field& field : list.all()) {
    if (!field.has_effect()) continue;
    const Key key = key_of(field);
    if (key.object.empty()) {
      json->set(key.name, to_json(field.value()));
      continue;
    }
    const Json* inner = json->find(key.object);
    Json object = inner ? *inner : Json::object();
    object.set(key.name, to_json(field.value()));
    json->set(key.object, std::move(object));
  }
}

void read_fields(FieldList* list, const Json& json, const std::vector<std::string>& others) {
  only_known(*list, json, "", others);
  for (Field& field : list->all()) {
    const Key key = key_of(field);
    const Json* in = &json;
    if (!key.object.empty()) {
      in = &json.at(key.object);
      only_known(*list, *in, key.object, {});
    }
    if (const Json* value = in->find(key.name)) try {
        field.set(to_value(*value));
      } catch (const FieldError& e) {
        throw JsonError(e.what());
      } catch (const JsonError& e) {
        throw JsonError(field.key + ": " + e.what());
      }
    else if (!field.nothing)
      throw JsonError("missing key '" + field.key + "'");
  }
}

}  // namespace bantam
