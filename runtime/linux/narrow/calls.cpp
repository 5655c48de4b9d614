// The table: which call does what a guest with narrow words asks for, and how the arguments go over. Calls
// that are not here take no words, pointers to words or 64-bit values. Names with `64` at their end have
// 64-bit times or sizes.
#include <linux/futex.h>
#include <sys/syscall.h>

#include <cerrno>

#include "../guest_memory.hpp"
#include "narrow.hpp"

namespace pyqemu::user {
namespace {

constexpr Passing in(uint8_t argument, const Layout &layout) {
  return {Passing::kIn, argument, 0, &layout};
}
constexpr Passing out(uint8_t argument, const Layout &layout) {
  return {Passing::kOut, argument, 0, &layout};
}
constexpr Passing both(uint8_t argument, const Layout &layout) {
  return {Passing::kBoth, argument, 0, &layout};
}
constexpr Passing left(uint8_t argument, const Layout &layout) {
  return {Passing::kLeft, argument, 0, &layout};
}
constexpr Passing iovecs(uint8_t argument, uint8_t count) {
  return {Passing::kArray, argument, count};
}
constexpr Passing set(uint8_t argument, uint8_t count) {
  return {Passing::kSet, argument, count};
}
constexpr Passing pair(uint8_t argument) {
  return {Passing::kPair, argument};
}
constexpr Passing halves(uint8_t argument) {
  return {Passing::kHalves, argument};
}
constexpr Passing pages(uint8_t argument) {
  return {Passing::kPages, argument};
}
constexpr Passing word(uint8_t argument) {
  return {Passing::kSigned, argument};
}

// The fourth argument is a time for some commands, a number for others.
template <const Layout &time>
int64_t narrow_futex(Thread &thread, Arguments a, const Syscall &target) {
  const int command = static_cast<int>(a[1]) & FUTEX_CMD_MASK;
  constexpr int kWithTime[] = {FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI,
                               13 /* FUTEX_LOCK_PI2 */};
  uint64_t arguments[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
  timespec timeout;
  for (int with_time : kWithTime) {
    if (command != with_time || !a[3]) continue;
    if (!read_record(time, &timeout, a[3])) return -EFAULT;
    arguments[3] = host_address(&timeout);
  }
  return make_call(thread, target, arguments);
}

// Where pairs are aligned, the argument that comes last stands second, so that none is skipped.
int64_t second_last(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t arguments[6] = {a[0], a[2], a[3], a[1]};
  return make_call(thread, target, arguments);
}

// The offset is in two registers, high half first, and the result where the fourth argument says.
int64_t llseek(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t arguments[6] = {a[0], a[1] << 32 | a[2], a[4]};
  int64_t result = make_call(thread, target, arguments);
  if (result < 0) return result;
  return put_guest(a[3], result) ? 0 : -EFAULT;
}

// The second argument is the size of the structure, by which architectures differ in its last bytes.
int64_t statfs64(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t bytes = thread.guest->abi.value("struct.statfs64.size", kStatfs64.guest_bytes());
  if (a[1] != bytes) return -EINVAL;
  struct statfs status;
  char record[kStatfs64.guest_bytes()];
  const uint64_t arguments[6] = {a[0], host_address(&status)};
  if (int64_t result = make_call(thread, target, arguments); result < 0) return result;
  kStatfs64.to_guest(record, &status);
  return write_guest(a[2], record, std::min<uint64_t>(bytes, sizeof record)) ? 0 : -EFAULT;
}

// Sizes that do not fit are given in larger units.
int64_t narrow_sysinfo(Thread &thread, Arguments a, const Syscall &target) {
  struct sysinfo info;
  const uint64_t arguments[6] = {host_address(&info)};
  if (int64_t result = make_call(thread, target, arguments); result < 0) return result;
  unsigned long *sizes[] = {&info.totalram,  &info.freeram,  &info.sharedram, &info.bufferram,
                            &info.totalswap, &info.freeswap, &info.totalhigh, &info.freehigh};
  while ((info.totalram | info.totalswap) >> 32) {
    for (unsigned long *size : sizes) *size >>= 1;
    info.mem_unit <<= 1;
  }
  char record[64] = {};  // with the padding, which the host's has not
  kSysinfo.to_guest(record, &info);
  return put_guest(a[0], record) ? 0 : -EFAULT;
}

// Masks are in words; the host takes whole ones of its own only.
int64_t narrow_getaffinity(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t bytes = a[1] & 0xffffffff;
  if (bytes & (kNarrowWord - 1)) return -EINVAL;
  Scratch scratch;
  const uint64_t host_bytes = std::min<uint64_t>((bytes + 7) & ~uint64_t{7}, 1 << 16);
  void *mask = scratch.allocate(host_bytes);
  const uint64_t arguments[6] = {a[0], host_bytes, host_address(mask)};
  int64_t result = make_call(thread, target, arguments);
  if (result < 0) return result;
  result = std::min(result, static_cast<int64_t>(bytes));
  return write_guest(a[2], mask, static_cast<size_t>(result)) ? result : -EFAULT;
}

// The host's kernel would read a list of its own words: pyqemu keeps the address, and does what has to be
// done at a thread's end (robust_list.cpp).
int64_t set_robust_list(Thread &thread, Arguments a, const Syscall &) {
  if (a[1] != 3 * kNarrowWord) return -EINVAL;
  thread.robust_list = a[0];
  return 0;
}

int64_t get_robust_list(Thread &thread, Arguments a, const Syscall &) {
  const int tid = static_cast<int>(a[0]);
  if (tid != 0 && tid != thread.tid) return -EPERM;
  const uint32_t head = static_cast<uint32_t>(thread.robust_list), bytes = 3 * kNarrowWord;
  return put_guest(a[1], head) && put_guest(a[2], bytes) ? 0 : -EFAULT;
}

constexpr NarrowCall kCalls[] = {
    // descriptors
    {"readv", "", {iovecs(1, 2)}},
    {"writev", "", {iovecs(1, 2)}},
    {"preadv", "", {iovecs(1, 2), halves(3)}},
    {"pwritev", "", {iovecs(1, 2), halves(3)}},
    {"preadv2", "", {iovecs(1, 2), halves(3)}},
    {"pwritev2", "", {iovecs(1, 2), halves(3)}},
    {"vmsplice", "", {iovecs(1, 2)}},
    {"pread64", "", {pair(3)}},
    {"pwrite64", "", {pair(3)}},
    {"lseek", "", {word(1)}},
    {"llseek", "lseek", {}, llseek},
    {"_llseek", "lseek", {}, llseek},
    {"ftruncate", "", {word(1)}},
    {"ftruncate64", "ftruncate", {pair(1)}},
    {"fallocate", "", {pair(2), pair(3)}},
    {"readahead", "", {pair(1)}},
    {"fadvise64_64", "fadvise64", {pair(1), pair(2)}},
    {"fadvise64_64_2", "fadvise64", {pair(2), pair(3)}, second_last},
    {"sync_file_range", "", {pair(1), pair(2)}},
    {"sync_file_range2", "sync_file_range", {pair(2), pair(3)}, second_last},
    {"sendfile", "", {both(2, kTime)}},
    {"sendfile64", "sendfile"},
    {"fanotify_mark", "", {pair(2)}},
    {"fcntl", "", {}, narrow_fcntl},
    {"fcntl64", "fcntl", {}, narrow_fcntl},
    {"ioctl", "", {}, narrow_ioctl},
    {"pidfd_send_signal", "", {in(2, kSigInfo)}},
    // files
    {"truncate", "", {word(1)}},
    {"truncate64", "truncate", {pair(1)}},
    {"statfs", "", {out(1, kStatfs)}},
    {"fstatfs", "", {out(1, kStatfs)}},
    {"statfs64", "statfs", {}, statfs64},
    {"fstatfs64", "fstatfs", {}, statfs64},
    {"ustat", "", {out(1, kUstat)}},
    {"getdents", "getdents64", {}, old_getdents},
    {"utime", "", {in(1, kTimeval)}},
    {"utimes", "", {in(1, kItimerval)}},
    {"futimesat", "", {in(2, kItimerval)}},
    {"utimensat", "", {in(2, kItimerspec)}},
    {"utimensat_time64", "utimensat", {in(2, kItimerspec64)}},
    // waiting
    {"ppoll", "", {both(2, kTimespec)}},
    {"ppoll_time64", "ppoll", {both(2, kTimespec64)}},
    {"select", "", {set(1, 0), set(2, 0), set(3, 0), both(4, kTimeval)}},
    {"_newselect", "select", {set(1, 0), set(2, 0), set(3, 0), both(4, kTimeval)}},
    {"pselect6", "", {set(1, 0), set(2, 0), set(3, 0), both(4, kTimespec), in(5, kSignalSet)}},
    {"pselect6_time64",
     "pselect6",
     {set(1, 0), set(2, 0), set(3, 0), both(4, kTimespec64), in(5, kSignalSet)}},
    {"epoll_pwait2", "", {in(3, kTimespec64)}},
    {"futex", "", {}, narrow_futex<kTimespec>},
    {"futex_time64", "futex", {}, narrow_futex<kTimespec64>},
    {"futex_waitv", "", {in(3, kTimespec64)}},
    // memory
    {"mmap2", "mmap", {pages(5)}},
    {"process_vm_readv", "", {iovecs(1, 2), iovecs(3, 4)}},
    {"process_vm_writev", "", {iovecs(1, 2), iovecs(3, 4)}},
    // processes
    {"waitid", "", {out(2, kSigInfo), out(4, kRusage)}},
    {"wait4", "", {out(3, kRusage)}},
    {"getrusage", "", {out(1, kRusage)}},
    {"getrlimit", "", {out(1, kRlimit)}},
    {"ugetrlimit", "getrlimit", {out(1, kRlimit)}},
    {"setrlimit", "", {in(1, kRlimit)}},
    {"sysinfo", "", {}, narrow_sysinfo},
    // threads
    {"set_robust_list", "", {}, set_robust_list},
    {"get_robust_list", "", {}, get_robust_list},
    {"sched_getaffinity", "", {}, narrow_getaffinity},
    {"sched_rr_get_interval", "", {out(1, kTimespec)}},
    {"sched_rr_get_interval_time64", "sched_rr_get_interval", {out(1, kTimespec64)}},
    // signals
    {"sigaltstack", "", {in(0, kStack), out(1, kStack)}},
    {"sigaction", "rt_sigaction", {}, old_sigaction},
    {"sigprocmask", "rt_sigprocmask", {}, old_sigprocmask},
    {"sigpending", "rt_sigpending", {}, old_sigpending},
    {"sigsuspend", "rt_sigsuspend", {}, old_sigsuspend},
    {"rt_sigtimedwait", "", {out(1, kSigInfo), in(2, kTimespec)}},
    {"rt_sigtimedwait_time64", "rt_sigtimedwait", {out(1, kSigInfo), in(2, kTimespec64)}},
    {"rt_sigqueueinfo", "", {in(2, kSigInfo)}},
    {"rt_tgsigqueueinfo", "", {in(3, kSigInfo)}},
    // time
    {"nanosleep", "", {in(0, kTimespec), left(1, kTimespec)}},
    {"clock_nanosleep", "", {in(2, kTimespec), left(3, kTimespec)}},
    {"clock_nanosleep_time64", "clock_nanosleep", {in(2, kTimespec64), left(3, kTimespec64)}},
    {"clock_gettime", "", {out(1, kTimespec)}},
    {"clock_gettime64", "clock_gettime", {out(1, kTimespec64)}},
    {"clock_settime", "", {in(1, kTimespec)}},
    {"clock_settime64", "clock_settime", {in(1, kTimespec64)}},
    {"clock_getres", "", {out(1, kTimespec)}},
    {"clock_getres_time64", "clock_getres", {out(1, kTimespec64)}},
    {"clock_adjtime64", "clock_adjtime"},
    {"gettimeofday", "", {out(0, kTimeval)}},
    {"settimeofday", "", {in(0, kTimeval)}},
    {"time", "", {out(0, kTime)}},
    {"times", "", {out(0, kTms)}},
    {"getitimer", "", {out(1, kItimerval)}},
    {"setitimer", "", {in(1, kItimerval), out(2, kItimerval)}},
    {"timer_create", "", {in(1, kSigevent)}},
    {"timer_settime", "", {in(2, kItimerspec), out(3, kItimerspec)}},
    {"timer_settime64", "timer_settime", {in(2, kItimerspec64), out(3, kItimerspec64)}},
    {"timer_gettime", "", {out(1, kItimerspec)}},
    {"timer_gettime64", "timer_gettime", {out(1, kItimerspec64)}},
    {"timerfd_settime", "", {in(2, kItimerspec), out(3, kItimerspec)}},
    {"timerfd_settime64", "timerfd_settime", {in(2, kItimerspec64), out(3, kItimerspec64)}},
    {"timerfd_gettime", "", {out(1, kItimerspec)}},
    {"timerfd_gettime64", "timerfd_gettime", {out(1, kItimerspec64)}},
    // sockets
    {"sendmsg", "", {}, narrow_sendmsg},
    {"recvmsg", "", {}, narrow_recvmsg},
    {"sendmmsg", "", {}, narrow_sendmmsg},
    {"recvmmsg", "", {both(4, kTimespec)}, narrow_recvmmsg},
    {"recvmmsg_time64", "recvmmsg", {both(4, kTimespec64)}, narrow_recvmmsg},
    {"getsockopt", "", {}, narrow_getsockopt},
    {"setsockopt", "", {}, narrow_setsockopt},
    // inter-process communication
    {"semctl", "", {}, narrow_semctl},
    {"shmctl", "", {}, narrow_shmctl},
    {"msgctl", "", {}, narrow_msgctl},
    {"msgsnd", "", {}, narrow_msgsnd},
    {"msgrcv", "", {word(3)}, narrow_msgrcv},
    {"semtimedop", "", {in(3, kTimespec)}},
    {"semtimedop_time64", "semtimedop", {in(3, kTimespec64)}},
    {"mq_open", "", {in(3, kMqAttr)}},
    {"mq_timedsend", "", {in(4, kTimespec)}},
    {"mq_timedsend_time64", "mq_timedsend", {in(4, kTimespec64)}},
    {"mq_timedreceive", "", {in(4, kTimespec)}},
    {"mq_timedreceive_time64", "mq_timedreceive", {in(4, kTimespec64)}},
    {"mq_notify", "", {in(1, kSigevent)}},
    {"mq_getsetattr", "", {in(1, kMqAttr), out(2, kMqAttr)}},
};

}  // namespace

const NarrowCall *find_narrow_call(std::string_view name) {
  for (const NarrowCall &call : kCalls)  // once for each number
    if (call.name == name) return &call;
  return nullptr;
}

}  // namespace pyqemu::user
