// JPEG by libjpeg-turbo: PIL's pixels, bit for bit (accurate integer IDCT, smooth upsampling).
//
// libjpeg leaves by longjmp where it fails. Each function that has a setjmp below calls nothing but libjpeg and holds
// no object with a destructor; vectors live in their caller.
#include <csetjmp>
#include <cstdio>  // which jpeglib.h needs
#include <cstring>

#include "data/decoders.h"

#include <jerror.h>
#include <jpeglib.h>

namespace bantam {
namespace {

struct Decoder {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jmp_buf back;
  bool no_memory;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
  auto* d = static_cast<Decoder*>(jpeg->client_data);
  const int code = jpeg->err->msg_code;
  d->no_memory = code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE;
  jpeg->err->format_message(jpeg, d->text);
  longjmp(d->back, 1);
}

// Damage that libjpeg can step over is stepped over, as PIL does and stb_image.
void on_message(j_common_ptr, int) {}

// Reads the header, and says what the pixels will be.
bool open(Decoder* d, const uint8_t* file, size_t size, uint64_t room) {
  memset(d, 0, sizeof *d);
  d->jpeg.err = jpeg_std_error(&d->errors);
  d->errors.error_exit = on_error;
  d->errors.emit_message = on_message;
  d->jpeg.client_data = d;
  if (setjmp(d->back)) return false;
  jpeg_create_decompress(&d->jpeg);
  d->jpeg.mem->max_memory_to_use = long(room);  // what goes beyond would go to a file, which this library has not
  jpeg_mem_src(&d->jpeg, file, static_cast<unsigned long>(size));
  jpeg_read_header(&d->jpeg, TRUE);
  const int n = d->jpeg.num_components;
  d->jpeg.out_color_space = n == 1 ? JCS_GRAYSCALE : n == 3 ? JCS_RGB : JCS_CMYK;
  d->jpeg.dct_method = JDCT_ISLOW;
  d->jpeg.do_fancy_upsampling = TRUE;
  jpeg_calc_output_dimensions(&d->jpeg);
  return true;
}

// PIL's conversion of the inverted CMYK that Photoshop writes: each ink is taken from what black has left.
void to_rgb(const uint8_t* cmyk, int64_t w, uint8_t* rgb) {
  for (int64_t x = 0; x < w; ++x, cmyk += 4, rgb += 3)
    for (int k = 0; k < 3; ++k) {
      const int ink = (255 - cmyk[k]) * cmyk[3] + 128;
      const int v = cmyk[3] - ((ink + (ink >> 8)) >> 8);
      rgb[k] = uint8_t(v < 0 ? 0 : v);
    }
}

// All rows. `row` has room for one of CMYK.
bool read(Decoder* d, int64_t row_bytes, uint8_t* row, uint8_t* out) {
  if (setjmp(d->back)) return false;
  jpeg_start_decompress(&d->jpeg);
  while (d->jpeg.output_scanline < d->jpeg.output_height) {
    uint8_t* at = out + int64_t(d->jpeg.output_scanline) * row_bytes;
    if (d->jpeg.out_color_space == JCS_CMYK) {
      JSAMPROW rows[] = {row};
      jpeg_read_scanlines(&d->jpeg, rows, 1);
      to_rgb(row, d->jpeg.output_width, at);
    } else {
      JSAMPROW rows[4];  // those that the last rows do not need point beyond, and are not touched
      const JDIMENSION left = d->jpeg.output_height - d->jpeg.output_scanline, n = left < 4 ? left : 4;
      for (JDIMENSION i = 0; i < n; ++i) rows[i] = at + i * row_bytes;
      jpeg_read_scanlines(&d->jpeg, rows, n);
    }
  }
  jpeg_finish_decompress(&d->jpeg);
  return true;
}

struct Owner {
  Decoder d;
  ~Owner() { jpeg_destroy_decompress(&d.jpeg); }
  std::string reason() const { return d.no_memory ? kTooMuchMemory : d.text; }
};

}  // namespace

const char* jpeg_decoder() { return "libjpeg-turbo"; }

std::string decode_jpeg(const CheckedJpeg& file, uint64_t room, Image* out) {
  Owner owner;
  if (!open(&owner.d, file.bytes.data(), file.bytes.size(), room)) return owner.reason();
  const jpeg_decompress_struct& jpeg = owner.d.jpeg;
  if (int(jpeg.output_height) != file.h || int(jpeg.output_width) != file.w || jpeg.num_components != file.components)
    return "its header is read in two ways";
  const int c = file.components == 1 ? 1 : 3;
  const uint64_t bytes = uint64_t(file.h) * uint64_t(file.w) * uint64_t(c);
  if (bytes > room) return kTooMuchMemory;
  owner.d.jpeg.mem->max_memory_to_use = long(room - bytes);
  out->h = file.h, out->w = file.w, out->c = c;
  out->pixels.resize(bytes);
  std::vector<uint8_t> row(file.components == 4 ? 4 * size_t(file.w) : 0);
  if (!read(&owner.d, int64_t(file.w) * c, row.data(), out->pixels.data())) return owner.reason();
  return "";
}

}  // namespace bantam
