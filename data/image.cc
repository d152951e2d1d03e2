#include "data/image.h"

#include <algorithm>

#include "data/decoders.h"
#include "data/image_check.h"

namespace bantam {
namespace {

constexpr uint64_t kMaxDecoderBytes = uint64_t{1} << 30;

// From the channels that a file has to those that are wanted, in place.
void to_channels(int want, Image* image) {
  const size_t n = size_t(image->h) * size_t(image->w);
  if (image->c == want) return;
  if (want == 1) {
    const uint8_t* in = image->pixels.data();
    for (size_t i = 0; i < n; ++i, in += 3)
      image->pixels[i] = uint8_t((in[0] * 19595 + in[1] * 38470 + in[2] * 7471 + 32768) >> 16);
    image->pixels.resize(n);
  } else {
    image->pixels.resize(3 * n);
    uint8_t* p = image->pixels.data();
    for (size_t i = n; i-- > 0;) p[3 * i] = p[3 * i + 1] = p[3 * i + 2] = p[i];
  }
  image->c = want;
}

}  // namespace

Image decode_image(ByteSpan file, int channels, const std::string& name) {
  Image image;
  decode_image(file, channels, name, &image);
  return image;
}

void decode_image(ByteSpan file, int channels, const std::string& name, Image* out) {
  if (file.size() > kMaxImageFile) throw FileError(name, "an image file of more than 256 MiB is not read");
  const uint64_t room = std::min(4096 * uint64_t(file.size()) + (1 << 20), kMaxDecoderBytes);
  const std::string reason = image_format(file, name) == ImageFormat::kPng
                                 ? decode_png(check_png(file, name), room, out)
                                 : decode_jpeg(check_jpeg(file, name), room, out);
  if (!reason.empty()) throw FileError(name, "the image cannot be decoded (" + reason + ")");
  if (channels != 0) to_channels(channels, out);
}

Image read_image(const std::string& path, int channels) {
  return decode_image(read_file(path, kMaxImageFile), channels, path);
}

}  // namespace bantam
