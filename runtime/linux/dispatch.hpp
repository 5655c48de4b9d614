// System calls by name: the table says which name a number has, and one function (or none, where the host's
// call of the same name does the same) says what it does.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "thread.hpp"

namespace pyqemu::user {

using Arguments = const uint64_t *;  // six

enum CallFlags : uint8_t {
  kPass = 1,     // the host's call with the same arguments
  kBlocks = 2,   // may wait: made so that signals interrupt it
  kChanges = 4,  // may change who the process is, or what it may do: by then it has guest threads only
};

struct Syscall {
  std::string_view name;
  int64_t (*call)(Thread &thread, Arguments arguments);  // null: kPass
  int32_t host;                                          // the host's number
  uint8_t flags;
  uint8_t paths;  // bit i: argument i is a path
};

constexpr Syscall own(std::string_view name, int64_t (*call)(Thread &, Arguments)) {
  return {name, call, -1, 0, 0};
}
constexpr Syscall pass(std::string_view name, int host, uint8_t paths = 0) {
  return {name, nullptr, host, kPass, paths};
}
constexpr Syscall waits(std::string_view name, int host, uint8_t paths = 0) {
  return {name, nullptr, host, kPass | kBlocks, paths};
}

constexpr Syscall changes(std::string_view name, int host) {
  return {name, nullptr, host, kPass | kChanges, 0};
}

template <size_t N>
constexpr std::array<Syscall, N> sorted(std::array<Syscall, N> calls) {
  std::sort(calls.begin(), calls.end(), [](const Syscall &a, const Syscall &b) { return a.name < b.name; });
  return calls;
}

// One table per topic, sorted by name.
std::span<const Syscall> fd_calls();
std::span<const Syscall> file_calls();
std::span<const Syscall> poll_calls();
std::span<const Syscall> memory_calls();
std::span<const Syscall> process_calls();
std::span<const Syscall> thread_calls();
std::span<const Syscall> signal_calls();
std::span<const Syscall> time_calls();
std::span<const Syscall> net_calls();
std::span<const Syscall> ipc_calls();
std::span<const Syscall> hwprobe_calls();
std::span<const Syscall> short_id_calls();

// The host's call, interruptible, other threads not waiting for this one meanwhile.
int64_t blocking_call(Thread &thread, long number, Arguments arguments);
int64_t blocking_call(Thread &thread, long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
                      uint64_t d = 0, uint64_t e = 0, uint64_t f = 0);

// The call with 64-bit arguments.
int64_t make_call(Thread &thread, const Syscall &call, Arguments arguments);

// The system call at cpu->pc: its result into the registers, or what has to be done again.
void do_syscall(Thread &thread);

// -d stats: what the engine did, one line.
void log_stats(const Guest &guest);
void log_count(const Guest &guest);

// -strace: the line of a finished call.
void strace_line(const Thread &thread, std::string_view name, Arguments arguments, int64_t result);
// -strace: the line of a signal that the guest gets, or dies of.
void strace_signal(const Thread &thread, int signal, const siginfo_t &info);

}  // namespace pyqemu::user
