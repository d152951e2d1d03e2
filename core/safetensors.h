// safetensors: the format in which weights travel, files interchangeable with the reference library's.
//
//   u64 little-endian N, N <= 100,000,000 | N bytes of JSON, from `{`, spaces at its end | the data
//   {"__metadata__": {string: string}, NAME: {"dtype": "F32", "shape": [2,3], "data_offsets": [begin, end]}, ...}
//
// Offsets count from the end of the header. Sorted by them, the tensors tile the data exactly: no hole, no overlap,
// nothing before, nothing after. Row-major, little-endian. Rank 0 and dimensions of 0 are valid.
//
// The reader trusts nothing, names the rule that a file breaks, and takes memory in proportion to the header, whatever
// that says. It refuses what the format's page forbids though the reference library lets it pass (duplicate keys, white
// space other than spaces around the header, unknown fields), and sets two limits of its own: rank 64, and 2^21 keys
// and values in a header. The writer gives the reference writer's bytes for the same input; with two or more metadata
// entries, whose order there is random, it sorts them by key.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace bantam {

// In the order by which the writer sorts, backwards: increasing alignment.
enum class StDType : uint8_t {
  kBool, kF4, kF6E2M3, kF6E3M2, kU8, kI8, kF8E5M2, kF8E4M3, kF8E8M0, kF8E4M3Fnuz, kF8E5M2Fnuz, kI16, kU16, kF16, kBF16,
  kI32, kU32, kF32, kC64, kF64, kI64, kU64,
};
constexpr int kStDTypes = 22;
const char* name_of(StDType t);  // "F32", as in a file
int bits_of(StDType t);          // of one element

// Takes pieces of a tensor's bytes, in order.
using StSink = std::function<void(ByteSpan piece)>;

struct SafeTensor {
  std::string name = {};
  StDType dtype = StDType::kF32;
  std::vector<uint64_t> shape = {};
  ByteSpan bytes = {};
  // To be written, instead of bytes: makes them, piece by piece, as the file is written.
  std::function<void(const StSink&)> make = {};
};
using StMetadata = std::map<std::string, std::string>;

// Which rule a file breaks.
enum class StRule {
  kHeaderTooSmall,       // no room for N
  kHeaderTooLarge,       // N > 100,000,000
  kHeaderLength,         // the file ends before the header does
  kUtf8,                 // the header is not UTF-8
  kHeaderStart,          // the header does not start with `{`
  kHeaderEnd,            // something else than spaces after the last `}`
  kJson,                 // not JSON; duplicate keys; our limits
  kMetadata,             // __metadata__ is not a map of strings to strings
  kTensorInfo,           // not exactly {dtype, shape, data_offsets}, or one of another type
  kDType,                // unknown dtype
  kOffset,               // begin > end, hole or overlap
  kOverflow,             // the size in bits is beyond 64 bits
  kMisaligned,           // a dtype below 8 bits, and the tensor ends within a byte
  kSize,                 // end - begin is not what shape and dtype say
  kIncompleteBuffer,     // the tensors do not end where the file does
};
class StError : public FileError {
 public:
  StError(const std::string& path, StRule rule, const std::string& reason) : FileError(path, reason), rule_(rule) {}
  StRule rule() const { return rule_; }

 private:
  StRule rule_;
};

// A file's tensors and metadata. The tensors' bytes live as long as this does (or as the bytes behind view()).
class SafeTensors {
 public:
  // StError as above; FileError and IoError as read_file.
  static SafeTensors read(const std::string& path, uint64_t max_bytes = uint64_t(1) << 36);
  // The same from memory; `path` is only named in errors.
  static SafeTensors parse(Bytes bytes, const std::string& path = "<memory>");
  static SafeTensors view(ByteSpan bytes, const std::string& path = "<memory>");

  SafeTensors(SafeTensors&&) = default;
  SafeTensors& operator=(SafeTensors&&) = default;
  SafeTensors(const SafeTensors&) = delete;
  SafeTensors& operator=(const SafeTensors&) = delete;

  const std::vector<SafeTensor>& tensors() const { return tensors_; }  // by offset
  const SafeTensor* find(std::string_view name) const;                 // or null
  const StMetadata& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }

 private:
  SafeTensors() = default;
  void load(ByteSpan file);

  std::string path_;
  Bytes bytes_;  // empty for view()
  std::vector<SafeTensor> tensors_;
  std::vector<uint32_t> by_name_;
  StMetadata metadata_;
};

// The file's bytes. Error (core/tensor.h) names a tensor whose bytes (given or made) do not fit its shape, a name that
// is used twice, is "__metadata__" or is not UTF-8.
Bytes safetensors_bytes(std::vector<SafeTensor> tensors, const StMetadata& metadata = {});
// Writes them atomically and durably (core/file.h), without a copy of the data.
void write_safetensors(const std::string& path, std::vector<SafeTensor> tensors, const StMetadata& metadata = {},
                       bool keep_previous = false);

}  // namespace bantam
