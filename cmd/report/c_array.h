// A packed model as C source, for devices that have no files: `bantam pack --c-array`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compress/runtime/bnt.h"

namespace bantam {

struct CArray {
  std::string symbol;  // "net_bnt", and "net_bnt_len": what `xxd -i net.bnt` calls them
  std::string source;  // the bytes, on 64, and their number: C99, or C++
  std::string header;  // declares both; sizes of memory as macros, so that it can be static
};

// A file that is sound. `stem` is the C file's name without ".c" (no quotes), `origin` the name of the file that it was
// made of (for a comment: what is no plain character becomes '_').
CArray c_array(const std::vector<uint8_t>& file, const bnt_info& info, const std::string& stem,
               const std::string& origin);

}  // namespace bantam
