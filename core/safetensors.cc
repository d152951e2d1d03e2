#include "core/safetensors.h"

#include <algorithm>
#include <numeric>

#include "core/base/bytes.h"
#include "core/json.h"
#include "core/tensor.h"

namespace bantam {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxRank = 64;
constexpr char kMetadataKey[] = "__metadata__";

struct DTypeInfo {
  const char* name;
  int bits;
};
constexpr DTypeInfo kInfo[kStDTypes] = {
    {"BOOL", 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8}, {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16},
    {"I32", 32}, {"U32", 32}, {"F32", 32}, {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64}};

// Elements times bits, or false if that does not fit. Like the reference: in the order of the dimensions, so that
// [2^40, 2^40, 0] is an overflow although nothing would be stored.
bool size_in_bits(const std::vector<uint64_t>& shape, StDType dtype, uint64_t* bits) {
  uint64_t n = 1;
  for (uint64_t d : shape)
    if (__builtin_mul_overflow(n, d, &n)) return false;
  return !__builtin_mul_overflow(n, uint64_t(bits_of(dtype)), bits);
}

struct Entry {
  SafeTensor tensor;
  uint64_t begin = 0, end = 0;
};

// Walks the header's JSON, which may be 100 MB, without building it in memory.
class Header : public JsonHandler {
 public:
  explicit Header(const std::string& path) : path_(path) {}

  std::vector<Entry> entries;
  StMetadata metadata;

  void begin_object() override {
    if (state_ == kStart) {
      state_ = kTop;
    } else if (state_ == kTop && name_ == kMetadataKey) {
      state_ = kMetadata;
    } else if (state_ == kTop) {
      state_ = kTensor;
      fields_ = 0;
      entries.emplace_back();
      entries.back().tensor.name = name_;
    } else {
      unexpected("an object");
    }
  }
  void end_object() override {
    if (state_ == kTensor) {
      for (int f = 0; f < kFields; ++f)
        if (!(fields_ >> f & 1)) fail_tensor(StRule::kTensorInfo, std::string("missing ") + kFieldNames[f]);
    }
    state_ = state_ == kTop ? kStart : kTop;
  }
  void key(std::string name) override {
    if (state_ != kTensor) {
      name_ = std::move(name);
      return;
    }
    for (field_ = 0; field_ < kFields; ++field_)
      if (name == kFieldNames[field_]) break;
    if (field_ == kFields) fail_tensor(StRule::kTensorInfo, "unknown field " + quote_name(name));
    fields_ |= 1 << field_;
  }
  void begin_array() override {
    if (state_ != kTensor || field_ == kDTypeField) unexpected("an array");
    state_ = field_ == kShapeField ? kShape : kOffsets;
    offsets_ = 0;
  }
  void end_array() override {
    if (state_ == kOffsets && offsets_ != 2)
      fail_tensor(StRule::kTensorInfo, "data_offsets: expected 2 numbers, found 1 or none");
    state_ = kTensor;
  }
  void scalar(Json value) override {
    if (state_ == kMetadata) {
      if (!value.is_string()) unexpected(value.type_name());
      metadata.emplace(name_, value.as_string());
    } else if (state_ == kTensor && field_ == kDTypeField) {
      if (!value.is_string()) unexpected(value.type_name());
      set_dtype(value.as_string());
    } else if (state_ == kShape) {
      auto& shape = entries.back().tensor.shape;
      if (shape.size() == kMaxRank) fail_tensor(StRule::kTensorInfo, "shape: more than 64 dimensions");
      shape.push_back(integer(value));
    } else if (state_ == kOffsets) {
      if (offsets_ == 2) fail_tensor(StRule::kTensorInfo, "data_offsets: expected 2 numbers, found more");
      (offsets_++ == 0 ? entries.back().begin : entries.back().end) = integer(value);
    } else {
      unexpected(value.type_name());
    }
  }

 private:
  enum State { kStart, kTop, kMetadata, kTensor, kShape, kOffsets };
  enum Field { kDTypeField, kShapeField, kOffsetsField, kFields };
  static constexpr const char* kFieldNames[kFields] = {"dtype", "shape", "data_offsets"};

