// Messages and the log.
#include "log.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "hosts/host.hpp"

namespace pyqemu::user {
namespace {

int g_log_fd = 2;

// With `plain`, what a message quotes (a path, say) cannot make two lines of it.
void put_line(int fd, bool plain, const char *prefix, const char *format, va_list arguments) {
  char line[4096];
  size_t size = strlen(prefix);
  memcpy(line, prefix, size);
  int more = vsnprintf(line + size, sizeof line - size - 1, format, arguments);
  if (more > 0) size += static_cast<size_t>(more);
  if (size > sizeof line - 2) size = sizeof line - 2;
  for (size_t i = 0; plain && i < size; i++)
    if (static_cast<unsigned char>(line[i]) < ' ' || line[i] == 127) line[i] = '?';
  line[size++] = '\n';
  for (size_t done = 0; done < size;) {
    ssize_t wrote = write(fd, line + done, size - done);
    if (wrote <= 0) return;
    done += static_cast<size_t>(wrote);
  }
}

}  // namespace

void complain(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  put_line(2, true, "pyqemu-user: ", format, arguments);
  va_end(arguments);
}

void log_line(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  put_line(g_log_fd, false, "", format, arguments);
  va_end(arguments);
}

void open_log(const char *path) {
  char expanded[4096];
  if (const char *mark = strstr(path, "%d")) {  // as QEMU: the process id
    snprintf(expanded, sizeof expanded, "%.*s%d%s", static_cast<int>(mark - path), path, getpid(), mark + 2);
    path = expanded;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return complain("cannot open the log %s: %s", path, strerror(errno));
  int high = fcntl(fd, F_DUPFD_CLOEXEC, 900);
  g_log_fd = high >= 0 ? high : fd;
  if (high >= 0) close(fd);
}

int log_fd() {
  return g_log_fd;
}

void exit_now(int status) {
  for (;;) host::system_call(SYS_exit_group, static_cast<uint64_t>(status));
}

void internal_fault(const char *what, uintptr_t host_pc, uintptr_t address) {
  complain(
      "internal error: %s at host pc %#lx, address %#lx (this is a bug of pyqemu: please report it with the "
      "program, its arguments and the output of pyqemu-user -version)",
      what, static_cast<unsigned long>(host_pc), static_cast<unsigned long>(address));
  exit_now(kExitInternal);
}

}  // namespace pyqemu::user
