// Clocks and timers. Reading a clock goes through the host's vdso.
#include <sys/syscall.h>
#include <time.h>

#include <cerrno>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"

namespace pyqemu::user {
namespace {

int64_t sys_clock_gettime(Thread &, Arguments a) {
  timespec now;
  if (clock_gettime(static_cast<clockid_t>(a[0]), &now) < 0) return -errno;
  return put_guest(a[1], now) ? 0 : -EFAULT;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("clock_gettime", sys_clock_gettime),
    pass("clock_getres", SYS_clock_getres),
    pass("clock_settime", SYS_clock_settime),
    waits("clock_nanosleep", SYS_clock_nanosleep),
    waits("nanosleep", SYS_nanosleep),
    pass("gettimeofday", SYS_gettimeofday),
    pass("settimeofday", SYS_settimeofday),
    pass("time", SYS_time),
    pass("times", SYS_times),
    pass("adjtimex", SYS_adjtimex),
    pass("clock_adjtime", SYS_clock_adjtime),
    pass("alarm", SYS_alarm),
    pass("getitimer", SYS_getitimer),
    pass("setitimer", SYS_setitimer),
    pass("timer_create", SYS_timer_create),
    pass("timer_settime", SYS_timer_settime),
    pass("timer_gettime", SYS_timer_gettime),
    pass("timer_getoverrun", SYS_timer_getoverrun),
    pass("timer_delete", SYS_timer_delete),
    pass("timerfd_create", SYS_timerfd_create),
    pass("timerfd_settime", SYS_timerfd_settime),
    pass("timerfd_gettime", SYS_timerfd_gettime),
}));

}  // namespace

std::span<const Syscall> time_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
