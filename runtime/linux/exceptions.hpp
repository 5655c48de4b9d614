// The guest's exceptions: system calls, signals, and what the kernel does for programs behind their backs.
#pragma once

#include "thread.hpp"

namespace pyqemu::user {

// cpu->exception at cpu->pc, as the table's `exception.NAME` says.
void handle_exception(Thread &thread);

}  // namespace pyqemu::user
