// fork, vfork and clone, threads' own system calls, scheduling, futexes.
//
// A guest thread is a host thread, a guest fork a host fork. A vfork child (CLONE_VM | CLONE_VFORK) is a host
// process in this address space, on a host stack of its own, with its own CPU state and signal actions; the
// parent waits in clone.
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "../dispatch.hpp"
#include "../exec.hpp"
#include "../guest_memory.hpp"
#include "../personality.hpp"
#include "../robust_list.hpp"
#include "../sanitizer.hpp"
#include "../signals.hpp"

namespace pyqemu::user {
namespace {

constexpr size_t kHostStack = 512u << 10;
constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;

struct CloneRequest {
  uint64_t flags, stack, parent_tid, child_tid, tls;
};

// Blocks all signals at the host, or says that one has been taken and the call has to be made again.
int64_t block_signals(Thread &thread) {
  uint64_t all = host_mask(~uint64_t{0});
  uint64_t arguments[6] = {SIG_SETMASK, reinterpret_cast<uint64_t>(&all), 0, sizeof all, 0, 0};
  return host::interruptible(&thread.pending, SYS_rt_sigprocmask, arguments);
}

int own_tid() {
  return static_cast<int>(host::system_call(SYS_gettid));
}

// The child's view: clone gave 0, on its own stack.
void set_child_registers(const Guest &guest, CpuHeader *cpu, const CloneRequest &request) {
  const Abi &abi = guest.abi;
  set_reg(cpu, abi.result, 0);
  go_on_behind_call(guest, cpu);
  if (request.stack) set_reg(cpu, abi.sp, request.stack);
  if (request.flags & CLONE_SETTLS) set_reg(cpu, abi.tls, request.tls);
}

void start_child(Thread &child, const CloneRequest &request) {
  child.tid = own_tid();
  if (request.flags & CLONE_CHILD_SETTID) put_guest(request.child_tid, child.tid);
  child.clear_child_tid = request.flags & CLONE_CHILD_CLEARTID ? request.child_tid : 0;
}

// --- threads ---

struct ThreadStart {
  Thread *thread;
  CloneRequest request;
  std::atomic<int> tid;
};

void *thread_main(void *opaque) {
  auto *start = static_cast<ThreadStart *>(opaque);
  Thread *thread = start->thread;
  current_thread = thread;
  start_child(*thread, start->request);
  if (start->request.flags & CLONE_PARENT_SETTID) put_guest(start->request.parent_tid, thread->tid);
  start->tid.store(thread->tid, std::memory_order_release);
  start->tid.notify_one();  // `start` is gone from here on
  set_host_mask(host_mask(thread->mask));
  run_thread(*thread);
  set_host_mask(~uint64_t{0});
  current_thread = nullptr;
  Guest &guest = *thread->guest;
  guest.engine->free_cpu(thread->cpu);
  leave_guest_memory(*thread);
  delete thread;
  if (guest.threads.fetch_sub(1) == 1) guest.requests.finish();
  return nullptr;
}

int64_t clone_thread(Thread &thread, const CloneRequest &request) {
  if (int64_t result = block_signals(thread); result < 0) return result;
  Guest &guest = *thread.guest;
  auto child = std::make_unique<Thread>();
  child->guest = &guest;
  child->process = thread.process;
  child->mask = thread.mask;
  child->cpu = guest.engine->clone_cpu(thread.cpu);
  set_child_registers(guest, child->cpu, request);
  ThreadStart start{child.get(), request, 0};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kHostStack);
  guest.threads.fetch_add(1);
  pthread_t host_thread;
  int error = pthread_create(&host_thread, &attributes, thread_main, &start);
  pthread_attr_destroy(&attributes);
  int64_t result = -error;
  if (error) {
    guest.threads.fetch_sub(1);
    guest.engine->free_cpu(child->cpu);
  } else {
    child.release();
    start.tid.wait(0, std::memory_order_acquire);
    result = start.tid.load(std::memory_order_acquire);
  }
  set_host_mask(host_mask(thread.mask));
  return result;
}

// --- vfork ---

struct VforkStart {
  Thread *child;
  CloneRequest request;
  OtherStack *stack = nullptr;
};

int vfork_main(void *opaque) {
  auto *start = static_cast<VforkStart *>(opaque);
  Thread &child = *start->child;
  start->stack->arrived();
  current_thread = &child;
  start_child(child, start->request);
  set_host_mask(host_mask(child.mask));
  run_thread(child);
  for (;;) host::system_call(SYS_exit, uint64_t{0});
}

int64_t clone_vfork(Thread &thread, const CloneRequest &request) {
  void *stack =
      mmap(nullptr, kHostStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) return -ENOMEM;
  if (int64_t result = block_signals(thread); result < 0) return munmap(stack, kHostStack), result;
  Guest &guest = *thread.guest;
  auto process = std::make_unique<Process>();
  for (int i = 0; i <= kSignals; i++) {
    process->actions[i] = thread.process->actions[i];
    process->known[i] = thread.process->known[i];
  }
  process->self_fd = thread.process->self_fd;
  auto child = std::make_unique<Thread>();
  child->guest = &guest;
  child->process = process.get();
  child->mask = thread.mask;
  child->alt_stack = thread.alt_stack;
  child->alt_size = thread.alt_size;
  child->alt_flags = thread.alt_flags;
  child->vfork_child = true;
  child->cpu = guest.engine->clone_cpu(thread.cpu);
  set_child_registers(guest, child->cpu, request);
  VforkStart start{child.get(), request, nullptr};
  guest.engine->enter_blocking(thread.cpu);
  OtherStack other_stack(stack, kHostStack);
  start.stack = &other_stack;
  constexpr uint64_t kOurs = CLONE_SETTLS | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_CLEAR_SIGHAND;
  int64_t result = clone(vfork_main, static_cast<char *>(stack) + kHostStack,
                         static_cast<int>(request.flags & ~kOurs), &start, host_pointer(request.parent_tid));
  if (result < 0) result = -errno;
  other_stack.leave();
  current_thread = &thread;
  guest.engine->leave_blocking(thread.cpu);
  guest.engine->free_cpu(child->cpu);
  drop_exec_scratch(*child);
  munmap(stack, kHostStack);
  set_host_mask(host_mask(thread.mask));
  return result;
}

// --- fork ---

int64_t clone_process(Thread &thread, const CloneRequest &request) {
  constexpr uint64_t kOurs = CLONE_SETTLS | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  if (int64_t result = block_signals(thread); result < 0) return result;
  Guest &guest = *thread.guest;
  guest.requests.lock();
  guest.modules.lock();
  guest.engine->before_fork();
  guest.space.lock();
  uint64_t flags = request.flags & ~kOurs;
  int64_t result;
  if ((flags & ~uint64_t{CLONE_PARENT_SETTID}) == SIGCHLD) {
    result = fork();
    if (result < 0) result = -errno;
    if (result > 0 && (flags & CLONE_PARENT_SETTID)) put_guest(request.parent_tid, static_cast<int>(result));
  } else {
    result = host::system_call(SYS_clone, flags, 0, request.parent_tid);
  }
  guest.space.unlock();
  guest.engine->after_fork(result == 0);
  guest.modules.unlock();
  guest.requests.unlock(result == 0);
  if (result == 0) {
    guest.threads = 1;
    set_child_registers(guest, thread.cpu, request);
    start_child(thread, request);
    thread.held = 0;
    thread.robust_list = 0;
    thread.jumped = true;  // the registers are set
  }
  set_host_mask(host_mask(thread.mask));
  return result;
}

int64_t do_clone(Thread &thread, const CloneRequest &request) {
  uint64_t flags = request.flags;
  if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) return -EINVAL;
  if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) return -EINVAL;
  if ((flags & kThreadFlags) == kThreadFlags) return clone_thread(thread, request);
  if ((flags & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK)) return clone_vfork(thread, request);
  if (flags & CLONE_VM) return -EINVAL;  // a process that shares memory and runs beside us
  return clone_process(thread, request);
}

