#include "data/idx.h"

#include <cstring>
#include <optional>

#include "core/base/bytes.h"
#include "core/file.h"
#include "data/gzip.h"

namespace bantam {
namespace {

constexpr int kMaxIdxRank = 4;
constexpr uint8_t kIdxUnsignedByte = 0x08;

std::string what_rank(int rank) {
  if (rank == 1) return "labels (rank 1)";
  if (rank == 3) return "images (rank 3)";
  return "rank " + std::to_string(rank);
}

std::string dims_text(const std::vector<uint32_t>& dims) {
  std::string s = "[";
  for (size_t i = 0; i < dims.size(); ++i) s += (i ? "," : "") + std::to_string(dims[i]);
  return s + "]";
}

// The file's bytes in order, inflated if need be.
class Source {
 public:
  Source(std::span<const uint8_t> file, const std::string& name) : plain_(file) {
    if (is_gzip(file)) gzip_.emplace(file, name);
  }

  // At most n bytes; fewer where the file ends.
  size_t read(uint8_t* out, size_t n) {
    if (gzip_) return gzip_->read(out, n);
    if (n > plain_.size()) n = plain_.size();
    if (n != 0) memcpy(out, plain_.data(), n);
    plain_ = plain_.subspan(n);
    return n;
  }
  // No more than this many bytes can come.
  uint64_t bound() const { return gzip_ ? plain_.size() * kMaxDeflateRatio : plain_.size(); }
  bool compressed() const { return gzip_.has_value(); }
  size_t left() const { return plain_.size(); }
  void expect_end() { gzip_->expect_end(); }

 private:
  std::span<const uint8_t> plain_;
  std::optional<GzipReader> gzip_;
};

}  // namespace

IdxArray parse_idx(std::span<const uint8_t> file, int rank, const std::string& name) {
  Source source(file, name);
  const auto fail = [&](const std::string& what) -> void { throw FileError(name, what); };

  uint8_t magic[4];
  if (source.read(magic, 4) != 4) fail("not an IDX file: shorter than the 4 bytes of its magic number");
  if (magic[0] != 0 || magic[1] != 0) fail("not an IDX file: the first two bytes are not 0");
  if (magic[2] != kIdxUnsignedByte)
    fail("IDX element type " + std::to_string(magic[2]) + " is not read, only unsigned bytes (8)");
  if (magic[3] == 0 || magic[3] > kMaxIdxRank) fail("IDX rank " + std::to_string(magic[3]) + " is not in 1 .. 4");
  if (magic[3] != rank) fail("IDX holds " + what_rank(magic[3]) + " where " + what_rank(rank) + " are expected");

  uint8_t raw[4 * kMaxIdxRank];
  if (source.read(raw, 4 * size_t(rank)) != 4 * size_t(rank)) fail("the IDX dimensions are cut short");
  IdxArray a;
  uint64_t total = 1;
  for (int i = 0; i < rank; ++i) {
    const uint32_t d = load_be32(raw + 4 * i);
    a.dims.push_back(d);
    if (d == 0) fail("IDX dimension " + std::to_string(i) + " is 0");
    if (total > kMaxIdxBytes / d) fail("the IDX dimensions claim more than 4 GiB");
    total *= d;
  }
  if (total > source.bound())
    fail("the IDX dimensions " + dims_text(a.dims) + " claim " + std::to_string(total) +
         " bytes, the file cannot hold more than " + std::to_string(source.bound()));

  a.data.resize(total);
  const size_t got = source.read(a.data.data(), total);
  if (got != total)
    fail("the IDX elements end after " + std::to_string(got) + " of " + std::to_string(total) + " bytes");
  if (source.compressed())
    source.expect_end();
  else if (source.left() != 0)
    fail(std::to_string(source.left()) + " bytes follow the IDX elements");
  return a;
}

}  // namespace bantam
