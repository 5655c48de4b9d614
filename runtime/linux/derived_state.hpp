// Parts of the CPU state that follow from registers: the host's rounding mode, and context variables. A
// description's instructions keep them so; here are those who write such registers from outside. The table's
// `derived` says how (docs/howto/syscall.md).
#pragma once

#include "abi.hpp"

namespace pyqemu::user {

// Makes them what the registers say.
void derive_state(const Abi &abi, CpuHeader *cpu);

}  // namespace pyqemu::user
