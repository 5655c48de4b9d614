// -d unimp: an instruction that the description does not have.
#pragma once

#include "thread.hpp"

namespace pyqemu::user {

// One line: bytes, PC, and the described encoding that differs in the fewest bits.
void log_undescribed(const Thread &thread);

}  // namespace pyqemu::user
