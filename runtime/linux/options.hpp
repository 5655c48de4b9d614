// What the user asked for, on the command line or by the environment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pyqemu::user {

enum LogItem : uint32_t {
  kLogUnimplemented = 1,
  kLogStrace = 2,
  kLogStats = 4,
  kLogNoChain = 8,
  kLogInAsm = 16,
  kLogOp = 32,
  kLogOutAsm = 64,
  kLogCount = 128,
};

// Where optimised code comes from: nowhere; archives and a worker that the guest does not wait for; the same,
// and it waits.
enum class Jit { kOff, kAsync, kSync };

struct Options {
  const char *ld_prefix = nullptr;
  const char *argv0 = nullptr;
  const char *cpu = nullptr;
  const char *log_file = nullptr;
  const char *release = nullptr;  // for uname
  uint32_t log = 0;               // LogItem
  bool one_insn_per_block = false;
  uint64_t guest_base = 0, reserved_va = 0;
  uint64_t stack_bytes = 0;       // 0: RLIMIT_STACK
  uint64_t code_cache_bytes = 0;  // 0: the engine's default
  Jit jit = Jit::kAsync;
  uint32_t jit_threshold = 2000;      // times that a block runs before optimised code is asked for
  uint32_t jit_wait = 60;             // seconds that Jit::kSync waits for one answer
  const char *cache = nullptr;        // folder of archives (absolute), or "none"; null: by the environment
  int exec_fd = -1;                   // the program, already open (from a guest's exec)
  const char *program = nullptr;      // path
  char **arguments = nullptr;         // argv[1] … of the guest, null-terminated
  std::vector<const char *> set_env;  // NAME=VALUE
  std::vector<const char *> unset_env;
  std::vector<const char *> passed_on;  // the options that an exec gives on
};

}  // namespace pyqemu::user
