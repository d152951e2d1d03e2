// What an image file must satisfy before a decoder may see it. stb_image (Debian 12: 2.27) trusts much that a file
// says: its Huffman tables can be overrun, fractional sampling factors misread, checksums are not looked at. Here the
// structure of the file is walked, every field that steers the decoder is checked, and the decoder is given only what
// was walked.
#pragma once

#include <cstdint>
#include <string>

#include "core/file.h"

namespace bantam {

constexpr int kMaxImageSide = 16384;
constexpr int64_t kMaxImagePixels = int64_t{1} << 26;
constexpr uint64_t kMaxImageFile = uint64_t{1} << 28;

enum class ImageFormat { kPng, kJpeg };

// By the first bytes; FileError if they are of neither kind.
ImageFormat image_format(ByteSpan file, const std::string& name);

// The file from its signature to its IEND, if header, order of chunks, and the CRC of each chunk are right (what
// follows IEND is ignored, as libpng and PIL do); FileError otherwise. No critical chunk beyond IHDR, PLTE, IDAT, IEND.
ByteSpan check_png(ByteSpan file, const std::string& name);

// A copy with only the segments that decoding needs (SOF, DHT, DQT, DRI, SOS, the JFIF and Adobe headers), up to EOI,
// each checked: baseline and progressive Huffman, 8 bits, 1, 3 or 4 components with whole sampling ratios, at most 256
// codes in a Huffman table, tables defined before use, at most kMaxJpegScans scans. FileError otherwise.
//
// The decoder enters its Huffman table reader only on the bytes FF C4, so the copy is searched for them: each
// occurrence is a table that was checked, wherever the decoder's idea of the structure might differ from ours.
struct CheckedJpeg {
  Bytes bytes;
  int h = 0, w = 0, components = 0;
};
CheckedJpeg check_jpeg(ByteSpan file, const std::string& name);
constexpr int kMaxJpegScans = 100;

}  // namespace bantam
