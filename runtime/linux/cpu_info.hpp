// /proc/cpuinfo, as the architecture's table says it.
#pragma once

#include <string>

#include "thread.hpp"

namespace pyqemu::user {

// The file's contents: `cpuinfo.text` of the table, once for each processor, with what stands in braces put
// in. Empty if the table has none.
std::string cpu_info(const Thread &thread);

}  // namespace pyqemu::user
