/* bantam's runtime: runs a packed net (docs/packed_format.md). C99, and C++.
 *
 * The caller owns all memory. Nothing here allocates, locks, prints, exits or keeps a global; every function may be
 * called from any thread as long as no two calls share a session at the same time. A model may be shared by sessions.
 *
 *   static _Alignas(64) unsigned char file[..], mem[..], arena[..];    sizes: bnt_probe tells them, exactly
 *   bnt_info info;        bnt_probe(file, size, &info, 0);
 *   bnt_model model;      bnt_load(file, size, mem, sizeof mem, &model, 0);
 *   bnt_session session;  bnt_open(&model, arena, sizeof arena, 0, &session);
 *   bnt_run(&session, pixels, 1, scores, info.classes);
 *
 * A file is untrusted: bnt_probe and bnt_load check all of it (a checksum over every byte, then every offset, size and
 * dependency) in time proportional to its size, and what they accept cannot make bnt_run read or write outside the
 * file, mem, the arena, pixels and scores. The file's bytes are used where they are: they must stay, unchanged, as long
 * as the model. A call takes less than 16 KB of stack and never recurses. Results are the same bytes on every target
 * with a fused multiply-add, for any number of lanes.
 */
#ifndef BANTAM_BNT_H_
#define BANTAM_BNT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define BNT_NOEXCEPT noexcept
#else
#define BNT_NOEXCEPT
#endif
#if defined(__GNUC__)
#define BNT_API __attribute__((visibility("default"), warn_unused_result))
#define BNT_DATA __attribute__((visibility("default")))
#else
#define BNT_API
#define BNT_DATA
#endif

#define BNT_VERSION "0.1.0" /* of this header; of the library: bnt_version */
#define BNT_ALIGN 64u /* of file, mem and arena */

typedef enum bnt_status {
  BNT_OK = 0,
  BNT_BAD_ARGUMENT = 1,  /* a null pointer, a count that is not the model's, a session that was not opened */
  BNT_MISALIGNED = 2,    /* file, mem or arena does not start on BNT_ALIGN bytes */
  BNT_MEM_TOO_SMALL = 3, /* mem_size < bnt_info.model_bytes */
  BNT_ARENA_TOO_SMALL = 4, /* arena_size < arena_base + lanes * arena_per_lane */
  BNT_NOT_A_MODEL = 5,   /* the first bytes are not those of a packed model */
  BNT_BAD_VERSION = 6,   /* a packed model of another format version: pack the checkpoint again */
  BNT_BAD_SIZE = 7,      /* the file is cut off, or longer than it says */
  BNT_BAD_CHECKSUM = 8,  /* some byte of the file is not what was written */
  BNT_MALFORMED = 9,     /* a field is out of range or contradicts another: see bnt_where */
  BNT_TOO_LARGE = 10,    /* a size or count above the format's limits */
  BNT_SELF_TEST_FAILED = 11, /* this build or machine computes something else than the packer did */
  BNT_BUSY = 12,         /* another call is running on this session (from a signal handler, say) */
  BNT_BAD_PARALLEL = 13, /* bnt_parallel.run left out tasks or ran some twice: the scores are not valid */
  BNT_BAD_ROUNDING = 14, /* this thread does not round to the nearest, or flushes small numbers to 0: other scores */
  BNT_MISSING_FAMILY = 15, /* the program's bnt_families leaves out what the model needs */
  BNT_CANCELLED = 16     /* the caller's poll said to stop: see bnt_set_poll */
} bnt_status;

/* Where in the file a check failed. */
typedef struct bnt_where {
  uint32_t op;     /* index of the operation, or BNT_NO_OP */
  uint32_t offset; /* byte offset of the field in the file */
} bnt_where;
#define BNT_NO_OP 0xFFFFFFFFu

typedef struct bnt_info {
  uint32_t model_bytes;    /* what bnt_load needs in mem */
  uint32_t arena_base;     /* the arena takes arena_base + lanes * arena_per_lane bytes, exactly */
  uint32_t arena_per_lane;
  uint32_t align;          /* BNT_ALIGN */
  uint32_t h, w, c;        /* of an input image, u8, [h][w][c] */
  uint32_t classes;        /* scores per image */
  uint32_t switches;       /* at least 1 */
  uint32_t ops;
  uint64_t macs;           /* multiply-accumulates of one image, by the switch that has most: bounds a run's time */
} bnt_info;

/* How the net sees a pixel: value = lut[channel * 256 + byte]. */
typedef struct bnt_input_spec {
  uint32_t h, w, c;
  const float* lut;
} bnt_input_spec;

/* One operating point of a net: of other codes, or with fewer channels. */
typedef struct bnt_switch {
  uint32_t width_permille; /* 1000: all channels */
  uint32_t weight_bits;    /* of the narrowest codes: 1 to 8; 32 where there are none */
  uint32_t act_bits;
  uint32_t arena_base, arena_per_lane; /* what it takes of the arena; that of bnt_info holds every switch */
  uint32_t ops;
} bnt_switch;

typedef enum bnt_dtype {
  BNT_F32 = 0,
  BNT_I32 = 1,
  BNT_BITS = 2, /* a pixel's channels in ceil(c / 64) u64 words, least significant bit first; 1 is +1, 0 is -1; pad 0 */
  BNT_CODES = 3 /* u8: code = mul * byte + add, value = scale * (float)code */
} bnt_dtype;

/* A tensor that the net has just computed: the output of the node of this name. Valid during the call. */
typedef struct bnt_view {
  const char* name;
  bnt_dtype dtype;
  uint32_t dims[3]; /* h, w, c */
  const void* data;
  int32_t mul, add; /* of BNT_CODES; else 0 */
  float scale;
} bnt_view;

