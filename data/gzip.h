// Reads gzip files (RFC 1952) that are in memory already. Output is bounded by construction: the caller asks for exact
// numbers of bytes, so a small file cannot make the process inflate gigabytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace bantam {

// Whether the bytes start as a gzip file does.
bool is_gzip(std::span<const uint8_t> file);

// No deflate stream inflates to more than this many times its own size (RFC 1951: 258 bytes from 2 bits, zlib's tech
// notes say 1032): a header that claims more than the file can hold is refused before anything is allocated.
constexpr uint64_t kMaxDeflateRatio = 1032;

// One gzip member, inflated piece by piece. `file` must outlive the reader; `name` goes in front of each error text.
class GzipReader {
 public:
  GzipReader(std::span<const uint8_t> file, const std::string& name);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  // At most n bytes; fewer only where the stream ends. Throws FileError if the stream is damaged or cut short.
  size_t read(uint8_t* out, size_t n);
  // Throws FileError unless the stream ends exactly here, its checksum and length agree, and no byte follows it.
  void expect_end();

 private:
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace bantam
