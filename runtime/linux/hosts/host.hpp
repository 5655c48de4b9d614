// What the Linux personality needs of the host's architecture: three short assembly routines and access to a
// signal's machine context. One source file per host implements it.
#pragma once

#include <signal.h>
#include <sys/ucontext.h>

#include <cstddef>
#include <cstdint>

namespace pyqemu::user::host {

// Results of `interruptible` that no host system call gives (the kernel's own numbers for them).
inline constexpr int64_t kRestartSys = -512;     // it ran and was interrupted; SA_RESTART decides
inline constexpr int64_t kRestartNoIntr = -513;  // it never began; always made again

// Host system call `number` with six arguments; gives -errno on failure. If *pending is nonzero or a signal
// handler runs before the call has begun, the call is not made and kRestartNoIntr comes back; if the kernel
// would restart it after the handler, kRestartSys. So no signal is lost between the check and the wait.
int64_t interruptible(const volatile int *pending, long number, const uint64_t *arguments);

// The same without looking at signals: for calls that do not block.
int64_t system_call(long number, const uint64_t *arguments);
int64_t system_call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
                    uint64_t e = 0, uint64_t f = 0);

// memcpy that survives bad addresses: gives the number of bytes that were not copied.
size_t guarded_copy(void *to, const void *from, size_t bytes);

// For signal handlers. `interrupted_call`: if the context stands in `interruptible` before the call's end,
// makes it return. `guarded_fault`: if it stands in `guarded_copy`, makes it return; false if it is
// elsewhere.
void interrupted_call(ucontext_t *context);
bool guarded_fault(ucontext_t *context);
uintptr_t program_counter(const ucontext_t *context);
// Whether the access that faulted was a write.
bool fault_was_write(const ucontext_t *context);

// The sticky floating-point flags in CpuHeader::host_fp: 1 invalid, 2 division by zero, 4 overflow, 8
// underflow, 16 inexact, 32 denormal input.
uint32_t fp_flags(uint32_t host_fp);
uint32_t with_fp_flags(uint32_t host_fp, uint32_t flags);
// Its rounding mode: 0 to nearest, 1 up, 2 down, 3 to zero.
uint32_t with_fp_mode(uint32_t host_fp, uint32_t mode);

// rt_sigaction as the kernel has it, for all 64 signals (the C library keeps two for itself). `handler` null:
// only asks. Gives the old handler in *old if that is not null; -errno on failure.
using Handler = void (*)(int, siginfo_t *, void *);
int set_handler(int signal, Handler handler, uint64_t flags, Handler *old);
int get_handler(int signal, Handler *handler);

}  // namespace pyqemu::user::host
