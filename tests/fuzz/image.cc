#include "data/image.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/base/bytes.h"
#include "core/base/crc32.h"
#include "tests/fuzz/fuzz.h"

namespace bantam {
namespace {

void try_decode(ByteSpan file, int channels) {
  try {
    const Image image = decode_image(file, channels, "f");
    FUZZ_CHECK(image.c == channels || (channels == 0 && (image.c == 1 || image.c == 3)));
    FUZZ_CHECK(image.h > 0 && image.w > 0);
    FUZZ_CHECK(image.pixels.size() == size_t(image.h) * size_t(image.w) * size_t(image.c));
  } catch (const FileError&) {
  }
}

}  // namespace

void fuzz_one(ByteSpan input) {
  // A larger file may ask for more memory, and time, than an input should take.
  if (input.size() > 16384) return;
  try_decode(input, 0);
  if (input.size() < 8 || input[0] != 0x89) return;
  // Behind the checksums, which a mutation breaks and the decoder does not look at, is where it can go wrong.
  Bytes mended(input.begin(), input.end());
  for (size_t pos = 8; mended.size() - pos >= 12;) {
    const uint32_t length = load_be32(mended.data() + pos);
    if (length > mended.size() - pos - 12) break;
    const uint32_t crc = crc32(mended.data() + pos + 4, size_t(length) + 4);
    pos += 12 + size_t(length);
    for (size_t i = 0; i < 4; ++i) mended[pos - 1 - i] = uint8_t(crc >> (8 * i));
  }
  try_decode(mended, 1);
  try_decode(mended, 3);
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fixtures/images"))
    if (entry.path().extension() == ".png" || entry.path().extension() == ".jpg")
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const Bytes file = read_file(path, 1 << 20);
    seed(file);
  }
}

}  // namespace bantam