/* Runs task(context, t, lane) for each t in [0, tasks), on at most `lanes` threads, and returns when all are done. No
   two tasks that run at the same time may have the same lane, lane < lanes. */
typedef struct bnt_parallel {
  void* user;
  uint32_t lanes;
  void (*run)(void* user, uint32_t tasks, void (*task)(void* context, uint32_t t, uint32_t lane), void* context);
} bnt_parallel;

/* Opaque; no member is yours. */
typedef struct bnt_model {
  uint64_t opaque[8];
} bnt_model;
typedef struct bnt_session {
  uint64_t opaque[16];
} bnt_session;

/* What the runtime can compute, in families. A program that defines bnt_families itself gets those alone, and the
   linker drops the others' code (compile with -ffunction-sections -fdata-sections, link with -Wl,--gc-sections):

     const bnt_family* const bnt_families[] = {&bnt_family_binary_conv, &bnt_family_bits, 0};

   Without such a list the library's own has all of them. `bantam inspect NET.bnt --families` prints a net's. */
typedef struct bnt_family bnt_family;
extern BNT_DATA const bnt_family* const bnt_families[];
extern BNT_DATA const bnt_family bnt_family_float_conv, bnt_family_depthwise, bnt_family_binary_conv,
    bnt_family_code_conv, bnt_family_bits, bnt_family_codes, bnt_family_bias, bnt_family_affine, bnt_family_relu,
    bnt_family_prelu, bnt_family_hardtanh, bnt_family_hard_swish, bnt_family_add, bnt_family_max_pool,
    bnt_family_global_average, bnt_family_adaptive_average, bnt_family_average_pool, bnt_family_sigmoid,
    bnt_family_tanh, bnt_family_softmax, bnt_family_mul, bnt_family_concat, bnt_family_steps;

typedef void (*bnt_tap)(void* user, const bnt_view* view);

/* Checks the file and tells what it needs. `where` may be null, here and below. */
BNT_API bnt_status bnt_probe(const void* file, size_t size, bnt_info* info, bnt_where* where) BNT_NOEXCEPT;

/* Checks the file and lays its weights out for this machine in mem (mem may be null if model_bytes is 0). */
BNT_API bnt_status bnt_load(const void* file, size_t size, void* mem, size_t mem_size, bnt_model* model,
                            bnt_where* where) BNT_NOEXCEPT;

/* Binds a model to an arena. `parallel` null: one lane, the caller's thread. *parallel is copied. Threads that run must
   round to the nearest and keep subnormal numbers, as they do unless told otherwise: the caller's is checked here. */
BNT_API bnt_status bnt_open(const bnt_model* model, void* arena, size_t arena_size, const bnt_parallel* parallel,
                            bnt_session* session) BNT_NOEXCEPT;

/* Later runs of the session use this switch; a session starts with 0. All of them are laid out in mem: this takes no
   time. */
BNT_API bnt_status bnt_set_switch(bnt_session* session, uint32_t index) BNT_NOEXCEPT;
BNT_API bnt_status bnt_get_switch(const bnt_model* model, uint32_t index, bnt_switch* out) BNT_NOEXCEPT;

/* n images of h * w * c bytes, one after the other; n * classes scores (logits). n_scores must be n * classes. */
BNT_API bnt_status bnt_run(bnt_session* session, const uint8_t* images, size_t n, float* scores,
                           size_t n_scores) BNT_NOEXCEPT;

/* The same for one image, and calls tap with each tensor that the net materializes, in order. */
BNT_API bnt_status bnt_run_traced(bnt_session* session, const uint8_t* image, float* scores, size_t n_scores,
                                  bnt_tap tap, void* user) BNT_NOEXCEPT;

/* Lets a run end early: on a deadline, or because its result is no longer wanted. keep_going(user) is called on the
   caller's thread before each operation of each image, never while tasks run; when it answers 0, the run returns
   BNT_CANCELLED. So whoever wants to stop waits for one operation at most: `bantam bench NET.bnt --ops` shows the
   longest. The scores of the image that was under way, and of those after it, stay as they were; the session runs again
   as if nothing had happened. It holds for bnt_run, bnt_run_traced and bnt_self_test, until it is set anew; null:
   nobody is asked. */
BNT_API bnt_status bnt_set_poll(bnt_session* session, int (*keep_going)(void* user), void* user) BNT_NOEXCEPT;

/* Does this build compute what the packer's did? Runs the file's stored image, if it has one, by every switch, and
   compares the scores bit for bit; checks the kernels' arithmetic on a few values otherwise. At boot, say: costs about
   one run of each. */
BNT_API bnt_status bnt_self_test(bnt_session* session) BNT_NOEXCEPT;

BNT_API bnt_status bnt_get_input_spec(const bnt_model* model, bnt_input_spec* out) BNT_NOEXCEPT;
BNT_API const char* bnt_class_name(const bnt_model* model, uint32_t index) BNT_NOEXCEPT; /* null if there is none */
BNT_API const char* bnt_op_name(const bnt_model* model, uint32_t op) BNT_NOEXCEPT;       /* null if there is none */
/* What whoever packed the net wrote into it (`bantam pack --meta KEY=VALUE`): the value of this key, UTF-8 without
   control characters, or null if there is none; and the keys, ascending, by index, null behind the last. */
BNT_API const char* bnt_metadata(const bnt_model* model, const char* key) BNT_NOEXCEPT;
BNT_API const char* bnt_metadata_key(const bnt_model* model, uint32_t index) BNT_NOEXCEPT;
BNT_API const char* bnt_version(void) BNT_NOEXCEPT; /* of the runtime that is linked: BNT_VERSION when it was built */
BNT_API const char* bnt_status_text(bnt_status status) BNT_NOEXCEPT; /* one line, never null */

#ifdef __cplusplus
}
#endif
#endif
