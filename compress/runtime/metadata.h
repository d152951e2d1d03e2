// What a user may write into a packed model (`bantam pack --meta KEY=VALUE`): one rule for packer and reader.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compress/runtime/format.h"
#include "core/base/utf8.h"

namespace bantam::packed {

// 1 to kMaxKeyBytes of the letters, digits, '.', '_' and '-' of ASCII.
inline bool is_metadata_key(const char* key, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    const char c = key[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') return false;
  }
  return size >= 1 && size <= kMaxKeyBytes;
}

// At most kMaxValueBytes of UTF-8 without control characters, which would reach terminals: below U+0020, U+007F to
// U+009F.
inline bool is_metadata_value(const char* value, size_t size) {
  if (size > kMaxValueBytes || !is_utf8(value, size)) return false;
  for (size_t i = 0; i < size; ++i) {
    const uint8_t b = uint8_t(value[i]);
    if (b < 0x20 || b == 0x7F || (b == 0xC2 && uint8_t(value[i + 1]) < 0xA0)) return false;  // C2 has a byte behind it
  }
  return true;
}

}  // namespace bantam::packed
