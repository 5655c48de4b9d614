// Guest signals: taken from the host at any time, delivered to the guest at block heads and after system
// calls.
#pragma once

#include <cstdint>

#include "thread.hpp"

namespace pyqemu::user {

inline uint64_t signal_bit(int signal) {
  return uint64_t{1} << (signal - 1);
}

inline constexpr uint64_t kSaNoChildStop = 1, kSaNoChildWait = 2, kSaSigInfo = 4, kSaRestorer = 0x04000000,
                          kSaOnStack = 0x08000000, kSaRestart = 0x10000000, kSaNoDefer = 0x40000000,
                          kSaResetHand = 0x80000000;

// Handlers for faults and for signals that would dump core. Once, before guest code runs.
void install_handlers(Process &process);

// The guest's mask as it is set at the host: SIGSEGV and SIGBUS stay open, they tell of faults.
uint64_t host_mask(uint64_t guest_mask);

// Sets the guest's mask here and at the host; a kRestart… if a signal has been taken meanwhile.
int64_t set_mask(Thread &thread, uint64_t mask);
// Host's mask only, no questions asked.
void set_host_mask(uint64_t mask);

// A signal that the instruction at cpu->pc causes.
void raise_fault(Thread &thread, int signal, int code, uint64_t address);

// Delivers what is pending. To be called while thread.pending is set.
void process_signals(Thread &thread);

int64_t set_action(Thread &thread, int signal, const GuestAction *action, GuestAction *old);

// Dies of `signal` at the host, without a core file.
[[noreturn]] void die_of(int signal);

// --- sigframe.cpp ---

struct Delivery {
  int signal;
  const siginfo_t *info;
  const GuestAction *action;
  uint64_t saved_mask;
  uint64_t syndrome;
};

// Puts a frame on the guest's stack and goes to the handler; false if the stack cannot take it.
bool enter_handler(Thread &thread, const Delivery &delivery);
// sigreturn: gives false if the frame cannot be read. Sets *mask to what the frame says. `plain`: the frame
// has no siginfo, where the architecture's may be without.
bool leave_handler(Thread &thread, uint64_t *mask, bool plain);
// If the guest stands in the code that handlers return to, does what that code would do, so that the next
// handler's frame does not lie on it: unwinders do not get past that. Not if the frame's mask has `signal`
// blocked.
void finish_return(Thread &thread, int signal);
int64_t set_alt_stack(Thread &thread, uint64_t address, uint64_t bytes, int flags);
bool on_alt_stack(const Thread &thread, uint64_t sp);

}  // namespace pyqemu::user
