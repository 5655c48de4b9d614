/* pthreads: mutexes, condition variables, atomics, thread-local storage, barriers, once, cancellation, many threads. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 8, kRounds = 20000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_spinlock_t spin;
static sem_t semaphore;
static long guarded, spun;
static _Atomic long atomic_sum;
static int whose, once_count;
static _Thread_local long mine;
static pthread_key_t key;
static _Atomic int destroyed, signalled;

static void count_once(void) { ++once_count; }
static void destroy(void *value) { (void)value, atomic_fetch_add(&destroyed, 1); }
static void on_signal(int number) { (void)number, atomic_fetch_add(&signalled, 1); }

static void *work(void *argument) {
  long id = (long)argument;
  pthread_once(&once, count_once);
  pthread_setspecific(key, argument + 1);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < kRounds; ++i) {
    pthread_mutex_lock(&mutex);
    ++guarded;
    pthread_mutex_unlock(&mutex);
    pthread_spin_lock(&spin);
    ++spun;
    pthread_spin_unlock(&spin);
    atomic_fetch_add(&atomic_sum, i % 7);
    mine += id;
  }
  for (int i = 0; i < 50; ++i) {
    pthread_mutex_lock(&mutex);
    while (whose != id) pthread_cond_wait(&turn, &mutex);
    whose = (whose + 1) % kThreads;
    pthread_cond_broadcast(&turn);
    pthread_mutex_unlock(&mutex);
  }
  sem_post(&semaphore);
  return (void *)mine;
}

static void *quick(void *argument) { return argument; }
static void *endless(void *argument) {
  for (;;) pause();
  return argument;
}
static _Atomic int flag;
static void *waiter(void *argument) {
  while (!atomic_load_explicit(&flag, memory_order_acquire)) {
  }
  return argument;
}

int main(void) {
  pthread_t threads[kThreads];
  pthread_barrier_init(&barrier, NULL, kThreads);
  pthread_spin_init(&spin, 0);
  pthread_key_create(&key, destroy);
  sem_init(&semaphore, 0, 0);
  signal(SIGUSR1, on_signal);
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < kThreads; ++i) sem_wait(&semaphore);
  long total = 0;
  for (int i = 0; i < kThreads; ++i) {
    void *result;
    pthread_join(threads[i], &result);
    total += (long)result;
  }
  printf("%ld %ld %ld %ld once %d mine %ld destroyed %d\n", guarded, spun, atomic_load(&atomic_sum), total, once_count, mine, destroyed);
  long sum = 0;
  for (long i = 0; i < 1000; ++i) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, quick, (void *)i);
    pthread_join(thread, &result);
    sum += (long)result;
  }
  printf("%ld\n", sum);
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, endless, NULL);
  pthread_kill(thread, SIGUSR1);
  while (!signalled) usleep(100);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("cancelled %d signalled %d\n", result == PTHREAD_CANCELED, signalled);
  pthread_create(&thread, NULL, waiter, NULL);
  usleep(2000);
  atomic_store_explicit(&flag, 1, memory_order_release);
  pthread_join(thread, NULL);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 2000000;
  if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, ++until.tv_sec;
  pthread_mutex_lock(&mutex);
  printf("timed out %d\n", pthread_cond_timedwait(&turn, &mutex, &until) != 0);
  return 0;
}
