// What has to be true of a pack's records, so that whoever uses them stays within bounds: decoding ends, what
// records refer to is there, and what is written into a stencil's copy lies in it.
#pragma once

#include "pack_file.hpp"

namespace pyqemu {

// Null, or what is wrong. The header has been checked.
const char *check_records(const PackTables &tables);

}  // namespace pyqemu
