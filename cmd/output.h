// Results on stdout. A result that cannot be written is an error, not a success that nobody saw.
#pragma once

#include <string>

#include "core/json.h"

namespace bantam {

void print(const std::string& text);
// {"schema":1,"report":NAME, ...fields} and a line end.
void print_report(const std::string& name, const Json& fields);
// Throws IoError if anything that was printed got lost (a full disk behind a redirection).
void flush_output();

}  // namespace bantam
