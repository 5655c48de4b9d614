// The engine: translates guest code by copying stencils, and runs it. Knows no operating system and no architecture.
//
// Guest addresses are addresses of this process shifted by `membase` (0 for 64-bit user programs). All functions may be
// called by any thread unless they say otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "pack.hpp"
#include "pack_format.hpp"

namespace pyqemu {

enum class GuestAddr : uint64_t {};

// The key that the archives of a folder are made with (docs/archive.md).
using ArchiveKey = std::array<uint8_t, 32>;

struct EngineOptions {
  size_t code_cache_bytes = 64u << 20;
  uint32_t max_block_insns = 64;   // 1: -one-insn-per-tb
  bool chain = true;               // false: -d nochain
  bool regions = false;      // archives may be added
  bool count = false;        // count the guest instructions that blocks retire (EngineStats::retired)
  uint32_t hot_threshold = 0;  // times that a block is entered before it is hot (set_hot); 0: blocks are not counted
  void *membase = nullptr;
  uint32_t log = 0;                                        // LogItem bits
  void (*log_sink)(void *context, const char *text) = nullptr;  // gets whole lines; called with the engine's lock held
  void *log_context = nullptr;
};

// What to tell of each block that is translated.
enum LogItem : uint32_t {
  kLogGuestCode = 1,  // guest addresses and words (-d in_asm)
  kLogStencils = 2,   // names of encodings and stencils (-d op)
  kLogHostCode = 4,   // host bytes (-d out_asm)
};

// What made `run` come back.
enum class StopKind {
  kInterrupted,  // interrupt() was called; cpu->pc is where to go on
  kException,    // a `raise`: cpu->exception, cpu->exc_args; cpu->pc is the instruction
  kBadFetch,     // cpu->pc cannot be read (or executed), or is not aligned to a code unit
  kFailed,       // the engine cannot go on (a damaged pack, say); error() says why
};

struct EngineStats {
  uint64_t blocks, guest_insns, guest_bytes, host_bytes, flushes, invalidations, translate_ns;
  uint64_t regions, regions_refused;  // optimised regions: installed, and found damaged or not to fit
  uint64_t counters_run_out;          // of blocks that are counted (set_hot)
  uint64_t retired;                   // guest instructions in blocks, if they are counted; those in regions are not
};

// Asks whether [address, address + bytes) may be executed by the guest; the engine reads only what this allows.
// Returns the number of bytes from `address` on that may (0: none).
using FetchCheck = size_t (*)(void *context, uint64_t address, size_t bytes);

// Gets a block that was entered EngineOptions::hot_threshold times, once.
using HotBlock = void (*)(void *context, const CpuHeader *cpu, uint64_t pc);

class Engine {
 public:
  // `features`: bits of PackHeader's features that the CPU model has.
  static std::unique_ptr<Engine> create(const Pack &pack, const EngineOptions &options, const char **error);
  virtual ~Engine() = default;

  // A CPU in its reset state for model `cpu` (null: the first); zeroed registers elsewhere. Freed by free_cpu.
  virtual CpuHeader *new_cpu(std::string_view model) = 0;
  virtual CpuHeader *clone_cpu(const CpuHeader *from) = 0;
  virtual void free_cpu(CpuHeader *cpu) = 0;

  // The check is made without any lock of the engine's held, and the thread counts as stopped during it. A change of what it answers has to be followed by
  // invalidate(), or both have to happen under a lock that the check takes too.
  virtual void set_fetch_check(FetchCheck check, void *context) = 0;
  // Number of bytes from `address` on that may change without a call of invalidate() (writable ones, say). Where the instruction cache is explicit these are compared
  // with what was translated at each `isync`. Without this check all code is compared.
  virtual void set_change_check(FetchCheck check, void *context) = 0;

  // From the thread that runs the block; as for the checks, no lock is held. Optimised code that is made of it meanwhile is used once add_archive was called.
  virtual void set_hot(HotBlock hot, void *context) = 0;

  // Runs from cpu->pc on until something stops it. One thread at a time per CPU.
  virtual StopKind run(CpuHeader *cpu) = 0;

  // Makes `run` return at the next block head. Async-signal-safe.
  virtual void interrupt(CpuHeader *cpu) = 0;

  // Drops translations of guest code in the range. Other threads apply it at their next poll; the caller at once.
  virtual void invalidate(uint64_t address, size_t bytes) = 0;

  // For a host signal handler: if `host_pc` lies in generated code (or in a helper called from there), sets *guest_pc to the guest instruction
  // and returns true. CPU state in memory may be exact only once run() has returned after leave_from_handler. Async-signal-safe.
  virtual bool guest_pc_of(const CpuHeader *cpu, uintptr_t host_pc, uint64_t *guest_pc) const = 0;

  // For a host signal handler on the thread of `cpu`, after guest_pc_of said true: changes the host context (a ucontext_t) so that, when the handler
  // returns, `run` returns kInterrupted with cpu->pc = guest_pc.
  virtual void leave_from_handler(CpuHeader *cpu, void *ucontext, uint64_t guest_pc) = 0;

  // After kException: goes on behind the instruction that raised it, in the context of what follows. Changes nothing else. False if it cannot be
  // fetched.
  virtual bool step_over(CpuHeader *cpu) = 0;

  // For a host signal handler, before anything else of a SIGSEGV or SIGBUS: true if the fault came from the engine's reading of guest code, which another
  // thread unmapped meanwhile. The context is changed so that the handler just returns. Async-signal-safe.
  virtual bool recover_fetch(void *ucontext) = 0;

  // Around a host fork; child: a private copy of the code cache before generated code runs. vfork-style children share and need neither.
  virtual void before_fork() = 0;
  virtual void after_fork(bool child) = 0;

  // Stops all threads but the caller at safe points, or lets them go on (for exec, exit_group, core dumps). Outside of run() a thread counts as stopped; it
  // waits when it calls run() or leave_blocking(). Calls nest.
  virtual void stop_world() = 0;
  virtual void resume_world() = 0;
  // A thread that is about to block in the host, or is back; a stopped world does not wait for it while it is away.
  virtual void enter_blocking(CpuHeader *cpu) = 0;
  virtual void leave_blocking(CpuHeader *cpu) = 0;

  // Opens the archive at `fd`, which may be closed afterwards, for the module whose offset 0 lies at guest address `origin`; its regions are installed
  // when they are wanted. Newer archives come first. It is forgotten when all of the module's addresses are invalidated. One that is there already is not added again. Null, or why it is not used.
  virtual const char *add_archive(int fd, const ArchiveKey &key, uint64_t origin) = 0;

  // Translates the block at `pc` (in the context of `cpu`) if there is none, without running it; gives the guest bytes that it covers, 0 if it cannot be fetched.
  virtual size_t translate(CpuHeader *cpu, uint64_t pc) = 0;

  virtual EngineStats stats() const = 0;
  // Why run() gave kFailed.
  virtual const char *error() const = 0;
  virtual const Pack &pack() const = 0;
};

}  // namespace pyqemu
