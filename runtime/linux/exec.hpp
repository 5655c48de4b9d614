// exec: a guest program starts pyqemu-user again; what is not a guest program is given to the host's kernel.
#pragma once

#include <cstdint>

#include "thread.hpp"

namespace pyqemu::user {

// Opens pyqemu-user's own file, so that it can be executed later wherever the guest has gone (chroot,
// namespaces). `execfn`: AT_EXECFN of this process. Gives a descriptor that is out of the guest's way, or -1.
int open_self(const char *execfn);

// execveat; `arguments` and `environment` are guest addresses of arrays. Comes back only on failure, with
// -errno.
int64_t guest_exec(Thread &thread, uint64_t directory, uint64_t path, uint64_t arguments,
                   uint64_t environment, uint64_t flags);

// Frees what a vfork child's exec has left behind; for its parent.
void drop_exec_scratch(Thread &thread);

}  // namespace pyqemu::user