int64_t sys_clone(Thread &thread, Arguments a) {
  bool tls_first = thread.guest->abi.clone_tls_before_child_tid;
  return do_clone(thread, {a[0] & 0xffffffff, a[1], a[2], tls_first ? a[4] : a[3], tls_first ? a[3] : a[4]});
}

int64_t sys_clone3(Thread &thread, Arguments a) {
  clone_args args = {};
  if (a[1] < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  if (a[1] > sizeof args) return -E2BIG;
  if (!read_guest(&args, a[0], a[1])) return -EFAULT;
  if (args.set_tid_size || (args.flags & (CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND))) return -ENOSYS;
  if ((args.flags & CSIGNAL) || args.exit_signal > kSignals) return -EINVAL;
  CloneRequest request{args.flags | args.exit_signal, args.stack ? args.stack + args.stack_size : 0,
                       args.parent_tid, args.child_tid, args.tls};
  if (args.flags & CLONE_PIDFD) {
    if (args.flags & CLONE_PARENT_SETTID) return -ENOSYS;  // clone has one pointer for both
    request.parent_tid = args.pidfd;
  }
  return do_clone(thread, request);
}

int64_t sys_fork(Thread &thread, Arguments) {
  return do_clone(thread, {SIGCHLD, 0, 0, 0, 0});
}

int64_t sys_vfork(Thread &thread, Arguments) {
  return do_clone(thread, {CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0});
}

int64_t sys_exit(Thread &thread, Arguments a) {
  if (int64_t result = block_signals(thread); result < 0) return result;
  if (thread.vfork_child || thread.tid == getpid()) {  // the host's exit: others go on
    if (!thread.vfork_child) leave_guest_memory(thread);
    if (!thread.vfork_child && thread.guest->threads.fetch_sub(1) == 1) thread.guest->requests.finish();
    for (;;) host::system_call(SYS_exit, a[0]);
  }
  thread.exiting = true;
  thread.jumped = true;
  return 0;
}

int64_t sys_set_tid_address(Thread &thread, Arguments a) {
  thread.clear_child_tid = a[0];
  return own_tid();
}

// Where the thread pointer is a register that programs cannot write.
int64_t sys_set_tls(Thread &thread, Arguments a) {
  set_reg(thread.cpu, thread.guest->abi.tls, a[0]);
  return 0;
}

int64_t sys_get_tls(Thread &thread, Arguments) {
  return static_cast<int64_t>(get_reg(thread.cpu, thread.guest->abi.tls));
}

// Where programs have no instruction for it: *a[2] becomes a[1] if it is a[0]; gives 0, or 1 if it is not.
int64_t sys_cmpxchg(Thread &thread, Arguments a) {
  auto expected = static_cast<uint32_t>(a[0]);
  const int protection = thread.guest->space.protection(a[2]);
  if (a[2] % sizeof expected || protection < 0 || !(protection & PROT_WRITE)) {
    raise_fault(thread, SIGSEGV, protection < 0 ? SEGV_MAPERR : SEGV_ACCERR, a[2]);
    return -EFAULT;
  }
  std::atomic_ref<uint32_t> word(*static_cast<uint32_t *>(host_pointer(a[2])));
  return !word.compare_exchange_strong(expected, static_cast<uint32_t>(a[1]));
}

// Quietly, as a kernel without them: the C library goes on without.
int64_t sys_rseq(Thread &, Arguments) {
  return -ENOSYS;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("clone", sys_clone),
    own("clone3", sys_clone3),
    own("fork", sys_fork),
    own("vfork", sys_vfork),
    own("exit", sys_exit),
    own("set_tid_address", sys_set_tid_address),
    own("cmpxchg", sys_cmpxchg),
    own("set_tls", sys_set_tls),
    own("get_tls", sys_get_tls),
    own("rseq", sys_rseq),
    pass("gettid", SYS_gettid),
    waits("futex", SYS_futex),
    waits("futex_waitv", 449),
    pass("set_robust_list", SYS_set_robust_list),
    pass("get_robust_list", SYS_get_robust_list),
    waits("sched_yield", SYS_sched_yield),
    pass("sched_setparam", SYS_sched_setparam),
    pass("sched_getparam", SYS_sched_getparam),
    pass("sched_setscheduler", SYS_sched_setscheduler),
    pass("sched_getscheduler", SYS_sched_getscheduler),
    pass("sched_setaffinity", SYS_sched_setaffinity),
    pass("sched_getaffinity", SYS_sched_getaffinity),
    pass("sched_setattr", SYS_sched_setattr),
    pass("sched_getattr", SYS_sched_getattr),
    pass("sched_get_priority_max", SYS_sched_get_priority_max),
    pass("sched_get_priority_min", SYS_sched_get_priority_min),
    pass("sched_rr_get_interval", SYS_sched_rr_get_interval),
    pass("getcpu", SYS_getcpu),
    pass("membarrier", SYS_membarrier),
}));

}  // namespace

std::span<const Syscall> thread_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
