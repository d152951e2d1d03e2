// Little-endian reads from untrusted bytes, bounded: no read past the end, no read that wraps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bantam {

inline uint16_t load_le16(const uint8_t* p) { return uint16_t(p[0] | p[1] << 8); }
inline uint32_t load_le32(const uint8_t* p) {
  return uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16 | uint32_t(p[3]) << 24;
}
inline uint64_t load_le64(const uint8_t* p) { return load_le32(p) | uint64_t(load_le32(p + 4)) << 32; }
inline uint32_t load_be32(const uint8_t* p) {
  return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | uint32_t(p[3]);
}
inline void store_le32(uint8_t* p, uint32_t v) {
  for (int i = 0; i < 4; ++i) p[i] = uint8_t(v >> (8 * i));
}
inline void store_le64(uint8_t* p, uint64_t v) {
  for (int i = 0; i < 8; ++i) p[i] = uint8_t(v >> (8 * i));
}

// A cursor over [data, data + size). A read that does not fit returns false (or 0 through take) and sets failed.
class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  size_t position() const { return pos_; }
  size_t remaining() const { return size_ - pos_; }
  bool failed() const { return failed_; }

  // The next n bytes, or nullptr.
  const uint8_t* take(size_t n) {
    if (failed_ || n > size_ - pos_) {
      failed_ = true;
      return nullptr;
    }
    const uint8_t* p = data_ + pos_;
    pos_ += n;
    return p;
  }
  uint8_t u8() {
    const uint8_t* p = take(1);
    return p ? *p : 0;
  }
  uint16_t u16() {
    const uint8_t* p = take(2);
    return p ? load_le16(p) : 0;
  }
  uint32_t u32() {
    const uint8_t* p = take(4);
    return p ? load_le32(p) : 0;
  }
  uint64_t u64() {
    const uint8_t* p = take(8);
    return p ? load_le64(p) : 0;
  }
  float f32() {
    uint32_t bits = u32();
    float v;
    memcpy(&v, &bits, 4);
    return v;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t pos_ = 0;
  bool failed_ = false;
};

}  // namespace bantam
