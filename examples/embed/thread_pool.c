#include "thread_pool.h"

#include <errno.h>

/* Takes tasks until none is left to begin. The mutex is held on entry and on return, and not while a task runs. */
static void drain(thread_pool* pool, uint32_t lane) {
  while (pool->next < pool->tasks) {
    const uint32_t t = pool->next++;
    void (*const task)(void*, uint32_t, uint32_t) = pool->task;
    void* const context = pool->context;
    ++pool->active;
    pthread_mutex_unlock(&pool->mutex);
    task(context, t, lane);
    pthread_mutex_lock(&pool->mutex);
    if (--pool->active == 0 && pool->next == pool->tasks) pthread_cond_signal(&pool->done);
  }
}

static void* work(void* argument) {
  thread_pool_worker* const self = argument;
  thread_pool* const pool = self->pool;
  pthread_mutex_lock(&pool->mutex);
  for (;;) {
    drain(pool, self->lane);
    if (pool->stop) break;
    pthread_cond_wait(&pool->work, &pool->mutex);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

/* bnt_parallel.run: lane 0 is the caller's thread. */
static void run(void* user, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
  thread_pool* const pool = user;
  pthread_mutex_lock(&pool->mutex);
  pool->task = task;
  pool->context = context;
  pool->next = 0;
  pool->tasks = tasks;
  pthread_cond_broadcast(&pool->work);
  drain(pool, 0);
  while (pool->active > 0) pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}

static void stop_and_join(thread_pool* pool, uint32_t started) {
  pthread_mutex_lock(&pool->mutex);
  pool->stop = 1;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
  for (uint32_t i = 1; i < started; ++i) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->mutex);
}

int thread_pool_start(thread_pool* pool, uint32_t lanes) {
  int error;
  if (lanes == 0 || lanes > THREAD_POOL_MAX_LANES) return EINVAL;
  pool->task = NULL;
  pool->context = NULL;
  pool->next = pool->tasks = pool->active = 0;
  pool->stop = 0;
  pool->lanes = lanes;
  error = pthread_mutex_init(&pool->mutex, NULL);
  if (error) return error;
  error = pthread_cond_init(&pool->work, NULL);
  if (error) {
    pthread_mutex_destroy(&pool->mutex);
    return error;
  }
  error = pthread_cond_init(&pool->done, NULL);
  if (error) {
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    return error;
  }
  for (uint32_t i = 1; i < lanes; ++i) {
    pool->workers[i].pool = pool;
    pool->workers[i].lane = i;
    error = pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]);
    if (error) {
      stop_and_join(pool, i);
      return error;
    }
  }
  return 0;
}

bnt_parallel thread_pool_parallel(thread_pool* pool) {
  bnt_parallel parallel;
  parallel.user = pool;
  parallel.lanes = pool->lanes;
  parallel.run = run;
  return parallel;
}

void thread_pool_stop(thread_pool* pool) { stop_and_join(pool, pool->lanes); }
