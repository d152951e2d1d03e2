// What a call says when it refuses something.
#pragma once

#include <string>

#include "core/file.h"

namespace bantam {

// The text of the E that f() throws, "accepted" if it throws nothing; anything else that is thrown fails the test.
template <class E, class F> std::string error_text(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "accepted";
}

// Of a FileError that must name this path: what follows the path.
template <class F> std::string refusal(const std::string& path, F f) {
  const std::string text = error_text<FileError>(f);
  return text.starts_with(path + ": ") ? text.substr(path.size() + 2) : text;
}

}  // namespace bantam
