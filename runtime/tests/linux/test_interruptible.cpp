// System calls that wait: no signal is lost between the check and the wait, and calls that have not begun say
// so.
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "check.hpp"
#include "hosts/host.hpp"

using namespace pyqemu::user;

namespace {

volatile int g_pending;
std::atomic<int> g_signals;

void on_signal(int, siginfo_t *, void *context) {
  g_pending = 1;
  g_signals.fetch_add(1);
  host::interrupted_call(static_cast<ucontext_t *>(context));
}

std::atomic<bool> g_done;

void *send_signals(void *opaque) {
  auto target = *static_cast<pthread_t *>(opaque);
  while (!g_done.load()) {
    int before = g_signals.load();
    pthread_kill(target, SIGUSR1);
    while (g_signals.load() == before && !g_done.load()) {
    }
  }
  return nullptr;
}

}  // namespace

int main() {
  host::set_handler(SIGUSR1, on_signal, SA_SIGINFO | SA_RESTART, nullptr);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  char byte;
  const uint64_t read_call[6] = {
      static_cast<uint64_t>(ends[0]), reinterpret_cast<uint64_t>(&byte), 1, 0, 0, 0};
  g_pending = 1;
  CHECK(host::interruptible(&g_pending, SYS_read, read_call) == host::kRestartNoIntr);
  g_pending = 0;
  CHECK(write(ends[1], "x", 1) == 1 && host::interruptible(&g_pending, SYS_read, read_call) == 1 &&
        byte == 'x');
  const uint64_t bad[6] = {static_cast<uint64_t>(-1), 0, 0, 0, 0, 0};
  CHECK(host::interruptible(&g_pending, SYS_close, bad) == -EBADF);

  // Signals come at any point of the call: each wait must end. A lost one would hang here (the test has a
  // time limit).
  pthread_t self = pthread_self(), sender;
  pthread_create(&sender, nullptr, send_signals, &self);
  int begun = 0, rounds = 100000;
  for (int i = 0; i < rounds; i++) {
    int64_t got = host::interruptible(&g_pending, SYS_read, read_call);
    CHECK(got == host::kRestartSys || got == host::kRestartNoIntr);
    begun += got == host::kRestartSys;
    g_pending = 0;
    // A signal that came between the call's end and the line above is not waited for again.
    if (g_signals.load() == 0) break;
  }
  g_done = true;
  pthread_join(sender, nullptr);
  CHECK(begun > 0);
  return result();
}
