#include "data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "core/file.h"

namespace bantam {

struct GzipReader::State {
  z_stream z{};
  std::string name;
  std::span<const uint8_t> rest;  // input that z has not been given yet
  bool ended = false;
};

bool is_gzip(std::span<const uint8_t> file) { return file.size() >= 2 && file[0] == 0x1f && file[1] == 0x8b; }

GzipReader::GzipReader(std::span<const uint8_t> file, const std::string& name) : s_(std::make_unique<State>()) {
  s_->name = name;
  s_->rest = file;
  if (!is_gzip(file)) throw FileError(name, "not a gzip file");
  // 15 window bits; + 16: a gzip wrapper, whose CRC-32 and length zlib then checks.
  if (inflateInit2(&s_->z, 15 + 16) != Z_OK) throw std::bad_alloc();
}

GzipReader::~GzipReader() { inflateEnd(&s_->z); }

size_t GzipReader::read(uint8_t* out, size_t n) {
  constexpr size_t kPiece = std::numeric_limits<uInt>::max() / 2;  // zlib counts in 32 bits
  z_stream& z = s_->z;
  size_t done = 0;
  while (done < n && !s_->ended) {
    if (z.avail_in == 0 && !s_->rest.empty()) {
      const size_t piece = std::min(s_->rest.size(), kPiece);
      z.next_in = const_cast<Bytef*>(s_->rest.data());  // zlib's interface is not const-correct; it only reads
      z.avail_in = uInt(piece);
      s_->rest = s_->rest.subspan(piece);
    }
    const size_t want = std::min(n - done, kPiece);
    z.next_out = out + done;
    z.avail_out = uInt(want);
    const int rc = inflate(&z, Z_NO_FLUSH);
    done += want - z.avail_out;
    if (rc == Z_STREAM_END) {
      s_->ended = true;
    } else if (rc == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (rc == Z_BUF_ERROR || (rc == Z_OK && z.avail_in == 0 && s_->rest.empty() && z.avail_out != 0)) {
      throw FileError(s_->name, "the gzip stream is cut short");
    } else if (rc != Z_OK) {
      throw FileError(s_->name, std::string("the gzip stream is damaged (") + (z.msg ? z.msg : "unknown reason") + ")");
    }
  }
  return done;
}

void GzipReader::expect_end() {
  uint8_t extra;
  // The trailer is checked only when zlib gets there, which one more byte of room makes it do.
  if (read(&extra, 1) != 0) throw FileError(s_->name, "the gzip stream holds more than its contents need");
  if (s_->z.avail_in != 0 || !s_->rest.empty()) throw FileError(s_->name, "bytes follow the end of the gzip stream");
}

}  // namespace bantam