  [[noreturn]] void fail_tensor(StRule rule, const std::string& what) {
    throw StError(path_, rule, "tensor " + quote_name(name_) + ": " + what);
  }
  [[noreturn]] void unexpected(const std::string& found) {
    if (name_ == kMetadataKey && state_ == kTop)
      throw StError(path_, StRule::kMetadata, "__metadata__: expected an object of strings, found " + found);
    if (state_ == kMetadata)
      throw StError(path_, StRule::kMetadata,
                    "__metadata__ " + quote_name(name_) + ": expected a string, found " + found);
    if (state_ == kTop) fail_tensor(StRule::kTensorInfo, "expected an object, found " + found);
    const char* wanted = field_ == kDTypeField ? "a string"
                         : state_ == kTensor   ? "an array of integers"
                                               : "an integer that is not negative";
    fail_tensor(StRule::kTensorInfo, std::string(kFieldNames[field_]) + ": expected " + wanted + ", found " + found);
  }
  uint64_t integer(const Json& v) {
    if (v.type() == Json::Type::kUint) return v.as_uint();
    if (v.type() != Json::Type::kInt) unexpected(v.type_name());
    if (v.as_int() < 0) unexpected(std::to_string(v.as_int()));
    return uint64_t(v.as_int());
  }
  void set_dtype(const std::string& name) {
    for (int t = 0; t < kStDTypes; ++t) {
      if (name == kInfo[t].name) {
        entries.back().tensor.dtype = StDType(t);
        return;
      }
    }
    fail_tensor(StRule::kDType, "unknown dtype " + quote_name(name));
  }

  const std::string& path_;
  State state_ = kStart;
  std::string name_;  // the last key outside a tensor's fields: of the tensor, or of the metadata's entry
  int field_ = 0, fields_ = 0, offsets_ = 0;
};

// The rules on where the data of the tensors lie. `entries` are sorted by offset.
void check_layout(const std::vector<Entry>& entries, uint64_t data_size, const std::string& path) {
  uint64_t at = 0;
  for (const Entry& e : entries) {
    auto fail = [&](StRule rule, const std::string& what) {
      throw StError(path, rule, "tensor " + quote_name(e.tensor.name) + ": " + what);
    };
    std::string begin = std::to_string(e.begin), end = std::to_string(e.end);
    if (e.begin > e.end) fail(StRule::kOffset, "data_offsets run backwards: [" + begin + "," + end + "]");
    if (e.begin != at) {
      fail(StRule::kOffset,
           "data begin at " + begin + (e.begin > at ? ", a hole after " : ", an overlap before ") + std::to_string(at));
    }
    uint64_t bits;
    if (!size_in_bits(e.tensor.shape, e.tensor.dtype, &bits)) fail(StRule::kOverflow, "size beyond 64 bits");
    if (bits % 8 != 0) fail(StRule::kMisaligned, std::to_string(bits) + " bits do not end on a byte");
    if (bits / 8 != e.end - e.begin) {
      fail(StRule::kSize, "shape and dtype take " + std::to_string(bits / 8) + " bytes, data_offsets " +
                              std::to_string(e.end - e.begin));
    }
    at = e.end;
  }
  if (at > data_size) {
    throw StError(path, StRule::kIncompleteBuffer,
                  "tensors take " + std::to_string(at) + " bytes, the file holds " + std::to_string(data_size));
  }
  if (at < data_size) {
    throw StError(path, StRule::kIncompleteBuffer, std::to_string(data_size - at) + " bytes after the last tensor");
  }
}

std::string join(const std::vector<uint64_t>& shape) {
  std::string out;
  for (uint64_t d : shape) out += (out.empty() ? "" : ",") + std::to_string(d);
  return out;
}

Error wrong_size(const SafeTensor& t, uint64_t bytes) {
  return Error("safetensors: tensor " + quote_name(t.name) + " has " + std::to_string(bytes) + " bytes, which is not " +
               name_of(t.dtype) + " [" + join(t.shape) + "]");
}

// A tensor's bytes, given or made.
void hand_over(const SafeTensor& t, const StSink& sink) {
  if (!t.make) return sink(t.bytes);
  uint64_t bits = 0, bytes = 0;
  size_in_bits(t.shape, t.dtype, &bits);
  t.make([&](ByteSpan piece) {
    bytes += piece.size();
    sink(piece);
  });
  if (bytes != bits / 8) throw wrong_size(t, bytes);
}

// Sorts the tensors as they will lie in the file, and returns N and the header.
std::string make_header(std::vector<SafeTensor>& tensors, const StMetadata& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const SafeTensor& a, const SafeTensor& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  std::vector<std::string_view> names;
  for (const SafeTensor& t : tensors) names.push_back(t.name);
  std::sort(names.begin(), names.end());
  auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw Error("safetensors: two tensors are named " + quote_name(*twice));

  for (const auto& [key, value] : metadata)
    if (!valid_utf8(key) || !valid_utf8(value))
      throw Error("safetensors: metadata " + quote_name(key) + " is not UTF-8");
  std::string json = "{";
  if (!metadata.empty()) {
    json += json_quote(kMetadataKey) + ":{";
    for (const auto& [key, value] : metadata) {
      if (json.back() != '{') json += ',';
      json += json_quote(key) + ":" + json_quote(value);
    }
    json += '}';
  }
  uint64_t at = 0;
  for (const SafeTensor& t : tensors) {
    if (t.name == kMetadataKey || !valid_utf8(t.name))
      throw Error("safetensors: a tensor cannot be named " + quote_name(t.name));
    uint64_t bits;
    const bool valid = size_in_bits(t.shape, t.dtype, &bits) && bits % 8 == 0;
    if (!valid || (!t.make && bits / 8 != t.bytes.size())) throw wrong_size(t, t.bytes.size());
    const uint64_t size = bits / 8;
    if (json.back() != '{') json += ',';
    json += json_quote(t.name) + ":{\"dtype\":\"" + name_of(t.dtype) + "\",\"shape\":[" + join(t.shape) +
            "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + size) + "]}";
    at += size;
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > kMaxHeader) throw Error("safetensors: a header of " + std::to_string(json.size()) + " bytes");
  uint8_t size[8];
  store_le64(size, json.size());
  return std::string(as_text(size)) + json;
}

}  // namespace

