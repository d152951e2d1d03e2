#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "data/decoders.h"

// Compiled on its own, with array bounds trapping and wrapping arithmetic (data/meson.build): what stb_image 2.27
// leaves to luck then ends in a refused file or, at worst, in a stopped process, never in a write to somebody else's
// memory.
namespace bantam {
namespace {

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

#ifdef BANTAM_STB_JPEG
#define STBI_ONLY_JPEG
#endif
#ifdef BANTAM_STB_PNG
#define STBI_ONLY_PNG
#endif
#define STBI_MAX_DIMENSIONS 16384
#define STBI_MALLOC(size) bantam::decoder_alloc(size)
#define STBI_REALLOC_SIZED(p, old_size, size) bantam::decoder_realloc(p, old_size, size)
#define STBI_FREE(p) bantam::decoder_free(p)
#define STBI_ASSERT(condition) ((condition) ? void(0) : throw bantam::StbAssertion{#condition})
#include "data/stb_image.h"

namespace bantam {
namespace {

// Decodes to stb_image's own channels (1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha), or to `ask` of them, and
// drops alpha.
std::string decode(ByteSpan file, int ask, uint64_t room, Image* out) {
  const DecoderMemory memory(room);
  int w = 0, h = 0, have = 0;
  const stbi_uc* pixels = nullptr;
  stbi__g_failure_reason = nullptr;  // not every error path sets one
  try {
    pixels = stbi_load_from_memory(file.data(), int(file.size()), &w, &h, &have, ask);
  } catch (const StbAssertion& a) {
    return std::string("not ") + a.condition;
  }
  if (pixels == nullptr && t_refused) return kTooMuchMemory;
  if (pixels == nullptr) return stbi_failure_reason() != nullptr ? stbi_failure_reason() : "unknown reason";
  if (ask != 0) have = ask;
  const int c = have >= 3 ? 3 : 1;
  const size_t n = size_t(h) * size_t(w);
  out->h = h, out->w = w, out->c = c;
  out->pixels.resize(n * size_t(c));
  uint8_t* to = out->pixels.data();
  if (have == c) {
    memcpy(to, pixels, n * size_t(c));
  } else if (have == 2) {
    for (size_t i = 0; i < n; ++i) to[i] = pixels[2 * i];
  } else {
    for (size_t i = 0; i + 1 < n; ++i)
      memcpy(to + 3 * i, pixels + 4 * i, 4);  // the fourth byte gives way to the next pixel
    memcpy(to + 3 * (n - 1), pixels + 4 * (n - 1), 3);
  }
  return "";
}

}  // namespace

#ifdef BANTAM_STB_JPEG
const char* jpeg_decoder() { return "stb_image"; }

std::string decode_jpeg(const CheckedJpeg& file, uint64_t room, Image* out) {
  // Its conversion to RGB is vectorized for pixels of four bytes only.
  return decode(file.bytes, file.components >= 3 ? 4 : 0, room, out);
}
#endif

#ifdef BANTAM_STB_PNG
const char* png_decoder() { return "stb_image"; }

std::string decode_png(ByteSpan file, uint64_t room, Image* out) { return decode(file, 0, room, out); }
#endif

}  // namespace bantam
