#include "core/base/crc32.h"

namespace bantam {
namespace {

// Eight tables, computed at compile time (slicing by 8): one load of 8 bytes a step. Where code is to be small (-Os)
// the first has to do, a byte a step.
#ifdef __OPTIMIZE_SIZE__
constexpr int kTableCount = 1;
#else
constexpr int kTableCount = 8;
#endif
struct Tables {
  uint32_t t[kTableCount][256];
};

constexpr Tables make_tables() {
  Tables r{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    r.t[0][i] = c;
  }
  for (int s = 1; s < kTableCount; ++s)
    for (uint32_t i = 0; i < 256; ++i) r.t[s][i] = (r.t[s - 1][i] >> 8) ^ r.t[0][r.t[s - 1][i] & 255];
  return r;
}

constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(const void* data, size_t size, uint32_t crc) noexcept {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  const auto& t = kTables.t;
  uint32_t c = ~crc;
#ifndef __OPTIMIZE_SIZE__
  for (; size >= 8; size -= 8, p += 8) {
    c ^= uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16 | uint32_t(p[3]) << 24;
    c = t[7][c & 255] ^ t[6][c >> 8 & 255] ^ t[5][c >> 16 & 255] ^ t[4][c >> 24] ^ t[3][p[4]] ^ t[2][p[5]] ^
        t[1][p[6]] ^ t[0][p[7]];
  }
#endif
  for (; size; --size, ++p) c = t[0][(c ^ *p) & 255] ^ (c >> 8);
  return ~c;
}

}  // namespace bantam
