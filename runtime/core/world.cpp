// Stopping and resuming threads. Futexes rather than condition variables: these survive a fork while others
// wait.
#include "world.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace pyqemu {
namespace {

void futex_wait(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

void World::add(Thread *thread) {
  std::lock_guard guard(mutex_);
  threads_.push_back(thread);
}

void World::remove(Thread *thread) {
  std::lock_guard guard(mutex_);
  threads_.erase(std::remove(threads_.begin(), threads_.end(), thread), threads_.end());
}

void World::enter_slow(Thread &thread) {
  for (;;) {
    if (stopped_.load() == 0 || is_owner()) return;
    thread.inside.store(0);
    tell_stopper();
    futex_wait(stopped_, 1);
    thread.inside.store(1);
  }
}

void World::tell_stopper() {
  left_.fetch_add(1);
  futex_wake(left_);
}

void World::lock_and_enter(Thread &thread) {
  mutex_.lock();
  while (stopped_.load() != 0 && !is_owner()) {
    mutex_.unlock();
    futex_wait(stopped_, 1);
    mutex_.lock();
  }
  thread.inside.store(1);
}

bool World::anyone_inside() const {
  return std::any_of(threads_.begin(), threads_.end(),
                     [](const Thread *thread) { return thread->inside.load() != 0; });
}

void World::stop() {
  std::unique_lock lock(mutex_);
  while (stopped_.load() != 0) {
    if (is_owner()) {
      depth_++;
      return;
    }
    lock.unlock();
    futex_wait(stopped_, 1);
    lock.lock();
  }
  owner_.store(pthread_self());
  stopped_.store(1);
  depth_ = 1;
  for (Thread *thread : threads_) request_poll(thread->cpu);
  for (;;) {
    uint32_t left = left_.load();
    if (!anyone_inside()) return;
    lock.unlock();
    futex_wait(left_, left);
    lock.lock();
  }
}

void World::resume() {
  std::lock_guard guard(mutex_);
  if (depth_ == 0 || !is_owner() || --depth_ != 0) return;
  owner_.store(pthread_t{});
  stopped_.store(0);
  futex_wake(stopped_);
}

void World::wait_until_running() {
  while (stopped_.load() != 0 && !is_owner()) futex_wait(stopped_, 1);
}

void World::make_stale() {
  for (Thread *thread : threads_) {
    thread->stale.store(1);
    request_poll(thread->cpu);
  }
}

void World::forget_others() {
  for (Thread *thread : threads_) thread->inside.store(0);
  if (stopped_.load() != 0 && !is_owner()) {
    owner_.store(pthread_t{});
    depth_ = 0;
    stopped_.store(0);
  }
}

}  // namespace pyqemu
