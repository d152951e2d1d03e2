/* Classifies raw images with a packed model: what an embedded program needs, in plain C99, with the system's open, read
 * and write and with static memory only: no stdio, no malloc.
 *
 *   classify MODEL IMAGE...
 *
 * An image is a binary PGM or PPM (P5, P6; 8 bits a value) of the model's size, or just its h * w * c bytes. Prints,
 * for each, the image's name, the likeliest class and the scores, and exits with 0; 1 for an I/O error, 2 for wrong
 * usage, 3 for a file that is not what it should be.
 *
 * MODEL_BYTES, MEM_BYTES and ARENA_BYTES are the room that this program has. bnt_probe says what a model needs, to the
 * byte: with less, it is refused before anything runs.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "compress/runtime/bnt.h"

#ifndef MODEL_BYTES
#define MODEL_BYTES (4u << 20)
#endif
#ifndef MEM_BYTES
#define MEM_BYTES (4u << 20)
#endif
#ifndef ARENA_BYTES
#define ARENA_BYTES (4u << 20)
#endif
#define IMAGE_BYTES (1u << 20)
#define MAX_CLASSES 1000u

static unsigned char model_file[MODEL_BYTES] __attribute__((aligned(64)));
static unsigned char mem[MEM_BYTES] __attribute__((aligned(64)));
static unsigned char arena[ARENA_BYTES] __attribute__((aligned(64)));
static unsigned char image_file[IMAGE_BYTES];
static float scores[MAX_CLASSES];

static void print(int fd, const char* text) {
  size_t left = strlen(text);
  while (left > 0) {
    const ssize_t n = write(fd, text, left);
    if (n <= 0) return;
    text += n;
    left -= (size_t)n;
  }
}

static void print_unsigned(int fd, uint64_t v) {
  char digits[21];
  char* p = digits + 20;
  *p = 0;
  do *--p = (char)('0' + v % 10);
  while (v /= 10);
  print(fd, p);
}

/* With four decimals; scores of a sane net fit. */
static void print_score(int fd, float v) {
  uint64_t scaled;
  if (!(v > -1e14f && v < 1e14f)) {
    print(fd, "out-of-range");
    return;
  }
  if (v < 0) print(fd, "-");
  scaled = (uint64_t)((v < 0 ? -(double)v : (double)v) * 10000.0 + 0.5);
  print_unsigned(fd, scaled / 10000);
  print(fd, ".");
  for (uint64_t unit = 1000; unit > 0; unit /= 10) print_unsigned(fd, scaled / unit % 10);
}

static int fail(int code, const char* what, const char* why) {
  print(2, "classify: ");
  print(2, what);
  print(2, ": ");
  print(2, why);
  print(2, "\n");
  return code;
}

/* Bytes read; -1 if the file cannot be read, -2 if it is larger than size. */
static long read_file(const char* path, unsigned char* to, size_t size) {
  size_t have = 0;
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  for (;;) {
    unsigned char more;
    const ssize_t n = have < size ? read(fd, to + have, size - have) : read(fd, &more, 1);
    if (n == 0) break;
    if (n < 0 || have == size) {
      close(fd);
      return n < 0 ? -1 : -2;
    }
    have += (size_t)n;
  }
  close(fd);
  return (long)have;
}

/* The next number of a PGM or PPM header, or 0. Comments run from # to the end of the line. */
static uint32_t header_number(const unsigned char* p, size_t size, size_t* at) {
  uint32_t v = 0;
  for (; *at < size; ++*at) {
    if (p[*at] == '#')
      while (*at < size && p[*at] != '\n') ++*at;
    else if (p[*at] != ' ' && p[*at] != '\t' && p[*at] != '\r' && p[*at] != '\n')
      break;
  }
  for (; *at < size && p[*at] >= '0' && p[*at] <= '9' && v < 100000; ++*at) v = v * 10 + (uint32_t)(p[*at] - '0');
  return v;
}

/* Where the pixels of an image of the model's size start, or null. */
static const unsigned char* pixels(const bnt_info* info, size_t size) {
  const size_t want = (size_t)info->h * info->w * info->c;
  size_t at = 2;
  if (size == want) return image_file;
  if (size < 2 || image_file[0] != 'P' || image_file[1] != (info->c == 3 ? '6' : '5') || (info->c != 1 && info->c != 3))
    return NULL;
  if (header_number(image_file, size, &at) != info->w || header_number(image_file, size, &at) != info->h) return NULL;
  if (header_number(image_file, size, &at) != 255 || at >= size || size - at - 1 != want) return NULL;
  return image_file + at + 1; /* one white space behind the header */
}

int main(int argc, char** argv) {
  bnt_info info;
  bnt_where where;
  bnt_model model;
  bnt_session session;
  bnt_status status;
  long size;
  if (argc < 3) return fail(2, "usage", "classify MODEL IMAGE...");

  size = read_file(argv[1], model_file, sizeof model_file);
  if (size < 0) return fail(size == -1 ? 1 : 3, argv[1], size == -1 ? "cannot be read" : "is larger than MODEL_BYTES");
  status = bnt_probe(model_file, (size_t)size, &info, &where);
  if (status != BNT_OK) return fail(3, argv[1], bnt_status_text(status));
  if (info.classes > MAX_CLASSES) return fail(3, argv[1], "has more than MAX_CLASSES classes");
  status = bnt_load(model_file, (size_t)size, mem, sizeof mem, &model, &where);
  if (status != BNT_OK) return fail(3, argv[1], bnt_status_text(status));
  status = bnt_open(&model, arena, sizeof arena, NULL, &session);
  if (status != BNT_OK) return fail(3, argv[1], bnt_status_text(status));

  for (int i = 2; i < argc; ++i) {
    uint32_t best = 0;
    const unsigned char* p;
    size = read_file(argv[i], image_file, sizeof image_file);
    if (size == -1) return fail(1, argv[i], "cannot be read");
    p = size < 0 ? NULL : pixels(&info, (size_t)size);
    if (!p) return fail(3, argv[i], "is no image of the model's size");
    status = bnt_run(&session, p, 1, scores, info.classes);
    if (status != BNT_OK) return fail(1, argv[i], bnt_status_text(status));
    for (uint32_t k = 1; k < info.classes; ++k)
      if (scores[k] > scores[best]) best = k;
    print(1, argv[i]);
    print(1, ": ");
    print(1, bnt_class_name(&model, best));
    for (uint32_t k = 0; k < info.classes; ++k) {
      print(1, k ? " " : "  [");
      print_score(1, scores[k]);
    }
    print(1, "]\n");
  }
  return 0;
}
