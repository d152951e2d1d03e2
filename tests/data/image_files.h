// The images of tests/fixtures/images, and PNG files put together chunk by chunk.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/crc32.h"
#include "core/file.h"
#include "data/image.h"
#include "tests/data/made_files.h"

namespace bantam {

inline std::string image_fixture(const std::string& name) { return "tests/fixtures/images/" + name; }
inline Bytes image_fixture_bytes(const std::string& name) { return read_file(image_fixture(name), 1 << 20); }

// P5 or P6 with the header "P5 W H 255\n", as the fixtures' script writes it.
inline Image read_netpbm(const std::string& name) {
  const Bytes file = image_fixture_bytes(name);
  char kind = 0;
  int w = 0, h = 0, used = 0;
  REQUIRE(sscanf(reinterpret_cast<const char*>(file.data()), "P%c %d %d 255%n", &kind, &w, &h, &used) == 3);
  Image image{h, w, kind == '6' ? 3 : 1, {}};
  image.pixels.assign(file.begin() + used + 1, file.end());
  REQUIRE(image.pixels.size() == size_t(h) * size_t(w) * size_t(image.c));
  return image;
}

// The picture() of make_images.py.
inline Image made_picture(int h, int w, int c) {
  Image image{h, w, c, {}};
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int k = 0; k < c; ++k)
        image.pixels.push_back(uint8_t(3 * y + 5 * x * (k + 1) + 90 * ((x / 3 + y / 2 + k) % 2)));
  return image;
}

struct PngChunk {
  std::string type;
  Bytes body;
};

inline std::vector<PngChunk> png_chunks(const Bytes& file) {
  std::vector<PngChunk> chunks;
  for (size_t pos = 8; pos < file.size();) {
    const size_t length = load_be32(file.data() + pos);
    const auto at = [&](size_t i) { return file.begin() + ptrdiff_t(pos + i); };
    chunks.push_back({std::string(at(4), at(8)), Bytes(at(8), at(8 + length))});
    pos += 12 + length;
  }
  return chunks;
}

inline Bytes png_file(const std::vector<PngChunk>& chunks) {
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  for (const PngChunk& c : chunks) {
    append_be32(out, uint32_t(c.body.size()));
    const size_t begin = out.size();
    out.insert(out.end(), c.type.begin(), c.type.end());
    out.insert(out.end(), c.body.begin(), c.body.end());
    append_be32(out, crc32(out.data() + begin, out.size() - begin));
  }
  return out;
}

// Where the k-th (from 0) segment with this marker begins; fails the test if there is none.
inline size_t jpeg_segment(const Bytes& file, uint8_t marker, int k = 0) {
  for (size_t pos = 2; pos + 4 <= file.size();) {
    REQUIRE(file[pos] == 0xff);
    if (file[pos + 1] == marker && k-- == 0) return pos;
    pos += 2 + (size_t(file[pos + 2]) << 8 | file[pos + 3]);
    while (file[pos] != 0xff || file[pos + 1] == 0 || (file[pos + 1] & 0xf8) == 0xd0) ++pos;  // entropy-coded data
  }
  FAIL("no such segment");
  return 0;
}

}  // namespace bantam
