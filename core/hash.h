// SHA-256 (FIPS 180-4): names what a run wrote, so that "the same bytes" can be said in one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace bantam {

class Sha256 {
 public:
  void update(std::span<const uint8_t> bytes);
  // 64 hexadecimal digits. Ends the message: further calls start a new one.
  std::string hex();

 private:
  void block(const uint8_t* p);

  static constexpr uint32_t kStart[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint32_t state_[8] = {kStart[0], kStart[1], kStart[2], kStart[3], kStart[4], kStart[5], kStart[6], kStart[7]};
  uint64_t size_ = 0;     // bytes so far
  uint8_t pending_[64];   // the last size_ % 64 of them
};

std::string sha256_hex(std::span<const uint8_t> bytes);

}  // namespace bantam
