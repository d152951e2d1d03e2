#include "data/image.h"

#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "data/image_check.h"

// Compiled on its own, with array bounds trapping and wrapping arithmetic (data/meson.build): what stb_image 2.27
// leaves to luck then ends in a refused file or, at worst, in a stopped process, never in a write to somebody else's
// memory.
namespace bantam {
namespace {

constexpr uint64_t kMaxDecoderBytes = uint64_t{1} << 30;

struct StbAssertion {
  const char* condition;
};

// What the decoder holds on this thread. Blocks are linked so that those which it forgets on its error paths are freed.
struct Block {
  Block* previous;
  Block* next;
  size_t size;
};
constexpr size_t kBlockHeader =
    (sizeof(Block) + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);

thread_local Block* t_blocks = nullptr;
thread_local uint64_t t_used = 0;
thread_local uint64_t t_limit = 0;
thread_local bool t_refused = false;

void* decoder_alloc(size_t size) {
  if (size > t_limit - t_used) {
    t_refused = true;
    return nullptr;
  }
  // Zeroed: a damaged file must not show what was in the memory before, nor decode differently the next time.
  auto* b = static_cast<Block*>(calloc(1, kBlockHeader + size));
  if (b == nullptr) return nullptr;
  *b = {nullptr, t_blocks, size};
  if (t_blocks != nullptr) t_blocks->previous = b;
  t_blocks = b;
  t_used += size;
  return reinterpret_cast<char*>(b) + kBlockHeader;
}

void decoder_free(void* p) {
  if (p == nullptr) return;
  auto* b = reinterpret_cast<Block*>(static_cast<char*>(p) - kBlockHeader);
  (b->previous != nullptr ? b->previous->next : t_blocks) = b->next;
  if (b->next != nullptr) b->next->previous = b->previous;
  t_used -= b->size;
  free(b);
}

void* decoder_realloc(void* p, size_t old_size, size_t size) {
  void* q = decoder_alloc(size);
  if (q == nullptr || p == nullptr) return q;
  memcpy(q, p, old_size < size ? old_size : size);
  decoder_free(p);
  return q;
}

struct DecoderMemory {
  explicit DecoderMemory(uint64_t limit) {
    t_limit = limit;
    t_refused = false;
  }
  ~DecoderMemory() {
    while (t_blocks != nullptr) decoder_free(reinterpret_cast<char*>(t_blocks) + kBlockHeader);
    t_limit = 0;
  }
};

}  // namespace
}  // namespace bantam

#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 16384
#define STBI_MALLOC(size) bantam::decoder_alloc(size)
#define STBI_REALLOC_SIZED(p, old_size, size) bantam::decoder_realloc(p, old_size, size)
#define STBI_FREE(p) bantam::decoder_free(p)
#define STBI_ASSERT(condition) ((condition) ? void(0) : throw bantam::StbAssertion{#condition})
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace bantam {
namespace {

// stb_image's own channels (1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha) to 1 or 3.
void convert(const uint8_t* in, int h, int w, int have, int want, Image* image) {
  const bool color = have >= 3;
  if (want == 0) want = color ? 3 : 1;
  image->h = h, image->w = w, image->c = want;
  const size_t n = size_t(h) * size_t(w);
  image->pixels.resize(n * size_t(want));
  uint8_t* out = image->pixels.data();
  if (have == want) {
    memcpy(out, in, image->pixels.size());
    return;
  }
  if (have == 4 && want == 3 && n > 0) {
    for (size_t i = 0; i + 1 < n; ++i) memcpy(out + 3 * i, in + 4 * i, 4);  // the fourth byte is overwritten by the next
    memcpy(out + 3 * (n - 1), in + 4 * (n - 1), 3);
    return;
  }
  for (size_t i = 0; i < n; ++i, in += have) {
    if (want == 1) {
      *out++ = color ? uint8_t((in[0] * 19595 + in[1] * 38470 + in[2] * 7471 + 32768) >> 16) : in[0];
    } else {
      for (int k = 0; k < 3; ++k) *out++ = in[color ? k : 0];
    }
  }
}

}  // namespace

Image decode_image(ByteSpan file, int channels, const std::string& name) {
  Image image;
  decode_image(file, channels, name, &image);
  return image;
}

void decode_image(ByteSpan file, int channels, const std::string& name, Image* out) {
  if (file.size() > kMaxImageFile) throw FileError(name, "an image file of more than 256 MiB is not read");
  CheckedJpeg jpeg;
  ByteSpan checked;
  int ask = 0;
  if (image_format(file, name) == ImageFormat::kPng) {
    checked = check_png(file, name);
  } else {
    jpeg = check_jpeg(file, name);
    checked = jpeg.bytes;
    if (jpeg.components >= 3) ask = 4;  // its conversion to RGB is vectorized for pixels of four bytes only
  }
  const uint64_t room = 4096 * uint64_t(file.size()) + (1 << 20);
  const DecoderMemory memory(room < kMaxDecoderBytes ? room : kMaxDecoderBytes);
  int w = 0, h = 0, have = 0;
  const stbi_uc* pixels = nullptr;
  std::string reason;
  stbi__g_failure_reason = nullptr;  // not every error path sets one
  try {
    pixels = stbi_load_from_memory(checked.data(), int(checked.size()), &w, &h, &have, ask);
    if (pixels == nullptr && t_refused)
      reason = "it takes more memory than a file of its size may";
    else if (pixels == nullptr)
      reason = stbi_failure_reason() != nullptr ? stbi_failure_reason() : "unknown reason";
  } catch (const StbAssertion& a) {
    reason = std::string("not ") + a.condition;
  }
  if (pixels == nullptr) throw FileError(name, "the image cannot be decoded (" + reason + ")");
  convert(pixels, h, w, ask ? ask : have, channels, out);
}

Image read_image(const std::string& path, int channels) {
  return decode_image(read_file(path, kMaxImageFile), channels, path);
}

}  // namespace bantam
