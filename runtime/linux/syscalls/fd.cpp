// Descriptors: reading and writing, duplicating, flags, pipes, and the kinds of descriptors that are no
// files.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"
#include "../open_flags.hpp"

namespace pyqemu::user {
namespace {

// pyqemu's own descriptor does not exist for the guest.
bool is_own(const Thread &thread, uint64_t fd) {
  return static_cast<int>(fd) == thread.process->self_fd;
}

// Makes room where the guest wants a descriptor of its own.
void move_own(Thread &thread) {
  Process &process = *thread.process;
  int moved = fcntl(process.self_fd, F_DUPFD_CLOEXEC, process.self_fd + 1);
  if (moved < 0) moved = fcntl(process.self_fd, F_DUPFD_CLOEXEC, 10);
  if (moved >= 0) close(process.self_fd);
  process.self_fd = moved;
}

int64_t sys_close(Thread &thread, Arguments a) {
  if (is_own(thread, a[0])) return -EBADF;
  return host::system_call(SYS_close, a[0]);
}

int64_t sys_close_range(Thread &thread, Arguments a) {
  uint64_t first = static_cast<uint32_t>(a[0]), last = static_cast<uint32_t>(a[1]);
  uint64_t own = static_cast<uint64_t>(thread.process->self_fd);
  if (thread.process->self_fd < 0 || own < first || own > last) return host::system_call(SYS_close_range, a);
  if (own > first)
    if (int64_t result = host::system_call(SYS_close_range, first, own - 1, a[2]); result < 0) return result;
  return own < last ? host::system_call(SYS_close_range, own + 1, last, a[2]) : 0;
}

int64_t sys_dup(Thread &thread, Arguments a) {
  return is_own(thread, a[0]) ? -EBADF : host::system_call(SYS_dup, a[0]);
}

int64_t sys_dup2(Thread &thread, Arguments a) {
  if (is_own(thread, a[0])) return -EBADF;
  if (is_own(thread, a[1])) move_own(thread);
  return host::system_call(SYS_dup2, a[0], a[1]);
}

int64_t sys_dup3(Thread &thread, Arguments a) {
  if (is_own(thread, a[0])) return -EBADF;
  if (is_own(thread, a[1])) move_own(thread);
  return host::system_call(SYS_dup3, a[0], a[1], open_flags_to_host(thread, a[2]));
}

int64_t sys_pipe2(Thread &thread, Arguments a) {
  return host::system_call(SYS_pipe2, a[0], open_flags_to_host(thread, a[1]));
}

int64_t sys_fcntl(Thread &thread, Arguments a) {
  if (is_own(thread, a[0])) return -EBADF;
  switch (static_cast<int>(a[1])) {
    case F_GETFL: {
      int64_t flags = host::system_call(SYS_fcntl, a[0], F_GETFL);
      return flags < 0 ? flags
                       : static_cast<int64_t>(open_flags_to_guest(thread, static_cast<uint64_t>(flags)));
    }
    case F_SETFL:
      return host::system_call(SYS_fcntl, a[0], F_SETFL, open_flags_to_host(thread, a[2]));
    case F_SETLKW:
    case F_OFD_SETLKW:
      return blocking_call(thread, SYS_fcntl, a);
    default:
      return host::system_call(SYS_fcntl, a);
  }
}

int64_t sys_ioctl(Thread &thread, Arguments a) {
  if (is_own(thread, a[0])) return -EBADF;
  return blocking_call(thread, SYS_ioctl, a);
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    waits("read", SYS_read),
    waits("write", SYS_write),
    waits("readv", SYS_readv),
    waits("writev", SYS_writev),
    waits("pread64", SYS_pread64),
    waits("pwrite64", SYS_pwrite64),
    waits("preadv", SYS_preadv),
    waits("pwritev", SYS_pwritev),
    waits("preadv2", SYS_preadv2),
    waits("pwritev2", SYS_pwritev2),
    pass("lseek", SYS_lseek),
    own("close", sys_close),
    own("close_range", sys_close_range),
    own("dup", sys_dup),
    own("dup2", sys_dup2),
    own("dup3", sys_dup3),
    own("pipe2", sys_pipe2),
    pass("pipe", SYS_pipe),
    own("fcntl", sys_fcntl),
    own("ioctl", sys_ioctl),
    waits("fsync", SYS_fsync),
    waits("fdatasync", SYS_fdatasync),
    waits("sync", SYS_sync),
    waits("syncfs", SYS_syncfs),
    waits("sync_file_range", SYS_sync_file_range),
    pass("ftruncate", SYS_ftruncate),
    waits("fallocate", SYS_fallocate),
    waits("flock", SYS_flock),
    waits("splice", SYS_splice),
    waits("tee", SYS_tee),
    waits("vmsplice", SYS_vmsplice),
    waits("sendfile", SYS_sendfile),
    waits("copy_file_range", SYS_copy_file_range),
    pass("readahead", SYS_readahead),
    pass("fadvise64", SYS_fadvise64),
    pass("eventfd2", SYS_eventfd2),
    pass("eventfd", SYS_eventfd),
    pass("signalfd4", SYS_signalfd4),
    pass("signalfd", SYS_signalfd),
    pass("inotify_init1", SYS_inotify_init1),
    pass("inotify_init", SYS_inotify_init),
    pass("inotify_add_watch", SYS_inotify_add_watch, 2),
    pass("inotify_rm_watch", SYS_inotify_rm_watch),
    pass("memfd_create", SYS_memfd_create),
    pass("pidfd_open", SYS_pidfd_open),
    pass("pidfd_getfd", SYS_pidfd_getfd),
    pass("pidfd_send_signal", SYS_pidfd_send_signal),
    pass("fanotify_init", SYS_fanotify_init),
    pass("fanotify_mark", SYS_fanotify_mark),
}));

}  // namespace

std::span<const Syscall> fd_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
