#include "data/image_check.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/bytes.h"
#include "core/base/crc32.h"

namespace bantam {
namespace {

constexpr uint8_t kPngSignature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

void check_sides(uint32_t h, uint32_t w, const std::string& name) {
  if (h == 0 || w == 0) throw FileError(name, "the image has no pixels");
  if (h > kMaxImageSide || w > kMaxImageSide || int64_t(h) * w > kMaxImagePixels)
    throw FileError(name, "the image has " + std::to_string(w) + "x" + std::to_string(h) +
                              " pixels, more than are read (sides of 16384, 64 Mi in all)");
}

void check_png_header(const uint8_t* p, const std::string& name) {
  check_sides(load_be32(p + 4), load_be32(p), name);
  const int depth = p[8], color = p[9];
  bool known = false;
  switch (color) {
    case 0: known = depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16; break;
    case 3: known = depth == 1 || depth == 2 || depth == 4 || depth == 8; break;
    case 2:
    case 4:
    case 6: known = depth == 8 || depth == 16; break;
    default: break;
  }
  if (!known)
    throw FileError(
        name, "PNG color type " + std::to_string(color) + " with " + std::to_string(depth) + " bits does not exist");
  if (p[10] != 0 || p[11] != 0) throw FileError(name, "PNG compression or filter method is unknown");
  if (p[12] > 1) throw FileError(name, "PNG interlace method is unknown");
}

}  // namespace

ImageFormat image_format(ByteSpan file, const std::string& name) {
  if (file.size() >= 8 && memcmp(file.data(), kPngSignature, 8) == 0) return ImageFormat::kPng;
  if (file.size() >= 3 && file[0] == 0xff && file[1] == 0xd8 && file[2] == 0xff) return ImageFormat::kJpeg;
  throw FileError(name, "neither a PNG nor a JPEG image");
}

ByteSpan check_png(ByteSpan file, const std::string& name) {
  enum { kWantHeader, kBeforeData, kInData, kAfterData } state = kWantHeader;
  bool palette = false, needs_palette = false;
  size_t pos = 8;
  for (;;) {
    if (file.size() - pos < 12) throw FileError(name, "the PNG is cut short");
    const uint32_t length = load_be32(file.data() + pos);
    const uint8_t* type = file.data() + pos + 4;
    const std::string type_text(reinterpret_cast<const char*>(type), 4);
    for (int i = 0; i < 4; ++i)
      if (!((type[i] >= 'a' && type[i] <= 'z') || (type[i] >= 'A' && type[i] <= 'Z')))
        throw FileError(name, "a PNG chunk at byte " + std::to_string(pos) + " has no name");
    if (length > file.size() - pos - 12) throw FileError(name, "the PNG chunk " + type_text + " is cut short");
    const uint8_t* body = type + 4;
    if (crc32(type, size_t(length) + 4) != load_be32(body + length))
      throw FileError(name, "the PNG chunk " + type_text + " has a wrong checksum");
    pos += 12 + size_t(length);

    const bool header = type_text == "IHDR";
    if (header != (state == kWantHeader)) throw FileError(name, "the PNG does not begin with its one header");
    if (header) {
      if (length != 13) throw FileError(name, "the PNG header is not 13 bytes long");
      check_png_header(body, name);
      needs_palette = body[9] == 3;
      state = kBeforeData;
    } else if (type_text == "PLTE") {
      if (palette || state != kBeforeData)
        throw FileError(name, "the PNG palette is not before the data, or not the only one");
      if (length == 0 || length % 3 != 0 || length > 768) throw FileError(name, "the PNG palette has a wrong length");
      palette = true;
    } else if (type_text == "IDAT") {
      if (state == kAfterData) throw FileError(name, "the PNG data is not in one piece");
      if (needs_palette && !palette) throw FileError(name, "the PNG has no palette");
      state = kInData;
    } else if (type_text == "IEND") {
      if (state == kBeforeData) throw FileError(name, "the PNG has no data");
      if (length != 0) throw FileError(name, "the PNG end is not empty");
      return file.first(pos);
    } else {
      if ((type[0] & 0x20) == 0) throw FileError(name, "the PNG chunk " + type_text + " is not known");
      if (state == kInData) state = kAfterData;
    }
  }
}

namespace {

// The first byte FF at or after pos, or the end.
size_t next_ff(ByteSpan bytes, size_t pos) {
  const void* at = pos < bytes.size() ? memchr(bytes.data() + pos, 0xff, bytes.size() - pos) : nullptr;
  return at == nullptr ? bytes.size() : size_t(static_cast<const uint8_t*>(at) - bytes.data());
}

// Walks the segments of one JPEG file.
class JpegCheck {
 public:
  JpegCheck(ByteSpan file, const std::string& name) : file_(file), name_(name) {}
  CheckedJpeg run();

