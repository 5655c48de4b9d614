// Takes signals from the host and decides what becomes of them.
//
// The host's handler takes at most one asynchronous signal: it leaves all signals blocked until the guest has
// been given it, so the queue stays in the kernel with its order and its rules. SIGSEGV and SIGBUS are never
// blocked at the host, since they tell of guest faults; sent ones wait in Thread::held while the guest blocks
// them.
#include "signals.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "dispatch.hpp"
#include "hosts/host.hpp"
#include "log.hpp"
#include "wild_access.hpp"

namespace pyqemu::user {

thread_local Thread *current_thread = nullptr;

namespace {

constexpr uint64_t kHostRestart = SA_RESTART, kHostSigInfo = SA_SIGINFO;
constexpr int kCoreSignals[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGXCPU, SIGXFSZ, SIGSYS};

bool never_blocked(int signal) {
  return signal == SIGSEGV || signal == SIGBUS;
}

bool dumps_core(int signal) {
  for (int core : kCoreSignals)
    if (core == signal) return true;
  return never_blocked(signal);
}

host::Handler as_handler(uint64_t value) {
  return reinterpret_cast<host::Handler>(value);
}

bool is_fault(int signal, const siginfo_t *info) {
  if (info->si_code <= 0) return false;  // sent by somebody
  return never_blocked(signal) || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
}

// A guest fault at an address with a tag: the host cannot reach it. The block is made again with code that
// drops tags.
bool drop_tags(Thread &thread, const siginfo_t *info) {
  int context = thread.guest->tag_context;
  if (context < 0 || info->si_signo != SIGSEGV || info->si_code != SI_KERNEL || thread.cpu->context[context])
    return false;
  thread.cpu->context[context] = 1;
  return true;
}

uint64_t syndrome_of(const Guest &guest, const siginfo_t *info, const ucontext_t *context) {
  if (info->si_signo != SIGSEGV && info->si_signo != SIGBUS) return 0;
  uint64_t syndrome = guest.syndrome_base |
                      (info->si_code == SEGV_ACCERR ? guest.syndrome_protected : guest.syndrome_unmapped);
  return host::fault_was_write(context) ? syndrome | guest.syndrome_write : syndrome;
}

void on_fault(Thread *thread, int signal, siginfo_t *info, ucontext_t *context) {
  if (host::guarded_fault(context)) return;
  if (thread && thread->guest->engine->recover_fetch(context)) return;
  uintptr_t host_pc = host::program_counter(context);
  uint64_t guest_pc;
  if (!thread || !thread->cpu || !thread->guest->engine->guest_pc_of(thread->cpu, host_pc, &guest_pc))
    internal_fault(signal == SIGSEGV  ? "SIGSEGV"
                   : signal == SIGBUS ? "SIGBUS"
                                      : "fault",
                   host_pc, reinterpret_cast<uintptr_t>(info->si_addr));
  tell_wild_access(info, context);
  if (!drop_tags(*thread, info)) {
    thread->fault.signal = info->si_signo;
    thread->fault.info = *info;
    if (info->si_code == SI_KERNEL) thread->fault.info.si_code = SEGV_MAPERR;
    thread->fault.syndrome = syndrome_of(*thread->guest, info, context);
    thread->pending = 1;
  }
  thread->guest->engine->leave_from_handler(thread->cpu, context, guest_pc);
}

void on_signal(int signal, siginfo_t *info, void *opaque) {
  auto *context = static_cast<ucontext_t *>(opaque);
  Thread *thread = current_thread;
  if (is_fault(signal, info)) return on_fault(thread, signal, info, context);
  if (!thread) return;
  if (never_blocked(signal)) {
    thread->held |= signal_bit(signal);
    thread->held_info[signal == SIGBUS] = *info;
    if (thread->mask & signal_bit(signal)) return;
  } else {
    thread->taken = signal;
    thread->taken_info = *info;
    sigfillset(&context->uc_sigmask);
    sigdelset(&context->uc_sigmask, SIGSEGV);
    sigdelset(&context->uc_sigmask, SIGBUS);
  }
  thread->pending = 1;
  if (thread->cpu) thread->guest->engine->interrupt(thread->cpu);
  host::interrupted_call(context);
}

// What the host has to do with a signal for the guest's action to happen.
void set_host_action(int signal, const GuestAction &action) {
  if (never_blocked(signal)) return;
  uint64_t handler = action.handler, flags = action.flags & (kSaNoChildStop | kSaNoChildWait);
  bool ours = handler > 1 || (handler == 0 && dumps_core(signal));
  host::set_handler(signal, ours ? on_signal : as_handler(handler),
                    ours ? flags | kHostRestart | kHostSigInfo : flags, nullptr);
}

void learn_action(Process &process, int signal) {
  if (process.known[signal]) return;
  process.known[signal] = true;
  host::Handler handler = nullptr;
  host::get_handler(signal, &handler);
  if (handler == as_handler(1)) process.actions[signal].handler = 1;
}

enum class Default { kIgnore, kStop, kTerminate };

Default default_of(int signal) {
  switch (signal) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case SIGCONT:
      return Default::kIgnore;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return Default::kStop;
    default:
      return Default::kTerminate;
  }
}

void take_default(int signal) {
  switch (default_of(signal)) {
    case Default::kIgnore:
      return;
    case Default::kStop:
      host::system_call(SYS_kill, static_cast<uint64_t>(getpid()), SIGSTOP);
      return;
    case Default::kTerminate:
      die_of(signal);
  }
}

// The interrupted system call's fate, now that a handler runs.
void settle_call(Thread &thread, bool restarts) {
  if (thread.restart == host::kRestartSys && !restarts) {
    set_reg(thread.cpu, thread.guest->abi.result, static_cast<uint64_t>(-EINTR));
    go_on_behind_call(*thread.guest, thread.cpu);
  }
  thread.restart = 0;
}

void deliver(Thread &thread, int signal, const siginfo_t &info, bool is_sync, uint64_t syndrome) {
  Process &process = *thread.process;
  GuestAction action;
  {
    std::lock_guard guard(process.lock);
    learn_action(process, signal);
    action = process.actions[signal];
    if (action.handler > 1 && (action.flags & kSaResetHand)) {
      process.actions[signal].handler = 0;
      set_host_action(signal, process.actions[signal]);
    }
  }
  if (thread.guest->options->log & kLogStrace) strace_signal(thread, signal, info);
  if (is_sync && (action.handler == 1 || (thread.mask & signal_bit(signal)))) die_of(signal);
  if (action.handler == 1) return;
  if (action.handler == 0) return take_default(signal);
  if (!is_sync) finish_return(thread, signal);
  settle_call(thread, action.flags & kSaRestart);
  uint64_t blocked = thread.has_wait_mask ? thread.wait_mask : thread.mask;
  Delivery delivery{signal, &info, &action, thread.mask, syndrome};
  thread.has_wait_mask = false;
  if (!enter_handler(thread, delivery)) {
    if (signal == SIGSEGV) die_of(signal);
    return raise_fault(thread, SIGSEGV, SI_KERNEL, 0);
  }
  thread.mask = blocked | action.mask | (action.flags & kSaNoDefer ? 0 : signal_bit(signal));
  thread.mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
}

void take_host_signal(Thread &thread) {
  int signal = thread.taken;
  siginfo_t info = thread.taken_info;
  thread.taken = 0;
  deliver(thread, signal, info, false, 0);
  thread.has_wait_mask = false;
  set_host_mask(host_mask(thread.mask));
}

}  // namespace

