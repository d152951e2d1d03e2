#include "data/idx.h"

#include "tests/data/gzipped.h"
#include "tests/fuzz/fuzz.h"

namespace bantam {
namespace {

// Empty if the file is refused.
IdxArray read(ByteSpan file, int rank) {
  try {
    IdxArray a = parse_idx(file, rank, "f");
    FUZZ_CHECK(a.dims.size() == size_t(rank));
    uint64_t total = 1;
    for (const uint32_t d : a.dims) total *= d;
    FUZZ_CHECK(total == a.data.size() && total > 0);
    return a;
  } catch (const FileError&) {
    return {};
  }
}

}  // namespace

void fuzz_one(ByteSpan input) {
  // As it is, and behind a sound gzip wrapper, which a mutation would seldom leave sound: both must say the same.
  const Bytes packed = gzipped(input);
  const bool is_packed = input.size() >= 2 && input[0] == 0x1f && input[1] == 0x8b;
  for (const int rank : {1, 3}) {
    const IdxArray plain = read(input, rank), wrapped = read(packed, rank);
    FUZZ_CHECK(is_packed || (plain.dims == wrapped.dims && plain.data == wrapped.data));
  }
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  const Bytes labels = {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3};
  Bytes images = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
  for (int i = 0; i < 24; ++i) images.push_back(uint8_t(9 * i));
  for (const Bytes& file : {labels, images}) {
    seed(file);
    seed(gzipped(file));
  }
}

}  // namespace bantam
