// -strace and -d stats: one line each.
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "dispatch.hpp"
#include "guest_memory.hpp"
#include "hosts/host.hpp"
#include "log.hpp"

namespace pyqemu::user {
namespace {

// How arguments are shown: d int, x hexadecimal, o octal, s string, b buffer (as a string, its size is the
// next argument), a directory descriptor.
struct Format {
  std::string_view name;
  const char *arguments;
};

constexpr Format kFormats[] = {{"accept", "dxx"},
                               {"accept4", "dxxx"},
                               {"bind", "dxd"},
                               {"brk", "x"},
                               {"chdir", "s"},
                               {"chroot", "s"},
                               {"clock_gettime", "dx"},
                               {"clock_nanosleep", "ddxx"},
                               {"clone", "xxxxx"},
                               {"clone3", "xd"},
                               {"close", "d"},
                               {"close_range", "ddx"},
                               {"connect", "dxd"},
                               {"dup", "d"},
                               {"dup2", "dd"},
                               {"dup3", "ddx"},
                               {"epoll_create1", "x"},
                               {"epoll_ctl", "dddx"},
                               {"epoll_pwait", "dxddxd"},
                               {"eventfd2", "dx"},
                               {"execve", "sxx"},
                               {"execveat", "asxxx"},
                               {"exit", "d"},
                               {"exit_group", "d"},
                               {"faccessat", "aso"},
                               {"faccessat2", "asox"},
                               {"fchdir", "d"},
                               {"fchmod", "do"},
                               {"fchmodat", "aso"},
                               {"fchownat", "asddx"},
                               {"fcntl", "ddx"},
                               {"flush_icache", "xxx"},
                               {"fstat", "dx"},
                               {"fstatfs", "dx"},
                               {"ftruncate", "dd"},
                               {"futex", "xxdxxd"},
                               {"getcwd", "xd"},
                               {"getdents64", "dxd"},
                               {"getegid", ""},
                               {"geteuid", ""},
                               {"getgid", ""},
                               {"getpgid", "d"},
                               {"getpid", ""},
                               {"getppid", ""},
                               {"getrandom", "xdx"},
                               {"getrlimit", "dx"},
                               {"gettid", ""},
                               {"getuid", ""},
                               {"hwprobe", "xdxxx"},
                               {"ioctl", "dxx"},
                               {"kill", "dd"},
                               {"linkat", "asasx"},
                               {"lseek", "ddd"},
                               {"madvise", "xdd"},
                               {"mkdirat", "aso"},
                               {"mmap", "xdxxdx"},
                               {"mprotect", "xdx"},
                               {"mremap", "xddxx"},
                               {"munmap", "xd"},
                               {"nanosleep", "xx"},
                               {"newfstatat", "asxx"},
                               {"openat", "asxo"},
                               {"pipe2", "xx"},
                               {"ppoll", "xdxxd"},
                               {"prctl", "dxxxx"},
                               {"pread64", "dxdd"},
                               {"prlimit64", "ddxx"},
                               {"pselect6", "dxxxxx"},
                               {"pwrite64", "dbdd"},
                               {"read", "dxd"},
                               {"readlinkat", "asxd"},
                               {"readv", "dxd"},
                               {"recvfrom", "dxdxxx"},
                               {"renameat2", "asasx"},
                               {"rt_sigaction", "dxxd"},
                               {"rt_sigprocmask", "dxxd"},
                               {"rt_sigreturn", ""},
                               {"rt_sigsuspend", "xd"},
                               {"sched_getaffinity", "ddx"},
                               {"sched_yield", ""},
                               {"sendto", "dbdxxd"},
                               {"set_robust_list", "xd"},
                               {"set_tid_address", "x"},
                               {"setpgid", "dd"},
                               {"sigaltstack", "xx"},
                               {"socket", "ddd"},
                               {"statfs", "sx"},
                               {"statx", "asxxx"},
                               {"symlinkat", "sas"},
                               {"sysinfo", "x"},
                               {"tgkill", "ddd"},
                               {"umask", "o"},
                               {"uname", "x"},
                               {"unlinkat", "asx"},
                               {"utimensat", "asxx"},
                               {"wait4", "dxxx"},
                               {"write", "dbd"},
                               {"writev", "dxd"}};

struct Line {
  char text[1024];
  size_t size = 0;

  [[gnu::format(printf, 2, 3)]] void add(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(text + size, sizeof text - size, format, arguments);
    va_end(arguments);
    if (more > 0) size = std::min(size + static_cast<size_t>(more), sizeof text - 1);
  }