uint64_t host_mask(uint64_t guest_mask) {
  return guest_mask & ~(signal_bit(SIGSEGV) | signal_bit(SIGBUS));
}

void set_host_mask(uint64_t mask) {
  host::system_call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<uint64_t>(&mask), 0, sizeof mask);
}

int64_t set_mask(Thread &thread, uint64_t mask) {
  mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
  if (mask == thread.mask) return 0;
  if (host_mask(mask) != host_mask(thread.mask)) {
    uint64_t wanted = host_mask(mask);
    uint64_t arguments[6] = {SIG_SETMASK, reinterpret_cast<uint64_t>(&wanted), 0, sizeof wanted, 0, 0};
    int64_t result = host::interruptible(&thread.pending, SYS_rt_sigprocmask, arguments);
    if (result < 0) return result;
  }
  thread.mask = mask;
  if (thread.held & ~mask) thread.pending = 1;
  return 0;
}

void raise_fault(Thread &thread, int signal, int code, uint64_t address) {
  thread.fault.signal = signal;
  thread.fault.info = {};
  thread.fault.info.si_signo = signal;
  thread.fault.info.si_code = code;
  thread.fault.info.si_addr = reinterpret_cast<void *>(address);
  thread.fault.syndrome = 0;
  thread.pending = 1;
}

void process_signals(Thread &thread) {
  for (;;) {
    thread.pending = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    uint64_t open = thread.held & ~(thread.has_wait_mask ? thread.wait_mask : thread.mask);
    if (int signal = thread.fault.signal) {
      SyncFault fault = thread.fault;
      thread.fault.signal = 0;
      deliver(thread, signal, fault.info, true, fault.syndrome);
      if (!thread.taken) set_host_mask(host_mask(thread.mask));
    } else if (open) {
      int signal = open & signal_bit(SIGSEGV) ? SIGSEGV : SIGBUS;
      thread.held &= ~signal_bit(signal);
      deliver(thread, signal, thread.held_info[signal == SIGBUS], false, 0);
      if (!thread.taken) set_host_mask(host_mask(thread.mask));
    } else if (thread.taken) {
      take_host_signal(thread);
    } else {
      return;
    }
  }
}

int64_t set_action(Thread &thread, int signal, const GuestAction *action, GuestAction *old) {
  if (signal < 1 || signal > kSignals) return -EINVAL;
  if (action && (signal == SIGKILL || signal == SIGSTOP)) return -EINVAL;
  Process &process = *thread.process;
  std::lock_guard guard(process.lock);
  learn_action(process, signal);
  if (old) *old = process.actions[signal];
  if (!action) return 0;
  process.actions[signal] = *action;
  set_host_action(signal, *action);
  return 0;
}

void install_handlers(Process &process) {
  for (int signal : {SIGSEGV, SIGBUS}) {
    host::Handler old = nullptr;
    host::set_handler(signal, on_signal, kHostRestart | kHostSigInfo, &old);
    process.known[signal] = true;
    if (old == as_handler(1)) process.actions[signal].handler = 1;
  }
  for (int signal : kCoreSignals) {
    host::Handler old = nullptr;
    host::set_handler(signal, on_signal, kHostRestart | kHostSigInfo, &old);
    process.known[signal] = true;
    if (old != as_handler(1)) continue;
    process.actions[signal].handler = 1;
    host::set_handler(signal, as_handler(1), 0, nullptr);
  }
}

void die_of(int signal) {
  rlimit none = {0, 0};
  host::system_call(SYS_prlimit64, 0, RLIMIT_CORE, reinterpret_cast<uint64_t>(&none), 0);
  host::set_handler(signal, nullptr, 0, nullptr);
  set_host_mask(~signal_bit(signal));
  host::system_call(SYS_tgkill, static_cast<uint64_t>(getpid()),
                    static_cast<uint64_t>(host::system_call(SYS_gettid)), static_cast<uint64_t>(signal));
  exit_now(128 + signal);
}

}  // namespace pyqemu::user
