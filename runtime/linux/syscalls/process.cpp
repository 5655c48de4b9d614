// Processes: ids, limits, waiting, leaving, names. fork, clone and exec are in thread.cpp and exec.cpp.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../dispatch.hpp"
#include "../exec.hpp"
#include "../features.hpp"
#include "../guest_memory.hpp"
#include "../log.hpp"

namespace pyqemu::user {
namespace {

int64_t sys_exit_group(Thread &thread, Arguments a) {
  if (thread.guest->options->log & kLogStrace) strace_line(thread, "exit_group", a, 0);
  if (thread.guest->options->log & kLogStats) log_stats(*thread.guest);
  if (thread.guest->options->log & kLogCount) log_count(*thread.guest);
  if (!thread.vfork_child) thread.guest->requests.exiting(thread.guest->threads == 1);
  exit_now(static_cast<int>(a[0]));
}

int64_t sys_uname(Thread &thread, Arguments a) {
  utsname name;
  if (uname(&name) < 0) return -errno;
  snprintf(name.machine, sizeof name.machine, "%s", feature_text(*thread.guest, "machine"));
  if (const char *release = thread.guest->options->release)
    snprintf(name.release, sizeof name.release, "%s", release);
  return put_guest(a[0], name) ? 0 : -EFAULT;
}

// As the kernel does it: what is added is cut, and what is not allowed is EPERM.
int64_t sys_nice(Thread &, Arguments a) {
  const int64_t now = 20 - host::system_call(SYS_getpriority, PRIO_PROCESS, 0);
  const int64_t wanted = std::clamp<int64_t>(static_cast<int32_t>(a[0]), -40, 40) + now;
  const int64_t result = host::system_call(SYS_setpriority, PRIO_PROCESS, 0,
                                           static_cast<uint64_t>(std::clamp<int64_t>(wanted, -20, 19)));
  return result == -EACCES ? -EPERM : result;
}

// Calls go on by themselves here: nobody but a program would make this one.
int64_t sys_restart_syscall(Thread &, Arguments) {
  return -EINTR;
}

// Limits that would hit pyqemu's own memory are kept for the guest to see, and not set.
rlimit64 g_kept[2] = {{RLIM_INFINITY, RLIM_INFINITY}, {RLIM_INFINITY, RLIM_INFINITY}};

int64_t limit(uint64_t pid, uint64_t which, uint64_t wanted, uint64_t old) {
  bool own = static_cast<int>(pid) == 0 || static_cast<int>(pid) == getpid();
  int resource = static_cast<int>(which);
  if (!own || (resource != RLIMIT_AS && resource != RLIMIT_DATA))
    return host::system_call(SYS_prlimit64, pid, which, wanted, old);
  rlimit64 &kept = g_kept[resource == RLIMIT_DATA];
  rlimit64 now = kept, next;
  if (wanted) {
    if (!get_guest(&next, wanted)) return -EFAULT;
    if (next.rlim_cur > next.rlim_max) return -EINVAL;
    if (next.rlim_max > now.rlim_max && geteuid() != 0) return -EPERM;
    kept = next;
  }
  return old && !put_guest(old, now) ? -EFAULT : 0;
}

int64_t sys_prlimit64(Thread &, Arguments a) {
  return limit(a[0], a[1], a[2], a[3]);
}
int64_t sys_getrlimit(Thread &, Arguments a) {
  return limit(0, a[0], 0, a[1]);
}
int64_t sys_setrlimit(Thread &, Arguments a) {
  return a[1] ? limit(0, a[0], a[1], 0) : -EFAULT;
}

int64_t sys_prctl(Thread &thread, Arguments a) {
  switch (static_cast<int>(a[0])) {
    case PR_CAPBSET_DROP:
    case PR_SET_SECUREBITS:
    case PR_SET_NO_NEW_PRIVS:
    case PR_CAP_AMBIENT:
      thread.guest->requests.pause();
      return host::system_call(SYS_prctl, a);
    case PR_SET_PDEATHSIG:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_SET_KEEPCAPS:
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_CAPBSET_READ:
    case PR_GET_SECUREBITS:
    case PR_SET_TIMERSLACK:
    case PR_GET_TIMERSLACK:
    case PR_SET_CHILD_SUBREAPER:
    case PR_GET_CHILD_SUBREAPER:
    case PR_GET_NO_NEW_PRIVS:
    case PR_SET_PTRACER:
    case PR_SET_THP_DISABLE:
    case PR_GET_THP_DISABLE:
    case PR_MCE_KILL:
    case PR_MCE_KILL_GET:
    case PR_GET_TIMING:
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
    case PR_SET_IO_FLUSHER:
    case PR_GET_IO_FLUSHER:
    case PR_SET_VMA:
      return host::system_call(SYS_prctl, a);
    default:
      return -EINVAL;  // about the machine, or about pyqemu's own process
  }
}

int64_t sys_execve(Thread &thread, Arguments a) {
  return guest_exec(thread, static_cast<uint64_t>(AT_FDCWD), a[0], a[1], a[2], 0);
}

int64_t sys_execveat(Thread &thread, Arguments a) {
  return guest_exec(thread, a[0], a[1], a[2], a[3], a[4]);
}

int64_t sys_ptrace(Thread &, Arguments) {
  return -ENOSYS;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("exit_group", sys_exit_group),
    own("uname", sys_uname),
    own("nice", sys_nice),
    own("restart_syscall", sys_restart_syscall),
    own("prlimit64", sys_prlimit64),
    own("getrlimit", sys_getrlimit),
    own("setrlimit", sys_setrlimit),
    own("prctl", sys_prctl),
    own("execve", sys_execve),
    own("execveat", sys_execveat),
    own("ptrace", sys_ptrace),
    waits("wait4", SYS_wait4),
    waits("waitid", SYS_waitid),
    pass("getpid", SYS_getpid),
    pass("getppid", SYS_getppid),
    pass("getuid", SYS_getuid),
    pass("geteuid", SYS_geteuid),
    pass("getgid", SYS_getgid),
    pass("getegid", SYS_getegid),
    changes("setuid", SYS_setuid),
    changes("setgid", SYS_setgid),
    changes("setreuid", SYS_setreuid),
    changes("setregid", SYS_setregid),
    pass("getresuid", SYS_getresuid),
    pass("getresgid", SYS_getresgid),
    changes("setresuid", SYS_setresuid),
    changes("setresgid", SYS_setresgid),
    changes("setfsuid", SYS_setfsuid),
    changes("setfsgid", SYS_setfsgid),
    pass("getgroups", SYS_getgroups),
    changes("setgroups", SYS_setgroups),
    pass("getpgid", SYS_getpgid),
    pass("setpgid", SYS_setpgid),
    pass("getpgrp", SYS_getpgrp),
    pass("getsid", SYS_getsid),
    pass("setsid", SYS_setsid),
    pass("capget", SYS_capget),
    changes("capset", SYS_capset),
    pass("getrusage", SYS_getrusage),
    pass("sysinfo", SYS_sysinfo),
    pass("sethostname", SYS_sethostname),
    pass("setdomainname", SYS_setdomainname),
    pass("getpriority", SYS_getpriority),
    pass("setpriority", SYS_setpriority),
    pass("ioprio_get", SYS_ioprio_get),
    pass("ioprio_set", SYS_ioprio_set),
    pass("personality", SYS_personality),
    waits("getrandom", SYS_getrandom),
    pass("syslog", SYS_syslog),
    changes("unshare", SYS_unshare),
    changes("setns", SYS_setns),
    pass("vhangup", SYS_vhangup),
    pass("kcmp", SYS_kcmp),
    pass("reboot", SYS_reboot),
    pass("add_key", SYS_add_key),
    pass("request_key", SYS_request_key),
    pass("keyctl", SYS_keyctl),
}));

}  // namespace

std::span<const Syscall> process_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
