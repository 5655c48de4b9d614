// Messages: to the user, and to the log (-d, -D). Straight to the descriptor; nothing is buffered.
#pragma once

#include <cstdint>

namespace pyqemu::user {

inline constexpr int kExitNotFound = 127, kExitCannotRun = 126, kExitInternal = 125;

// "pyqemu-user: " and the message, one line on stderr.
[[gnu::format(printf, 1, 2)]] void complain(const char *format, ...);

// The log's descriptor: stderr, or the file of -D (opened close-on-exec, out of the guest's way).
void open_log(const char *path);
int log_fd();
[[gnu::format(printf, 1, 2)]] void log_line(const char *format, ...);

// A fault of pyqemu itself: what happened, what to report, exit 125. Async-signal-safe.
[[noreturn]] void internal_fault(const char *what, uintptr_t host_pc, uintptr_t address);
[[noreturn]] void exit_now(int status);

}  // namespace pyqemu::user
