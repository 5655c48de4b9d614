// What the kernel does for a thread that ends: robust futexes and the clear_child_tid word.
#pragma once

#include "thread.hpp"

namespace pyqemu::user {

// Marks the robust futexes that the thread holds, takes its list from the kernel, clears its tid word and
// wakes who waits for it. The guest may free the thread's stack as soon as this is done.
void leave_guest_memory(Thread &thread);

}  // namespace pyqemu::user
