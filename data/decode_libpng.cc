// PNG by libpng. It leaves by longjmp where it fails: each function that has a setjmp below calls nothing but libpng
// and holds no object with a destructor; vectors live in their caller.
#include <png.h>

#include <csetjmp>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "data/decoders.h"

namespace bantam {
namespace {

constexpr size_t kHeader = alignof(std::max_align_t);  // of a block: its size

struct Decoder {
  png_structp png;
  png_infop info;
  const uint8_t* file;
  size_t left;
  uint64_t room;  // for the decoder's own memory
  bool no_memory;
  jmp_buf back;
  char text[96];
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto* d = static_cast<Decoder*>(png_get_error_ptr(png));
  strncpy(d->text, text, sizeof d->text - 1);
  longjmp(d->back, 1);
}

void on_warning(png_structp, png_const_charp) {}

void* allocate(png_structp png, png_alloc_size_t size) {
  auto* d = static_cast<Decoder*>(png_get_mem_ptr(png));
  if (size > d->room) {
    d->no_memory = true;
    return nullptr;
  }
  // Zeroed: a damaged file must not show what was in the memory before.
  auto* block = static_cast<char*>(calloc(1, kHeader + size));
  if (block == nullptr) return nullptr;
  d->room -= size;
  memcpy(block, &size, sizeof size);
  return block + kHeader;
}

void release(png_structp png, void* p) {
  if (p == nullptr) return;
  auto* d = static_cast<Decoder*>(png_get_mem_ptr(png));
  char* block = static_cast<char*>(p) - kHeader;
  png_alloc_size_t size;
  memcpy(&size, block, sizeof size);
  d->room += size;
  free(block);
}

void take(png_structp png, png_bytep to, size_t n) {
  auto* d = static_cast<Decoder*>(png_get_io_ptr(png));
  if (n > d->left) png_error(png, "cut short");
  memcpy(to, d->file, n);
  d->file += n;
  d->left -= n;
}

// Reads the header, and asks for 8 bits of gray or RGB without alpha.
bool open(Decoder* d, const uint8_t* file, size_t size, uint64_t room) {
  memset(d, 0, sizeof *d);
  d->file = file;
  d->left = size;
  d->room = room;
  if (setjmp(d->back)) return false;
  d->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, d, on_error, on_warning, d, allocate, release);
  if (d->png == nullptr) return false;
  d->info = png_create_info_struct(d->png);
  if (d->info == nullptr) return false;
  png_set_read_fn(d->png, d, take);
  png_set_user_limits(d->png, kMaxImageSide, kMaxImageSide);
  png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // nor known ones that no pixel depends on
  png_read_info(d->png, d->info);
  const int color = png_get_color_type(d->png, d->info), depth = png_get_bit_depth(d->png, d->info);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(d->png);
  if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(d->png);
  if (depth == 16) png_set_strip_16(d->png);
  png_set_strip_alpha(d->png);
  png_set_interlace_handling(d->png);
  png_read_update_info(d->png, d->info);
  return true;
}

bool read(Decoder* d, png_bytep* rows) {
  if (setjmp(d->back)) return false;
  png_read_image(d->png, rows);
  return true;
}

struct Owner {
  Decoder d;
  ~Owner() {
    if (d.png != nullptr) png_destroy_read_struct(&d.png, &d.info, nullptr);
  }
  std::string reason() const { return d.no_memory ? kTooMuchMemory : d.text[0] ? d.text : "unknown reason"; }
};

}  // namespace

const char* png_decoder() { return "libpng"; }

std::string decode_png(ByteSpan file, uint64_t room, Image* out) {
  Owner owner;
  Decoder& d = owner.d;
  if (!open(&d, file.data(), file.size(), room)) return owner.reason();
  const uint64_t h = png_get_image_height(d.png, d.info), w = png_get_image_width(d.png, d.info);
  const uint64_t c = png_get_channels(d.png, d.info);
  if ((c != 1 && c != 3) || png_get_rowbytes(d.png, d.info) != w * c) return "its header is read in two ways";
  const uint64_t bytes = h * w * c;
  if (bytes > d.room) return kTooMuchMemory;
  d.room -= bytes;
  out->h = int(h), out->w = int(w), out->c = int(c);
  out->pixels.assign(bytes, 0);
  std::vector<png_bytep> rows(h);
  for (size_t y = 0; y < h; ++y) rows[y] = out->pixels.data() + y * w * c;
  if (!read(&d, rows.data())) return owner.reason();
  return "";
}

}  // namespace bantam
