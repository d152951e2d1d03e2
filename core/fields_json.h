// Fields as members of a JSON object, in the list's order. A key with a dot is a member of an object:
// "weight_quant.scheme" stands as {"weight_quant":{"scheme":"sign"}}. What has no effect is not written.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"
#include "core/json.h"

namespace bantam {

void write_fields(const FieldList& list, Json* json);

// Sets every field from the object. `others` are keys that it may have beside. Throws JsonError naming the key: one
// that is missing, has a value that its field does not take, or is not known.
void read_fields(FieldList* list, const Json& json, const std::vector<std::string>& others = {});

}  // namespace bantam
