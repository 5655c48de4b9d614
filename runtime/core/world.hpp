// The engine's threads, its lock, and how all threads are brought to a safe point.
// docs/decisions/code-cache-and-threads.md explains the protocol.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "decoder.hpp"
#include "pack_format.hpp"

namespace pyqemu {

// What the engine keeps for a CPU (CpuHeader::owner).
struct Thread {
  CpuHeader *cpu = nullptr;
  std::atomic<uint32_t> inside{0};  // may run generated code or hold block numbers
  std::atomic<uint32_t> interrupted{0};
  std::atomic<uint32_t> stale{0};  // its jump cache has to be emptied before it runs on
  const DecodeContext *context = nullptr;
  const DecodeContext *other_context = nullptr;  // that before this one: programs often go to and fro
  uint64_t features = 0;

  // The entries of its jump cache that were filled since it was emptied, if these are not more.
  static constexpr uint32_t kMostFilled = 64;
  uint32_t filled_count = kMostFilled + 1;
  uint16_t filled[kMostFilled];
};

class World {
 public:
  void add(Thread *thread);
  void remove(Thread *thread);

  // A thread goes to where it may run generated code (and waits there while the world is stopped), or leaves
  // it.
  void enter(Thread &thread) {
    thread.inside.store(1);
    if (stopped_.load() != 0) [[unlikely]]
      enter_slow(thread);
  }
  void leave(Thread &thread) {
    thread.inside.store(0);
    if (stopped_.load() != 0) [[unlikely]]
      tell_stopper();
  }

  // The lock. lock_and_enter: for a thread that has left; it is inside again when it has the lock.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void lock_and_enter(Thread &thread);

  // Stops all threads that are inside, and keeps others from entering. Without the lock; the caller must not
  // be inside.
  void stop();
  void resume();
  // Waits while another thread keeps the world stopped.
  void wait_until_running();

  // With the lock held: makes every thread empty its jump cache at its next poll.
  void make_stale();

  // With the lock held: calls f(cpu) for each CPU.
  template <typename F>
  void for_each(F f) const {
    for (const Thread *thread : threads_) f(thread->cpu);
  }

  // In the child of a fork, whose only thread is the caller, with the lock held.
  void forget_others();

 private:
  bool is_owner() const { return pthread_equal(owner_.load(), pthread_self()) != 0; }
  void enter_slow(Thread &thread);
  void tell_stopper();
  bool anyone_inside() const;

  std::mutex mutex_;
  std::vector<Thread *> threads_;
  std::atomic<uint32_t> stopped_{0};  // 1: stopped or stopping. Waited for as a futex
  std::atomic<uint32_t> left_{0};     // counts threads that leave meanwhile. Waited for as a futex
  std::atomic<pthread_t> owner_{};    // who stopped it
  uint32_t depth_ = 0;
};

// Sets the poll flag that generated code looks at. Async-signal-safe.
inline void request_poll(CpuHeader *cpu) {
  __atomic_store_n(&cpu->poll, 1u, __ATOMIC_SEQ_CST);
}

}  // namespace pyqemu
