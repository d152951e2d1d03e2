/* Loads and runs a packed net while malloc is armed: between bnt_probe and the last bnt_run any allocation aborts. N
 * bytes of arena are enough, N - 1 are refused. usage: vendor_main MODEL, or vendor_main --spring, which allocates and
 * must exit with 99. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compress/runtime/bnt.h"

static int armed;
static unsigned char heap[1 << 20];
static size_t heap_used;

/* The program's own allocator, so that nothing can go around it. */
void* malloc(size_t n) {
  void* p = heap + heap_used;
  if (armed) _exit(99);
  n = (n + 15) / 16 * 16;
  if (n > sizeof heap - heap_used) return NULL;
  heap_used += n;
  return p;
}
void free(void* p) {
  if (armed) _exit(99);
  (void)p;
}
void* calloc(size_t n, size_t size) {
  void* p = malloc(n * size);
  if (p) memset(p, 0, n * size);
  return p;
}
void* realloc(void* old, size_t n) {
  void* p = malloc(n);
  if (p && old) memcpy(p, old, n); /* reads past the old block, inside heap: harmless here */
  return p;
}

static unsigned char file[1 << 20] __attribute__((aligned(64)));
static unsigned char mem[1 << 20] __attribute__((aligned(64)));
static unsigned char arena[1 << 20] __attribute__((aligned(64)));
static unsigned char image[1 << 16];
static float scores[64];

static int tensors;
static void count(void* user, const bnt_view* view) {
  (void)user;
  tensors += view->data != NULL;
}

int main(int argc, char** argv) {
  bnt_info info;
  bnt_where where;
  bnt_model model;
  bnt_session session;
  long size, n;
  int fd, bad = 0;
  if (argc != 2) return 2;
  if (strcmp(argv[1], "--spring") == 0) {
    armed = 1;
    free(malloc(1));
    return 0;
  }
  fd = open(argv[1], O_RDONLY);
  size = fd < 0 ? -1 : (long)read(fd, file, sizeof file);
  if (size <= 0) return 1;

  free(malloc(1));
  if (heap_used == 0) return 98; /* the allocator is not ours: nothing would be shown */
  armed = 1;
  bad |= bnt_probe(file, (size_t)size, &info, &where) != BNT_OK;
  n = (long)info.arena_base + (long)info.arena_per_lane;
  bad |= (bnt_load(file, (size_t)size, mem, info.model_bytes - 1, &model, &where) != BNT_MEM_TOO_SMALL) << 1;
  bad |= (bnt_load(file, (size_t)size, mem, info.model_bytes, &model, &where) != BNT_OK) << 2;
  bad |= (bnt_open(&model, arena, (size_t)n - 1, NULL, &session) != BNT_ARENA_TOO_SMALL) << 3;
  memset(arena + n, 0xC5, 64);
  bad |= (bnt_open(&model, arena, (size_t)n, NULL, &session) != BNT_OK) << 4;
  bad |= (bnt_self_test(&session) != BNT_OK) << 5;
  for (int i = 0; i < 3; ++i) bad |= (bnt_run(&session, image, 1, scores, info.classes) != BNT_OK) << 6;
  bad |= (bnt_run_traced(&session, image, scores, info.classes, count, NULL) != BNT_OK || tensors == 0) << 7;
  for (int i = 0; i < 64; ++i) bad |= (arena[n + i] != 0xC5) << 8;
  armed = 0;
  if (bad) printf("failed checks: %d\n", bad);
  return bad != 0;
}