const char* name_of(StDType t) { return kInfo[int(t)].name; }
int bits_of(StDType t) { return kInfo[int(t)].bits; }

void SafeTensors::load(ByteSpan file) {
  auto fail = [&](StRule rule, const std::string& what) { throw StError(path_, rule, what); };
  if (file.size() < 8)
    fail(StRule::kHeaderTooSmall, std::to_string(file.size()) + " bytes, a safetensors file has at least 8");
  uint64_t n = load_le64(file.data());
  if (n > kMaxHeader) {
    const std::string_view begin = as_text(file.first(4));  // of a zip archive, or of a pickle
    if (begin == "PK\x03\x04" || begin.substr(0, 2) == "\x80\x02")
      fail(StRule::kHeaderTooLarge, "is no safetensors file but, it seems, one of torch.save; see docs/convert.md");
    fail(StRule::kHeaderTooLarge, "header of " + std::to_string(n) + " bytes, at most 100000000 allowed");
  }
  if (n > file.size() - 8)
    fail(StRule::kHeaderLength,
         "header of " + std::to_string(n) + " bytes, but only " + std::to_string(file.size() - 8) + " follow");
  std::string_view text = as_text(file.subspan(8, size_t(n)));
  if (!valid_utf8(text)) fail(StRule::kUtf8, "header is not UTF-8");
  if (text.empty() || text.front() != '{') fail(StRule::kHeaderStart, "header does not start with '{'");
  if (text[text.find_last_not_of(' ')] != '}') fail(StRule::kHeaderEnd, "header does not end with '}' and spaces");
  Header header(path_);
  try {
    parse_json(text, header, {.max_bytes = kMaxHeader, .max_values = size_t(1) << 21});
  } catch (const JsonError& e) {
    fail(StRule::kJson, std::string("header: ") + e.what());
  }
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  ByteSpan data = file.subspan(8 + size_t(n));
  check_layout(header.entries, data.size(), path_);
  for (Entry& e : header.entries) {
    e.tensor.bytes = data.subspan(size_t(e.begin), size_t(e.end - e.begin));
    tensors_.push_back(std::move(e.tensor));
  }
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
  metadata_ = std::move(header.metadata);
}

SafeTensors SafeTensors::read(const std::string& path, uint64_t max_bytes) {
  return parse(read_file(path, max_bytes), path);
}

SafeTensors SafeTensors::parse(Bytes bytes, const std::string& path) {
  SafeTensors s;
  s.path_ = path;
  s.bytes_ = std::move(bytes);
  s.load(s.bytes_);
  return s;
}

SafeTensors SafeTensors::view(ByteSpan bytes, const std::string& path) {
  SafeTensors s;
  s.path_ = path;
  s.load(bytes);
  return s;
}

const SafeTensor* SafeTensors::find(std::string_view name) const {
  auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                             [&](uint32_t i, std::string_view n) { return tensors_[i].name < n; });
  return it != by_name_.end() && tensors_[*it].name == name ? &tensors_[*it] : nullptr;
}

Bytes safetensors_bytes(std::vector<SafeTensor> tensors, const StMetadata& metadata) {
  std::string header = make_header(tensors, metadata);
  Bytes out(header.begin(), header.end());
  for (const SafeTensor& t : tensors)
    hand_over(t, [&](ByteSpan piece) { out.insert(out.end(), piece.begin(), piece.end()); });
  return out;
}

void write_safetensors(const std::string& path, std::vector<SafeTensor> tensors, const StMetadata& metadata,
                       bool keep_previous) {
  std::string header = make_header(tensors, metadata);
  AtomicFile file(path);
  file.write(header);
  for (const SafeTensor& t : tensors) hand_over(t, [&](ByteSpan piece) { file.write(piece); });
  file.commit(keep_previous);
}

}  // namespace bantam
