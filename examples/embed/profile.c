/* Where a packed net's time goes on this machine, tensor by tensor, with the public interface alone:
 *
 *   profile [--threads N] [--runs N] [--deadline-us N] MODEL
 *
 * Runs one made-up image: first without anybody watching, then --runs times (100) with a tap that reads the clock at
 * each tensor that the net has just computed (bnt_run_traced). The time between two tensors is that of the operation
 * that made the second; of two that one operation made, the first has all of it. Printed are the medians of the runs,
 * the longest of them, and the scores, which must be the same bytes both ways. --threads shares the operations out
 * (thread_pool.h). --deadline-us lets one more run go on for so long (bnt_set_poll) and says how late it ended: by one
 * operation at most, so by the longest.
 *
 * Exit codes: 0; 1 for an I/O error or no memory, 2 for wrong usage, 3 for a file that is no sound model, 6 if the
 * scores differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compress/runtime/bnt.h"
#include "thread_pool.h"

typedef struct options {
  const char* model;
  uint32_t threads, runs;
  double deadline_us; /* 0: none */
} options;

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int fail(int code, const char* what, const char* why) {
  fprintf(stderr, "profile: %s: %s\n", what, why);
  return code;
}

/* Memory on BNT_ALIGN bytes. It is never freed, as nothing here is: the program ends with it. */
static void* aligned(size_t size) {
  void* p = NULL;
  return posix_memalign(&p, BNT_ALIGN, size ? size : 1) == 0 ? p : NULL;
}

/* A number from 1 to most, or 0. */
static uint32_t number(const char* text, uint32_t most) {
  char* end;
  const unsigned long v = strtoul(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == 0 && v <= most ? (uint32_t)v : 0;
}

static int parse(int argc, char** argv, options* o) {
  o->model = NULL;
  o->threads = 1;
  o->runs = 100;
  o->deadline_us = 0;
  for (int i = 1; i < argc; ++i) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--threads") == 0) {
      if ((o->threads = number(value, THREAD_POOL_MAX_LANES)) == 0) return 0;
      ++i;
    } else if (strcmp(argv[i], "--runs") == 0) {
      if ((o->runs = number(value, 100000)) == 0) return 0;
      ++i;
    } else if (strcmp(argv[i], "--deadline-us") == 0) {
      if ((o->deadline_us = number(value, 1000000000)) == 0) return 0;
      ++i;
    } else if (argv[i][0] == '-' || o->model) {
      return 0;
    } else {
      o->model = argv[i];
    }
  }
  return o->model != NULL;
}

/* The whole file, or null with a message. */
static void* read_model(const char* path, size_t* size) {
  FILE* f = fopen(path, "rb");
  void* data = NULL;
  long n = -1;
  if (f && fseek(f, 0, SEEK_END) == 0) n = ftell(f);
  if (n > 0 && fseek(f, 0, SEEK_SET) == 0) data = aligned((size_t)n);
  if (!data || fread(data, 1, (size_t)n, f) != (size_t)n) {
    fail(1, path, "cannot be read");
    data = NULL;
  }
  if (f) fclose(f);
  *size = n > 0 ? (size_t)n : 0;
  return data;
}

/* One row a tensor, in the order in which the net makes them. */
typedef struct row {
  char text[80];
  double* us; /* of each run */
} row;
typedef struct profile {
  row* rows;
  uint32_t count, at; /* rows; the next one of this run */
  uint32_t run, runs;
  double last;
} profile;

static void count_rows(void* user, const bnt_view* view) {
  (void)view;
  ++((profile*)user)->count;
}

static void name_row(void* user, const bnt_view* v) {
  static const char* const kTypes[] = {"f32", "i32", "bits", "codes"};
  profile* p = user;
  snprintf(p->rows[p->at++].text, sizeof p->rows[0].text, "%-28.40s %-5s %5ux%ux%u", v->name, kTypes[v->dtype],
           (unsigned)v->dims[0], (unsigned)v->dims[1], (unsigned)v->dims[2]);
}

