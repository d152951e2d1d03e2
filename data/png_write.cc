// The writing half of image.h: apart from image.cc, whose flags are for untrusted input.
#include <cstdlib>
#include <cstring>

#include "core/tensor.h"
#include "data/image.h"

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace bantam {

Bytes encode_png(const Image& image) {
  if (image.h < 1 || image.w < 1 || (image.c != 1 && image.c != 3) ||
      image.pixels.size() != size_t(image.h) * size_t(image.w) * size_t(image.c))
    throw Error("png: cannot write an image [" + std::to_string(image.h) + "," + std::to_string(image.w) + "," +
                std::to_string(image.c) + "] of " + std::to_string(image.pixels.size()) + " bytes");
  Bytes out;
  const auto append = [](void* to, void* data, int size) {
    const auto* p = static_cast<const uint8_t*>(data);
    static_cast<Bytes*>(to)->insert(static_cast<Bytes*>(to)->end(), p, p + size);
  };
  if (!stbi_write_png_to_func(append, &out, image.w, image.h, image.c, image.pixels.data(), image.w * image.c))
    throw std::bad_alloc();
  return out;
}

void write_png(const std::string& path, const Image& image) {
  const Bytes bytes = encode_png(image);
  const ByteSpan pieces[] = {bytes};
  atomic_write(path, pieces);
}

}  // namespace bantam
