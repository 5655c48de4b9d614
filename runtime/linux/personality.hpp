// The Linux user-mode personality: runs one guest program in this process.
#pragma once

#include "../core/pack.hpp"
#include "options.hpp"
#include "thread.hpp"

namespace pyqemu::user {

// Loads options.program and runs it. Comes back only if it could not be started: the exit code; the message
// is out. `model`: the CPU model's name. `execfn`: AT_EXECFN of this process.
int run_program(const Options &options, const Pack &pack, const char *execfn);

// Runs guest code on this thread until thread.exiting.
void run_thread(Thread &thread);

}  // namespace pyqemu::user
