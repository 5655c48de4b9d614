// What the host does not tell of accesses to addresses that none can have (hosts/*/wild_access.cpp).
#pragma once

#include <signal.h>

namespace pyqemu {

// For a host signal handler, after Engine::guest_pc_of said true. If the signal tells of an access to such an
// address, makes *info that of a SIGSEGV with the address (0 if it cannot be found out); si_code stays
// SI_KERNEL. Other signals stay as they are. Async-signal-safe.
void tell_wild_access(siginfo_t *info, const void *ucontext);

}  // namespace pyqemu
