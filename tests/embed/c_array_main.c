/* c_array FILE: the golden model as C source against its file: the same bytes, on 64; the same scores; and the header's
 * sizes are those that the runtime asks for, to the byte: with one less it refuses. All memory is static. Ends with
 * `N passed, N failed`. */
#include <stdio.h>
#include <string.h>

#include "compress/runtime/bnt.h"
#include "golden.h"

#define ON_64 __attribute__((aligned(64)))
static unsigned char mem[GOLDEN_BNT_MODEL_BYTES] ON_64, arena[GOLDEN_BNT_ARENA_BYTES(1)] ON_64;
static unsigned char file[GOLDEN_BNT_LEN + 1] ON_64, other_mem[GOLDEN_BNT_MODEL_BYTES] ON_64;
static unsigned char image[GOLDEN_BNT_H * GOLDEN_BNT_W * GOLDEN_BNT_C];
static float want[GOLDEN_BNT_CLASSES], scores[GOLDEN_BNT_CLASSES];

static int passed, failed;
static void check(int ok, const char* what) {
  if (!ok) printf("failed: %s\n", what);
  passed += ok != 0;
  failed += ok == 0;
}

static void run(const bnt_model* model, float* to) {
  bnt_session session;
  check(bnt_open(model, arena, sizeof arena - 1, NULL, &session) == BNT_ARENA_TOO_SMALL, "one byte less of arena");
  check(bnt_open(model, arena, sizeof arena, NULL, &session) == BNT_OK, "open");
  check(bnt_run(&session, image, 1, to, GOLDEN_BNT_CLASSES) == BNT_OK, "run");
}

int main(int argc, char** argv) {
  bnt_model model, of_file;
  FILE* f = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!f) {
    printf("usage: c_array FILE\n");
    return 2;
  }
  check(fread(file, 1, sizeof file, f) == GOLDEN_BNT_LEN, "the file's size");
  fclose(f);
  check(golden_bnt_len == GOLDEN_BNT_LEN && memcmp(file, golden_bnt, GOLDEN_BNT_LEN) == 0, "the file's bytes");
  for (size_t i = 0; i < sizeof image; ++i) image[i] = (unsigned char)(i * 37 + i / 7);
  check(bnt_load(golden_bnt, golden_bnt_len, mem, sizeof mem - 1, &model, NULL) == BNT_MEM_TOO_SMALL,
        "one byte less of memory");
  check(bnt_load(golden_bnt, golden_bnt_len, mem, sizeof mem, &model, NULL) == BNT_OK, "load the array");
  check(bnt_load(file, GOLDEN_BNT_LEN, other_mem, sizeof other_mem, &of_file, NULL) == BNT_OK, "load the file");
  run(&of_file, want);
  run(&model, scores);
  check(memcmp(scores, want, sizeof want) == 0, "the file's scores");
  check(want[0] != want[1], "scores at all");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
