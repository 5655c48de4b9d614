// What the CPU model's features mean to Linux, as the architecture's table says it.
#pragma once

#include "thread.hpp"

namespace pyqemu::user {

// PREFIX.base of the table, and PREFIX.FEATURE of each feature that the CPU model has, or'ed.
uint64_t feature_bits(const Guest &guest, const char *prefix);

// PREFIX of the table, if it has that; or PREFIX.FEATURE of the last feature that the CPU model has and the
// table knows, in the order of the description, else PREFIX.base.
const char *feature_text(const Guest &guest, const char *prefix);

}  // namespace pyqemu::user
