// IDX, the format of MNIST and Fashion-MNIST: two zero bytes, element type, rank, then the dimensions as big-endian
// u32, then the elements, row-major. Read here: unsigned bytes only, plain or gzipped. The size must be exact.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bantam {

struct IdxArray {
  std::vector<uint32_t> dims;
  std::vector<uint8_t> data;
};

constexpr uint64_t kMaxIdxBytes = uint64_t{1} << 32;

// `rank` is what the caller expects: 1 for labels, 3 for images [N,H,W]. `name` goes in front of each error text.
// Throws FileError; memory is bounded by kMaxDeflateRatio times the file, and by kMaxIdxBytes.
IdxArray parse_idx(std::span<const uint8_t> file, int rank, const std::string& name);

}  // namespace bantam
