/* runtime_trace MODEL IMAGES: runs each image of the raw file IMAGES (h * w * c bytes each), or with random:N as IMAGES
 * N generated ones, always the same, through the packed model and writes every tensor that the runtime shows, name,
 * type, sizes and bytes, then the scores, to stdout. Two builds compute the same if these streams are the same. Exit
 * code 6 if the model's self test fails. */
#define _ISOC11_SOURCE /* aligned_alloc */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compress/runtime/bnt.h"

static void* load(const char* path, size_t* size) {
  FILE* f = fopen(path, "rb");
  void* data;
  long n;
  if (!f || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0) {
    perror(path);
    exit(1);
  }
  *size = (size_t)n;
  data = aligned_alloc(64, (*size + 64) / 64 * 64);
  if (!data || fread(data, 1, *size, f) != *size) {
    perror(path);
    exit(1);
  }
  fclose(f);
  return data;
}

static void* aligned(size_t n) { return aligned_alloc(64, (n + 64) / 64 * 64); }

static void check(bnt_status s) {
  if (s == BNT_OK) return;
  fprintf(stderr, "runtime_trace: %s\n", bnt_status_text(s));
  exit(s == BNT_SELF_TEST_FAILED ? 6 : 3);
}

static size_t pixel_bytes(const bnt_view* v) {
  const size_t c = v->dims[2];
  if (v->dtype == BNT_BITS) return (c + 63) / 64 * 8;
  return v->dtype == BNT_CODES ? c : c * 4;
}

static void show(void* user, const bnt_view* v) {
  const size_t bytes = (size_t)v->dims[0] * v->dims[1] * pixel_bytes(v);
  (void)user;
  printf("%s %d %u %u %u\n", v->name, (int)v->dtype, (unsigned)v->dims[0], (unsigned)v->dims[1], (unsigned)v->dims[2]);
  fwrite(v->data, 1, bytes, stdout);
}

int main(int argc, char** argv) {
  bnt_info info;
  bnt_where where;
  bnt_model model;
  bnt_session session;
  size_t file_size, image_size, raw_size;
  void *file, *arena, *mem;
  unsigned char* raw;
  float* scores;
  if (argc != 3) {
    fprintf(stderr, "usage: runtime_trace MODEL IMAGES\n");
    return 2;
  }
  file = load(argv[1], &file_size);
  check(bnt_probe(file, file_size, &info, &where));
  mem = aligned(info.model_bytes);
  arena = aligned(info.arena_base + info.arena_per_lane);
  scores = malloc(info.classes * sizeof(float));
  if (!mem || !arena || !scores) return 1;
  check(bnt_load(file, file_size, mem, info.model_bytes, &model, &where));
  check(bnt_open(&model, arena, info.arena_base + info.arena_per_lane, NULL, &session));
  check(bnt_self_test(&session));
  printf("mem %u arena %u + %u\n", (unsigned)info.model_bytes, (unsigned)info.arena_base,
         (unsigned)info.arena_per_lane);
  image_size = (size_t)info.h * info.w * info.c;
  if (strncmp(argv[2], "random:", 7) == 0) {
    uint32_t state = 1;
    raw_size = (size_t)atoi(argv[2] + 7) * image_size;
    raw = malloc(raw_size);
    if (!raw) return 1;
    for (size_t i = 0; i < raw_size; ++i) {
      state = state * 1664525u + 1013904223u;
      raw[i] = (unsigned char)(state >> 24);
    }
  } else {
    raw = load(argv[2], &raw_size);
  }
  for (size_t i = 0; i + image_size <= raw_size; i += image_size) {
    check(bnt_run_traced(&session, raw + i, scores, info.classes, show, NULL));
    fwrite(scores, sizeof(float), info.classes, stdout);
  }
  return fflush(stdout) == 0 ? 0 : 5;
}
