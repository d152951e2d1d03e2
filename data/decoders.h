// The decoders behind the door of image.h, one of each kind in a build: stb_image by default (decode_stb.cc),
// libjpeg-turbo with -Djpeg=turbo (decode_turbo.cc), libpng with -Dpng=libpng (decode_libpng.cc). They are given what
// image_check.h has walked, never a file as it came.
#pragma once

#include <string>

#include "data/image.h"
#include "data/image_check.h"

namespace bantam {

// Pixels of 1 or 3 channels, whichever the file has, go to `out`, whose memory is used again. Returns an empty text, or
// why the image cannot be decoded; kTooMuchMemory if pixels and decoder together take more than `room` bytes. Throws
// nothing but bad_alloc.
std::string decode_jpeg(const CheckedJpeg& file, uint64_t room, Image* out);
std::string decode_png(ByteSpan file, uint64_t room, Image* out);

constexpr const char* kTooMuchMemory = "it takes more memory than a file of its size may";

}  // namespace bantam