static void time_row(void* user, const bnt_view* view) {
  const double now = now_us();
  profile* p = user;
  (void)view;
  p->rows[p->at++].us[p->run] = now - p->last;
  p->last = now_us(); /* what this function took is nobody's */
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return x < y ? -1 : x > y;
}
static double median(double* v, uint32_t n) {
  qsort(v, n, sizeof *v, ascending);
  return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

/* Times each tensor; 0 if there is no memory. */
static int measure(bnt_session* session, const uint8_t* image, float* scores, uint32_t classes, profile* p) {
  if (bnt_run_traced(session, image, scores, classes, count_rows, p) != BNT_OK) return 0;
  p->rows = calloc(p->count, sizeof *p->rows);
  if (!p->rows) return 0;
  for (uint32_t i = 0; i < p->count; ++i)
    if (!(p->rows[i].us = calloc(p->runs, sizeof(double)))) return 0;
  if (bnt_run_traced(session, image, scores, classes, name_row, p) != BNT_OK) return 0;
  for (p->run = 0; p->run < p->runs; ++p->run) {
    p->at = 0;
    p->last = now_us();
    if (bnt_run_traced(session, image, scores, classes, time_row, p) != BNT_OK) return 0;
  }
  return 1;
}

static void print_rows(profile* p) {
  double sum = 0, longest = 0;
  printf("%-28s %-5s %9s %10s %7s\n", "tensor", "type", "dims", "median us", "share");
  for (uint32_t i = 0; i < p->count; ++i) {
    p->rows[i].us[0] = median(p->rows[i].us, p->runs);
    sum += p->rows[i].us[0];
    if (p->rows[i].us[0] > longest) longest = p->rows[i].us[0];
  }
  for (uint32_t i = 0; i < p->count; ++i)
    printf("%s %10.2f %6.1f%%\n", p->rows[i].text, p->rows[i].us[0], 100 * p->rows[i].us[0] / (sum > 0 ? sum : 1));
  printf("all %.2f us; the longest step %.2f us\n", sum, longest);
}

static int before(void* user) { return now_us() < *(const double*)user; }

static int show_deadline(bnt_session* session, const uint8_t* image, float* scores, uint32_t classes, double us) {
  double deadline = now_us() + us, late;
  bnt_status status = bnt_set_poll(session, before, &deadline);
  if (status == BNT_OK) status = bnt_run(session, image, 1, scores, classes);
  late = now_us() - deadline;
  if (status != BNT_OK && status != BNT_CANCELLED) return 0;
  printf("deadline %.0f us: %s, %.2f us %s it\n", us, status == BNT_OK ? "the run was done" : "the run was ended",
         late < 0 ? -late : late, late < 0 ? "before" : "after");
  return bnt_set_poll(session, NULL, NULL) == BNT_OK;
}

int main(int argc, char** argv) {
  options o;
  bnt_info info;
  bnt_model model;
  bnt_session session;
  bnt_status status;
  thread_pool pool;
  bnt_parallel parallel;
  size_t size, image_bytes;
  int ok;
  /* Static: whoever looks for leaks finds them held. */
  static profile p;
  static void *file, *mem, *arena;
  static uint8_t* image;
  static float *want, *scores;
  if (!parse(argc, argv, &o)) return fail(2, "usage", "profile [--threads N] [--runs N] [--deadline-us N] MODEL");
  file = read_model(o.model, &size);
  if (!file) return 1;
  status = bnt_probe(file, size, &info, NULL);
  if (status != BNT_OK) return fail(3, o.model, bnt_status_text(status));
  image_bytes = (size_t)info.h * info.w * info.c;
  mem = aligned(info.model_bytes);
  arena = aligned(info.arena_base + (size_t)o.threads * info.arena_per_lane);
  image = malloc(image_bytes);
  want = calloc(info.classes, sizeof *want);
  scores = calloc(info.classes, sizeof *scores);
  if (!mem || !arena || !image || !want || !scores) return fail(1, o.model, "there is not enough memory");
  for (size_t i = 0; i < image_bytes; ++i) image[i] = (uint8_t)(i * 37 + i / 7);

  if (thread_pool_start(&pool, o.threads) != 0) return fail(1, "--threads", "the threads cannot be started");
  parallel = thread_pool_parallel(&pool);
  status = bnt_load(file, size, mem, info.model_bytes, &model, NULL);
  if (status == BNT_OK)
    status = bnt_open(&model, arena, info.arena_base + (size_t)o.threads * info.arena_per_lane, &parallel, &session);
  if (status == BNT_OK) status = bnt_run(&session, image, 1, want, info.classes);
  if (status != BNT_OK) return fail(3, o.model, bnt_status_text(status));
  p.runs = o.runs;
  ok = measure(&session, image, scores, info.classes, &p);
  if (!ok) return fail(1, o.model, "a traced run failed, or there is not enough memory");
  print_rows(&p);
  ok = memcmp(want, scores, info.classes * sizeof *want) == 0;
  printf("scores");
  for (uint32_t k = 0; k < info.classes; ++k) printf(" %.9g", (double)scores[k]);
  printf("\n");
  if (o.deadline_us > 0 && !show_deadline(&session, image, scores, info.classes, o.deadline_us))
    return fail(1, o.model, "a run with a deadline failed");
  thread_pool_stop(&pool);
  return ok ? 0 : fail(6, o.model, "a traced run has other scores");
}
