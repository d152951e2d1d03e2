// Image files (PNG and JPEG) to u8 pixels and, PNG only, back. This is the one door to the decoders (decoders.h):
// nothing reaches one that image_check.h has not walked, and what it allocates is capped and freed whatever happens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"

namespace bantam {

struct Image {
  int h = 0, w = 0, c = 0;
  std::vector<uint8_t> pixels;  // [h,w,c]
};

// channels: 1, 3, or 0 for whichever of the two the file has. Palettes are expanded, 16 bits cut to their upper 8,
// alpha is left out (not blended), gray repeated to three channels, and colors made gray as PIL does:
// (19595 R + 38470 G + 7471 B + 32768) >> 16. Throws FileError, with `name` in front. The decoder's memory is at most
// 4096 times the file + 1 MiB, and 1 GiB.
Image decode_image(ByteSpan file, int channels, const std::string& name);
void decode_image(ByteSpan file, int channels, const std::string& name, Image* out);  // uses the memory of `out` again
Image read_image(const std::string& path, int channels);

// What this build decodes with: "stb_image"; "libjpeg-turbo", whose pixels are PIL's and differ a little from those of
// stb_image; "libpng", whose pixels are the same.
const char* jpeg_decoder();
const char* png_decoder();

// c is 1 or 3 (Error otherwise). The same pixels give the same bytes on every machine.
Bytes encode_png(const Image& image);
void write_png(const std::string& path, const Image& image);

}  // namespace bantam
