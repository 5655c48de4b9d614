// Gives the worker a module that it cannot find: it sees other files than the guest, who may have a root of
// its own.
#pragma once

#include <string>

namespace pyqemu::user {

// Puts a copy of the file at `path` into the spool, as `KEY.module`; false if it is not there then.
bool hand_over(const std::string &path, const std::string &spool, const std::string &key);

}  // namespace pyqemu::user