  void add_bytes(const char *bytes, size_t count, bool cut) {
    add("\"");
    for (size_t i = 0; i < count; i++) {
      unsigned char c = static_cast<unsigned char>(bytes[i]);
      if (c == '\n')
        add("\\n");
      else if (c == '"' || c == '\\')
        add("\\%c", c);
      else if (c < 32 || c > 126)
        add("\\%o", c);
      else
        add("%c", c);
    }
    add(cut ? "\"..." : "\"");
  }
};

constexpr size_t kShown = 64;

void add_argument(Line *line, char kind, Arguments arguments, int i) {
  uint64_t value = arguments[i];
  char bytes[kShown + 1];
  switch (kind) {
    case 'd':
      return line->add("%d", static_cast<int>(value));
    case 'o':
      return line->add("0%o", static_cast<unsigned>(value));
    case 'a':
      if (static_cast<int>(value) == -100) return line->add("AT_FDCWD");
      return line->add("%d", static_cast<int>(value));
    case 's': {
      int64_t length = read_guest_string(bytes, value, kShown);
      if (length == -EFAULT) break;
      return line->add_bytes(bytes, length < 0 ? kShown : static_cast<size_t>(length), length < 0);
    }
    case 'b': {
      size_t count = std::min<size_t>(arguments[i + 1], kShown);
      if (!read_guest(bytes, value, count)) break;
      return line->add_bytes(bytes, count, arguments[i + 1] > kShown);
    }
    default:
      break;
  }
  line->add(value ? "0x%lx" : "NULL", static_cast<unsigned long>(value));
}

}  // namespace

void strace_line(const Thread &thread, std::string_view name, Arguments arguments, int64_t result) {
  const char *format = "xxxxxx";
  for (const Format &known : kFormats)
    if (known.name == name) format = known.arguments;
  Line line;
  if (name.empty())
    line.add("%d syscall_%lu(", thread.tid,
             static_cast<unsigned long>(get_reg(thread.cpu, thread.guest->abi.number)));
  else
    line.add("%d %.*s(", thread.tid, static_cast<int>(name.size()), name.data());
  for (int i = 0; format[i]; i++) {
    if (i) line.add(",");
    add_argument(&line, format[i], arguments, i);
  }
  if (result == host::kRestartSys || result == host::kRestartNoIntr)
    line.add(") = ? (interrupted, to be restarted)");
  else if (result < 0 && result > -4096)
    line.add(") = -1 errno=%d (%s)", static_cast<int>(-result), strerror(static_cast<int>(-result)));
  else if (result > 0xffffff || result < 0)
    line.add(") = 0x%lx", static_cast<unsigned long>(result));
  else
    line.add(") = %ld", static_cast<long>(result));
  log_line("%s", line.text);
}

void strace_signal(const Thread &thread, int signal, const siginfo_t &info) {
  const char *name = sigabbrev_np(signal);
  Line line;
  line.add("%d --- ", thread.tid);
  if (name)
    line.add("SIG%s", name);
  else
    line.add("SIGRT_%d", signal - 32);
  line.add(" {si_code=%d, ", info.si_code);
  if (info.si_code > 0)
    line.add("si_addr=%p", info.si_addr);
  else
    line.add("si_pid=%d", info.si_pid);
  line.add("} at pc 0x%lx ---", static_cast<unsigned long>(thread.cpu->pc));
  log_line("%s", line.text);
}

void log_count(const Guest &guest) {
  EngineStats stats = guest.engine->stats();
  log_line("%d count: %lu guest instructions retired in baseline code, %lu regions installed", getpid(),
           static_cast<unsigned long>(stats.retired), static_cast<unsigned long>(stats.regions));
}

void log_stats(const Guest &guest) {
  EngineStats stats = guest.engine->stats();
  auto number = [](uint64_t value) { return static_cast<unsigned long>(value); };
  log_line(
      "%d stats: %lu blocks, %lu guest instructions, %lu guest bytes, %lu host bytes, %lu flushes, %lu "
      "invalidations, %lu ns translating, %lu regions, %lu regions refused",
      getpid(), number(stats.blocks), number(stats.guest_insns), number(stats.guest_bytes),
      number(stats.host_bytes), number(stats.flushes), number(stats.invalidations),
      number(stats.translate_ns), number(stats.regions), number(stats.regions_refused));
}

}  // namespace pyqemu::user
