// What the personality keeps: of the guest as a whole, of a process, of a thread.
#pragma once

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "../core/engine.hpp"
#include "abi.hpp"
#include "address_space.hpp"
#include "modules.hpp"
#include "options.hpp"
#include "requests.hpp"

namespace pyqemu::user {

inline constexpr int kSignals = 64;

struct GuestAction {
  uint64_t handler = 0, flags = 0, restorer = 0, mask = 0;
};

// Everything that shares one address space: threads, and a vfork child until it execs.
struct Guest {
  Engine *engine = nullptr;
  Abi abi;
  const Options *options = nullptr;
  AddressSpace space;
  Modules modules;
  Requests requests;
  std::string executable;           // absolute path of the program, for /proc/self/exe
  const char *model = "";           // of the CPU
  uint64_t trampoline = 0;          // guest address of the signal return code
  uint64_t stack_top = 0;           // where the initial stack pointer was
  uint64_t args = 0, args_end = 0;  // guest addresses: argument strings
  uint64_t auxv = 0, auxv_bytes = 0;
  uint64_t code_start = 0, code_end = 0, entry = 0;
  int tag_context = -1;  // context variable that makes code drop addresses' tags
  uint64_t syndrome_base = 0, syndrome_write = 0, syndrome_unmapped = 0, syndrome_protected = 0;
  std::atomic<int> threads = 1;
};

// Goes on behind a system call, in the context of what follows it.
inline void go_on_behind_call(const Guest &guest, CpuHeader *cpu) {
  if (!guest.abi.context_follows || !guest.engine->step_over(cpu)) cpu->pc += guest.abi.insn_bytes;
}

// What a vfork child has for itself.
struct Process {
  std::mutex lock;
  GuestAction actions[kSignals + 1];
  bool known[kSignals + 1] = {};  // the action was asked from the host (it may have been ignored at start)
  int self_fd = -1;               // pyqemu-user's own file, for exec
};

struct SyncFault {
  int signal = 0;
  siginfo_t info;
  uint64_t syndrome = 0;
};

struct ExecScratch;

struct Thread {
  Guest *guest = nullptr;
  Process *process = nullptr;
  CpuHeader *cpu = nullptr;
  int tid = 0;

  // Signals. `pending` is what `interruptible` watches; all signals are blocked at the host while it is set
  // by the handler, so that one slot is enough (the queue stays in the kernel).
  volatile int pending = 0;
  volatile int taken = 0;
  siginfo_t taken_info;
  SyncFault fault;             // of the guest instruction at cpu->pc
  uint64_t mask = 0;           // the guest's
  bool has_wait_mask = false;  // in sigsuspend, ppoll …: the mask for the call
  uint64_t wait_mask = 0;
  uint64_t held = 0;  // SIGSEGV and SIGBUS sent while the guest blocks them (never blocked at the host)
  siginfo_t held_info[2];
  uint64_t alt_stack = 0, alt_size = 0;
  int alt_flags = SS_DISABLE;
  int restart = 0;  // the system call at cpu->pc gave kRestart…

  uint64_t clear_child_tid = 0;
  bool jumped = false;  // the system call set all registers itself (sigreturn)
  bool exiting = false;
  bool vfork_child = false;
  ExecScratch *exec_scratch = nullptr;  // see exec.cpp
};

// The thread that runs here. Null outside the personality.
extern thread_local Thread *current_thread;

}  // namespace pyqemu::user
