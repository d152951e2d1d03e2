// CRC-32 (the IEEE polynomial 0xEDB88320, as in zlib and PNG): every single-bit flip of a packed model changes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

// Continues from `crc` (0 to start).
uint32_t crc32(const void* data, size_t size, uint32_t crc = 0) noexcept;

}  // namespace bantam
