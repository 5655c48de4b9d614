// Starts the worker by two processes that share this one's memory until they end or execute, so that nothing
// is copied. The first one, which starts the second and ends, is waited for here; it sends no signal, so that
// the guest sees nothing of it.
#include "worker.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "hosts/host.hpp"
#include "signals.hpp"

namespace pyqemu::user {
namespace {

constexpr size_t kStack = 65536;  // of each of the two processes

struct Start {
  const char *program, *folder;
  char *stack;  // of the second process: its end
};

bool forget_guest() {
  for (int signal = 1; signal <= kSignals; signal++) host::set_handler(signal, nullptr, 0, nullptr);
  host::system_call(SYS_close_range, 0, ~0u, 0);
  if (open("/dev/null", O_RDWR) == 0) {
    dup2(0, 1);
    dup2(0, 2);
  }
  umask(077);
  set_host_mask(0);
  return chdir("/") == 0;
}

// What these two return is their process's exit status.
int second_main(void *opaque) {
  const auto *start = static_cast<Start *>(opaque);
  char *const words[] = {const_cast<char *>(start->program), const_cast<char *>(start->folder), nullptr};
  if (forget_guest()) execve(start->program, words, environ);
  return 1;
}

int first_main(void *opaque) {
  const auto *start = static_cast<Start *>(opaque);
  setsid();
  const int child = clone(second_main, start->stack, CLONE_VM | CLONE_VFORK, opaque);
  return child > 0 ? 0 : 1;
}

}  // namespace

std::string find_worker() {
  char path[4096];
  if (const char *named = secure_getenv("PYQEMU_WORKER"))
    return realpath(named, path) && access(path, X_OK) == 0 ? path : "";
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof path)) return "";
  std::string beside(path, static_cast<size_t>(size));
  beside.replace(beside.rfind('/') + 1, std::string::npos, "pyqemu-worker");
  return access(beside.c_str(), X_OK) == 0 ? beside : "";
}

bool start_worker(const std::string &program, const std::string &folder) {
  void *stacks =
      mmap(nullptr, 2 * kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) return false;
  char *stack = static_cast<char *>(stacks);
  Start start{program.c_str(), folder.c_str(), stack + kStack};
  uint64_t all = ~uint64_t{0}, mask = 0;
  host::system_call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<uint64_t>(&all),
                    reinterpret_cast<uint64_t>(&mask), sizeof mask);
  const int child = clone(first_main, stack + 2 * kStack, CLONE_VM | CLONE_VFORK, &start);
  int status = -1;
  if (child > 0)
    while (waitpid(child, &status, __WCLONE) < 0 && errno == EINTR) {
    }
  set_host_mask(mask);
  munmap(stacks, 2 * kStack);
  return child > 0 && status == 0;
}

int go_on_in_child() {
  uint64_t all = ~uint64_t{0};
  host::system_call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<uint64_t>(&all), 0, sizeof all);
  const auto child = static_cast<int>(host::system_call(SYS_clone, 0, 0));  // its end sends no signal
  if (child != 0) return child;
  setsid();
  if (!forget_guest()) _exit(1);
  return 0;
}

}  // namespace pyqemu::user
