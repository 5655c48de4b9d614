#include "side_thread.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hosts/host.hpp"
#include "signals.hpp"

namespace pyqemu::user {
namespace {

constexpr size_t kStack = 256 << 10;

// All signals are the guest's: none may be delivered here.
uint64_t block_all_signals() {
  uint64_t all = ~uint64_t{0}, before = 0;
  host::system_call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<uint64_t>(&all),
                    reinterpret_cast<uint64_t>(&before), sizeof before);
  return before;
}

}  // namespace

bool SideThread::start(Step step, void *context, uint32_t wait) {
  running_.wait(1);
  running_.store(1);
  step_ = step;
  context_ = context;
  wait_ = wait;
  stopped_.store(0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStack);
  const uint64_t mask = block_all_signals();  // the new thread begins with that
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, main, this) == 0;
  set_host_mask(mask);
  pthread_attr_destroy(&attributes);
  if (!started) running_.store(0);
  return started;
}

void SideThread::stop() {
  stopped_.store(1);
  syscall(SYS_futex, &stopped_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  running_.wait(1);
}

void *SideThread::main(void *self) {
  auto *thread = static_cast<SideThread *>(self);
  uint32_t wait = thread->wait_;
  while (wait != 0 && thread->sleep(wait)) wait = thread->step_(thread->context_);
  thread->running_.store(0);
  thread->running_.notify_all();
  return nullptr;
}

// False if the thread has to end.
bool SideThread::sleep(uint32_t milliseconds) {
  const timespec time = {milliseconds / 1000, long{milliseconds % 1000} * 1000000};
  if (stopped_.load() == 0) syscall(SYS_futex, &stopped_, FUTEX_WAIT_PRIVATE, 0, &time, nullptr, 0);
  return stopped_.load() == 0;
}

}  // namespace pyqemu::user
