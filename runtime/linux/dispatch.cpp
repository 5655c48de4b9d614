// From a system call's number to its function.
#include "dispatch.hpp"

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "hosts/host.hpp"
#include "log.hpp"
#include "narrow/narrow.hpp"
#include "paths.hpp"

namespace pyqemu::user {
namespace {

// What a number stands for; `narrow` only for guests whose arguments have to be converted.
struct Resolved {
  const Syscall *call;
  const NarrowCall *narrow;
};

constexpr size_t kCached = 1024;
std::atomic<const Syscall *> g_calls[kCached];      // by number, as they are first used
std::atomic<const NarrowCall *> g_narrow[kCached];  // set before the call is

int64_t not_there(Thread &thread, Arguments) {
  if (thread.guest->options->log & kLogUnimplemented) {
    uint64_t number = get_reg(thread.cpu, thread.guest->abi.number);
    char key[40];
    snprintf(key, sizeof key, "syscall.%lu", static_cast<unsigned long>(number));
    log_line("unimplemented system call %lu (%s) at pc %#lx", static_cast<unsigned long>(number),
             thread.guest->abi.text(key, "unknown"), static_cast<unsigned long>(thread.cpu->pc));
  }
  return -ENOSYS;
}

constexpr Syscall kNotThere = own("", not_there);

const Syscall *by_name(std::string_view name) {
  const std::span<const Syscall> topics[] = {
      fd_calls(),     file_calls(), poll_calls(), memory_calls(), process_calls(), thread_calls(),
      signal_calls(), time_calls(), net_calls(),  ipc_calls(),    hwprobe_calls(), short_id_calls()};
  for (std::span<const Syscall> topic : topics) {
    auto it =
        std::lower_bound(topic.begin(), topic.end(), name,
                         [](const Syscall &call, std::string_view wanted) { return call.name < wanted; });
    if (it != topic.end() && it->name == name) return &*it;
  }
  return &kNotThere;
}

std::string_view name_of(const Abi &abi, uint64_t number) {
  char key[40];
  int size = snprintf(key, sizeof key, "syscall.%lu", static_cast<unsigned long>(number));
  return abi.text(std::string_view(key, static_cast<size_t>(size)));
}

Resolved by_number(const Abi &abi, uint64_t number) {
  if (number < kCached)
    if (const Syscall *call = g_calls[number].load(std::memory_order_acquire))
      return {call, abi.narrow() ? g_narrow[number].load(std::memory_order_relaxed) : nullptr};
  const std::string_view name = name_of(abi, number);
  const NarrowCall *narrow = abi.narrow() ? find_narrow_call(name) : nullptr;
  const Syscall *call = by_name(narrow && !narrow->target.empty() ? narrow->target : name);
  if (number < kCached) {
    g_narrow[number].store(narrow, std::memory_order_relaxed);
    g_calls[number].store(call, std::memory_order_release);
  }
  return {call, narrow};
}

int64_t pass_on(Thread &thread, const Syscall &call, Arguments arguments) {
  if (call.flags & kChanges) thread.guest->requests.pause();
  if (call.paths) {
    uint64_t changed[6];
    PathBuffer buffers[2];
    std::copy_n(arguments, 6, changed);
    size_t used = 0;
    for (unsigned i = 0; i < 6; i++)
      if (call.paths >> i & 1) changed[i] = translate_path(thread, arguments[i], &buffers[used++]);
    return call.flags & kBlocks ? blocking_call(thread, call.host, changed)
                                : host::system_call(call.host, changed);
  }
  return call.flags & kBlocks ? blocking_call(thread, call.host, arguments)
                              : host::system_call(call.host, arguments);
}

}  // namespace

int64_t make_call(Thread &thread, const Syscall &call, Arguments arguments) {
  return call.call ? call.call(thread, arguments) : pass_on(thread, call, arguments);
}

int64_t blocking_call(Thread &thread, long number, Arguments arguments) {
  Engine &engine = *thread.guest->engine;
  engine.enter_blocking(thread.cpu);
  int64_t result = host::interruptible(&thread.pending, number, arguments);
  engine.leave_blocking(thread.cpu);
  return result;
}

int64_t blocking_call(Thread &thread, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                      uint64_t f) {
  const uint64_t arguments[6] = {a, b, c, d, e, f};
  return blocking_call(thread, number, arguments);
}

void do_syscall(Thread &thread) {
  const Abi &abi = thread.guest->abi;
  CpuHeader *cpu = thread.cpu;
  uint64_t number = get_reg(cpu, abi.number), arguments[6];
  for (int i = 0; i < 6; i++) arguments[i] = get_reg(cpu, abi.args[i]);
  const auto [call, narrow] = by_number(abi, number);
  thread.restart = 0;
  thread.jumped = false;
  int64_t result =
      narrow ? make_narrow_call(thread, *narrow, *call, arguments) : make_call(thread, *call, arguments);
  if (thread.guest->options->log & kLogStrace) strace_line(thread, name_of(abi, number), arguments, result);
  if (thread.jumped) return;  // sigreturn: all registers are new
  if (result == host::kRestartSys || result == host::kRestartNoIntr) {
    thread.restart = static_cast<int>(result);
    if (result == host::kRestartNoIntr) thread.has_wait_mask = false;
    return;
  }
  if (!thread.pending) thread.has_wait_mask = false;
  set_reg(cpu, abi.result, static_cast<uint64_t>(result));
  go_on_behind_call(*thread.guest, cpu);
}

}  // namespace pyqemu::user
