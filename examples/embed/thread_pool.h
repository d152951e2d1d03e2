/* Threads for bnt_open, over POSIX threads: a net's operations are shared out by bands of rows, one lane a thread.
 *
 *   thread_pool pool;            thread_pool_start(&pool, 2);
 *   bnt_parallel parallel = thread_pool_parallel(&pool);
 *   bnt_open(&model, arena, info.arena_base + 2 * info.arena_per_lane, &parallel, &session);
 *   ...                          no run may be under way when the pool stops
 *   thread_pool_stop(&pool);
 *
 * The thread that calls bnt_run is lane 0 and works, too. Threads sleep between operations: that suits nets whose
 * operations take long beside a wake-up (some 10 us); smaller ones are as fast on one lane. The scores are the same
 * bytes for any number of lanes. Sessions may share a pool, one after the other: it serves one run at a time.
 */
#ifndef EXAMPLES_EMBED_THREAD_POOL_H_
#define EXAMPLES_EMBED_THREAD_POOL_H_

#include <pthread.h>
#include <stdint.h>

#include "compress/runtime/bnt.h"

#define THREAD_POOL_MAX_LANES 64u

struct thread_pool;
typedef struct thread_pool_worker {
  struct thread_pool* pool;
  uint32_t lane;
  pthread_t thread;
} thread_pool_worker;

typedef struct thread_pool {
  pthread_mutex_t mutex; /* of all below but `lanes` and `workers` */
  pthread_cond_t work, done;
  void (*task)(void* context, uint32_t t, uint32_t lane);
  void* context;
  uint32_t next, tasks; /* tasks [next, tasks) have not begun */
  uint32_t active;      /* and so many are running */
  int stop;
  uint32_t lanes;
  thread_pool_worker workers[THREAD_POOL_MAX_LANES]; /* of lanes 1, 2, ...; [0] is unused */
} thread_pool;

/* 0, or the error number of what failed (EINVAL for 0 lanes or too many); then there is nothing to stop. *pool must
 * stay where it is until it stops. */
int thread_pool_start(thread_pool* pool, uint32_t lanes);
bnt_parallel thread_pool_parallel(thread_pool* pool);
void thread_pool_stop(thread_pool* pool);

#endif
