// UTF-8 as files hold it: text that nobody vouches for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

// Is it UTF-8 (RFC 3629): nothing overlong, no surrogates, nothing beyond U+10FFFF?
inline bool is_utf8(const char* text, size_t size) {
  const auto* p = reinterpret_cast<const uint8_t*>(text);
  const auto* const end = p + size;
  // n continuation bytes, the first within bounds.
  const auto tail = [&p, end](int n, uint8_t lowest, uint8_t highest) {
    if (end - p < n + 1 || p[1] < lowest || p[1] > highest) return false;
    for (int i = 2; i <= n; ++i)
      if ((p[i] & 0xC0) != 0x80) return false;
    p += n + 1;
    return true;
  };
  while (p < end) {
    bool ok = true;
    if (*p < 0x80)
      ++p;
    else if (*p >= 0xC2 && *p <= 0xDF)
      ok = tail(1, 0x80, 0xBF);
    else if (*p == 0xE0)
      ok = tail(2, 0xA0, 0xBF);  // below: overlong
    else if (*p == 0xED)
      ok = tail(2, 0x80, 0x9F);  // above: surrogates
    else if (*p >= 0xE1 && *p <= 0xEF)
      ok = tail(2, 0x80, 0xBF);
    else if (*p == 0xF0)
      ok = tail(3, 0x90, 0xBF);  // below: overlong
    else if (*p >= 0xF1 && *p <= 0xF3)
      ok = tail(3, 0x80, 0xBF);
    else if (*p == 0xF4)
      ok = tail(3, 0x80, 0x8F);  // above: beyond U+10FFFF
    else
      ok = false;
    if (!ok) return false;
  }
  return true;
}

}  // namespace bantam