 private:
  struct Component {
    uint8_t id, h, v, q;
  };

  [[noreturn]] void fail(const std::string& what) const { throw FileError(name_, "JPEG: " + what); }
  uint8_t byte(size_t i) const { return i < file_.size() ? file_[i] : (fail("cut short"), uint8_t{0}); }
  uint32_t u16(size_t i) const { return uint32_t(byte(i)) << 8 | byte(i + 1); }
  void keep(size_t begin, size_t end) {
    out_.insert(out_.end(), file_.begin() + ptrdiff_t(begin), file_.begin() + ptrdiff_t(end));
  }

  // Each takes the segment's body [begin, end).
  void huffman_tables(size_t begin, size_t end);
  void quantization_tables(size_t begin, size_t end);
  void frame(size_t begin, size_t end, bool progressive);
  void scan(size_t begin, size_t end);
  size_t entropy_end(size_t pos) const;  // of the next marker's FF
  void check_copy() const;

  ByteSpan file_;
  const std::string& name_;
  Bytes out_;
  std::vector<size_t> huffman_at_;                // in out_: the FF of each DHT
  std::array<std::array<bool, 4>, 2> huffman_{};  // [DC, AC][id] is defined
  std::array<bool, 4> quantization_{};
  std::vector<Component> components_;
  int h_ = 0, w_ = 0;
  bool progressive_ = false;
  int scans_ = 0;
};

void JpegCheck::huffman_tables(size_t pos, size_t end) {
  while (pos != end) {
    if (end - pos < 17) fail("a Huffman table is cut short");
    const int kind = file_[pos] >> 4, id = file_[pos] & 15;
    if (kind > 1 || id > 3) fail("a Huffman table has an impossible number");
    uint32_t codes = 0, sum = 0;  // sum: codes so far, and room left in the tree, in units of 2^-16
    for (uint32_t i = 1; i <= 16; ++i) {
      codes += file_[pos + i];
      sum += uint32_t(file_[pos + i]) << (16 - i);
    }
    if (codes > 256) fail("a Huffman table has " + std::to_string(codes) + " codes, more than 256");
    if (sum > 65536) fail("a Huffman table has more codes than its lengths allow");
    pos += 17;
    if (end - pos < codes) fail("a Huffman table is cut short");
    if (kind == 0)
      for (uint32_t i = 0; i < codes; ++i)
        if (file_[pos + i] > 15) fail("a Huffman table for DC has a symbol above 15");
    pos += codes;
    huffman_[size_t(kind)][size_t(id)] = true;
  }
}

void JpegCheck::quantization_tables(size_t pos, size_t end) {
  while (pos != end) {
    const int wide = file_[pos] >> 4, id = file_[pos] & 15;
    if (wide > 1 || id > 3) fail("a quantization table has an impossible number");
    const size_t length = 1 + (wide ? 128 : 64);
    if (end - pos < length) fail("a quantization table is cut short");
    quantization_[size_t(id)] = true;
    pos += length;
  }
}

void JpegCheck::frame(size_t begin, size_t end, bool progressive) {
  if (!components_.empty()) fail("more than one frame");
  if (end - begin < 6) fail("the frame header is cut short");
  if (file_[begin] != 8) fail(std::to_string(file_[begin]) + " bits a sample are not read, only 8");
  check_sides(u16(begin + 1), u16(begin + 3), name_);
  h_ = int(u16(begin + 1)), w_ = int(u16(begin + 3));
  const int n = file_[begin + 5];
  if (n != 1 && n != 3 && n != 4) fail(std::to_string(n) + " components are not read");
  if (end - begin != 6 + 3 * size_t(n)) fail("the frame header has a wrong length");
  int h_max = 1, v_max = 1;
  for (int i = 0; i < n; ++i) {
    const size_t p = begin + 6 + 3 * size_t(i);
    const Component c{file_[p], uint8_t(file_[p + 1] >> 4), uint8_t(file_[p + 1] & 15), file_[p + 2]};
    if (c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4) fail("a sampling factor is not in 1 .. 4");
    if (c.q > 3) fail("a component has an impossible quantization table");
    for (const Component& other : components_)
      if (other.id == c.id) fail("two components have the same number");
    h_max = std::max(h_max, int(c.h));
    v_max = std::max(v_max, int(c.v));
    components_.push_back(c);
  }
  for (const Component& c : components_)
    if (h_max % c.h != 0 || v_max % c.v != 0) fail("a sampling ratio is not a whole number");
  progressive_ = progressive;
}

void JpegCheck::scan(size_t begin, size_t end) {
  if (components_.empty()) fail("a scan comes before the frame header");
  if (++scans_ > kMaxJpegScans) fail("more than 100 scans");
  const size_t n = end > begin ? file_[begin] : 0;
  if (n < 1 || n > components_.size() || end - begin != 4 + 2 * n) fail("a scan header has a wrong length");
  const int first = file_[end - 3], last = file_[end - 2], high = file_[end - 1] >> 4, low = file_[end - 1] & 15;
  if (!progressive_ && (first != 0 || last != 63 || high != 0 || low != 0))
    fail("a scan is not that of a baseline file");
  if (progressive_ &&
      (first > last || last > 63 || (first == 0 && last != 0) || (first > 0 && n != 1) || high > 13 || low > 13))
    fail("a progressive scan has an impossible range");
  for (size_t i = 0; i < n; ++i) {
    const uint8_t id = file_[begin + 1 + 2 * i], dc = file_[begin + 2 + 2 * i] >> 4, ac = file_[begin + 2 + 2 * i] & 15;
    const auto c = std::find_if(components_.begin(), components_.end(), [&](const Component& x) { return x.id == id; });
    if (c == components_.end()) fail("a scan names a component that does not exist");
    for (size_t j = 0; j < i; ++j)
      if (file_[begin + 1 + 2 * j] == id) fail("a scan names a component twice");
    if (dc > 3 || ac > 3) fail("a scan names an impossible Huffman table");
    const bool needs_dc = !progressive_ || (first == 0 && high == 0), needs_ac = !progressive_ || first > 0;
    if ((needs_dc && !huffman_[0][dc]) || (needs_ac && !huffman_[1][ac]))
      fail("a scan uses a Huffman table that is not defined");
    if (!quantization_[c->q]) fail("a scan uses a quantization table that is not defined");
  }
}

size_t JpegCheck::entropy_end(size_t pos) const {
  // FF 00 is a data byte, FF D0 .. D7 a restart, FF FF a fill byte before a marker.
  for (;; ++pos) {
    pos = next_ff(file_, pos);
    if (pos == file_.size()) fail("cut short");
    const uint8_t next = byte(pos + 1);
    if (next == 0x00 || (next >= 0xd0 && next <= 0xd7) || next == 0xff) continue;
    return pos;
  }
}

void JpegCheck::check_copy() const {
  size_t known = 0;
  for (size_t i = next_ff(out_, 0); i + 1 < out_.size(); i = next_ff(out_, i + 1)) {
    if (out_[i + 1] != 0xc4) continue;
    if (known == huffman_at_.size() || huffman_at_[known] != i) fail("a Huffman table hides in another segment");
    ++known;
  }
}

CheckedJpeg JpegCheck::run() {
  out_.reserve(file_.size());
  keep(0, 2);
  size_t pos = 2;
  for (;;) {
    if (byte(pos) != 0xff) fail("no marker at byte " + std::to_string(pos));
    while (byte(pos + 1) == 0xff) ++pos;
    const uint8_t marker = byte(pos + 1);
    if (marker == 0xd9) {
      if (scans_ == 0) fail("no scan");
      keep(pos, pos + 2);
      check_copy();
      return {std::move(out_), h_, w_, int(components_.size())};
    }
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8) || (marker > 0xef && marker != 0xfe))
      fail("marker " + std::to_string(marker) + " at byte " + std::to_string(pos) + " has no place there");
    const uint32_t length = u16(pos + 2);
    if (length < 2) fail("a segment at byte " + std::to_string(pos) + " is shorter than its own length");
    const size_t begin = pos + 4, end = pos + 2 + length;
    if (end > file_.size()) fail("cut short");
    bool needed = true;
    switch (marker) {
      case 0xc4:
        huffman_at_.push_back(out_.size());
        huffman_tables(begin, end);
        break;
      case 0xdb: quantization_tables(begin, end); break;
      case 0xc0:
      case 0xc1: frame(begin, end, false); break;
      case 0xc2: frame(begin, end, true); break;
      case 0xdd:
        if (length != 4) fail("the restart interval has a wrong length");
        break;
      case 0xda: scan(begin, end); break;
      case 0xe0:
      case 0xee: break;  // JFIF, Adobe: say what the colors are
      default:
        if (marker < 0xe0) fail("lossless, arithmetic, hierarchical files and DNL are not read");
        needed = false;
    }
    if (needed) keep(pos, end);
    pos = end;
    if (marker == 0xda) {
      const size_t next = entropy_end(pos);
      keep(pos, next);
      pos = next;
    }
  }
}

}  // namespace

CheckedJpeg check_jpeg(ByteSpan file, const std::string& name) { return JpegCheck(file, name).run(); }

}  // namespace bantam
