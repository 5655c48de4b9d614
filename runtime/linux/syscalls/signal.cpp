// Signals' system calls. What happens to signals is in signals.cpp.
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"
#include "../signals.hpp"

namespace pyqemu::user {
namespace {

enum ActionField { kHandler, kFlags, kRestorer, kMask };
constexpr const char *kActionFields[] = {"sa_handler", "sa_flags", "sa_restorer", "sa_mask"};
StructLayout g_action("sigaction", kActionFields, std::size(kActionFields));

int64_t sys_rt_sigaction(Thread &thread, Arguments a) {
  g_action.load(thread.guest->abi);
  if (a[3] != sizeof(uint64_t)) return -EINVAL;
  GuestAction action, old;
  char record[64] = {};
  size_t size = g_action.same() ? sizeof action : g_action.size();
  if (a[1]) {
    if (!read_guest(record, a[1], size)) return -EFAULT;
    if (g_action.same())
      memcpy(&action, record, sizeof action);
    else
      action = {g_action.get(record, kHandler), g_action.get(record, kFlags), g_action.get(record, kRestorer),
                g_action.get(record, kMask)};
  }
  int64_t result =
      set_action(thread, static_cast<int>(a[0]), a[1] ? &action : nullptr, a[2] ? &old : nullptr);
  if (result < 0 || !a[2]) return result;
  if (g_action.same()) {
    memcpy(record, &old, sizeof old);
  } else {
    g_action.put(record, kHandler, old.handler);
    g_action.put(record, kFlags, old.flags);
    g_action.put(record, kRestorer, old.restorer);
    g_action.put(record, kMask, old.mask);
  }
  return write_guest(a[2], record, size) ? 0 : -EFAULT;
}

int64_t sys_rt_sigprocmask(Thread &thread, Arguments a) {
  if (a[3] != sizeof(uint64_t)) return -EINVAL;
  uint64_t old = thread.mask;
  if (a[1]) {
    uint64_t mask;
    if (!get_guest(&mask, a[1])) return -EFAULT;
    switch (static_cast<int>(a[0])) {
      case SIG_BLOCK:
        mask = old | mask;
        break;
      case SIG_UNBLOCK:
        mask = old & ~mask;
        break;
      case SIG_SETMASK:
        break;
      default:
        return -EINVAL;
    }
    if (int64_t result = set_mask(thread, mask); result < 0) return result;
  }
  return a[2] && !put_guest(a[2], old) ? -EFAULT : 0;
}

int64_t sys_rt_sigpending(Thread &thread, Arguments a) {
  uint64_t set = 0;
  if (a[1] > sizeof set) return -EINVAL;
  int64_t result = host::system_call(SYS_rt_sigpending, reinterpret_cast<uint64_t>(&set), sizeof set);
  if (result < 0) return result;
  set |= thread.held;
  return write_guest(a[0], &set, a[1]) ? 0 : -EFAULT;
}

int64_t sys_rt_sigsuspend(Thread &thread, Arguments a) {
  uint64_t mask;
  if (a[1] != sizeof mask) return -EINVAL;
  if (!get_guest(&mask, a[0])) return -EFAULT;
  thread.wait_mask = mask & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
  thread.has_wait_mask = true;
  if (thread.held & ~mask) thread.pending = 1;
  uint64_t host = host_mask(mask);
  return blocking_call(thread, SYS_rt_sigsuspend, reinterpret_cast<uint64_t>(&host), sizeof host);
}

int64_t sys_pause(Thread &thread, Arguments) {
  return blocking_call(thread, SYS_pause);
}

int64_t sys_rt_sigtimedwait(Thread &thread, Arguments a) {
  uint64_t set;
  if (a[3] != sizeof set) return -EINVAL;
  if (!get_guest(&set, a[0])) return -EFAULT;
  if (uint64_t held = thread.held & set) {
    int signal = held & signal_bit(SIGSEGV) ? SIGSEGV : SIGBUS;
    thread.held &= ~signal_bit(signal);
    if (a[1] && !put_guest(a[1], thread.held_info[signal == SIGBUS])) return -EFAULT;
    return signal;
  }
  return blocking_call(thread, SYS_rt_sigtimedwait, a);
}

int64_t return_from_handler(Thread &thread, bool plain) {
  thread.jumped = true;
  uint64_t mask = thread.mask;
  if (!leave_handler(thread, &mask, plain)) {
    raise_fault(thread, SIGSEGV, SI_KERNEL, 0);
    return 0;
  }
  // If a signal has been taken meanwhile, its delivery sets the host's mask.
  if (set_mask(thread, mask) < 0) thread.mask = mask & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
  return 0;
}

int64_t sys_rt_sigreturn(Thread &thread, Arguments) {
  return return_from_handler(thread, false);
}

int64_t sys_sigreturn(Thread &thread, Arguments) {
  return return_from_handler(thread, true);
}

int64_t sys_sigaltstack(Thread &thread, Arguments a) {
  struct Stack {
    uint64_t sp;
    int32_t flags;
    uint32_t pad;
    uint64_t size;
  } stack = {}, old = {thread.alt_stack, thread.alt_flags, 0, thread.alt_size};
  bool active = on_alt_stack(thread, get_reg(thread.cpu, thread.guest->abi.sp));
  old.flags = thread.alt_size ? (thread.alt_flags & ~3) | (active ? SS_ONSTACK : 0) : SS_DISABLE;
  if (a[0]) {
    if (!get_guest(&stack, a[0])) return -EFAULT;
    if (active) return -EPERM;
    if (int64_t result = set_alt_stack(thread, stack.sp, stack.size, stack.flags); result < 0) return result;
  }
  return a[1] && !put_guest(a[1], old) ? -EFAULT : 0;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("rt_sigaction", sys_rt_sigaction),
    own("rt_sigprocmask", sys_rt_sigprocmask),
    own("rt_sigpending", sys_rt_sigpending),
    own("rt_sigsuspend", sys_rt_sigsuspend),
    own("pause", sys_pause),
    own("rt_sigtimedwait", sys_rt_sigtimedwait),
    own("rt_sigreturn", sys_rt_sigreturn),
    own("sigreturn", sys_sigreturn),
    own("sigaltstack", sys_sigaltstack),
    pass("kill", SYS_kill),
    pass("tkill", SYS_tkill),
    pass("tgkill", SYS_tgkill),
    pass("rt_sigqueueinfo", SYS_rt_sigqueueinfo),
    pass("rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo),
}));

}  // namespace

std::span<const Syscall> signal_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
