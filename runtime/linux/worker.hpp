// The translation worker: a program of its own that makes archives for one cache folder. It is started and
// left alone.
#pragma once

#include <string>

namespace pyqemu::user {

// The program: what PYQEMU_WORKER names, or pyqemu-worker beside this executable; empty if it cannot be
// executed.
std::string find_worker();

// Starts `program` with `folder` as its only argument, as a process that has nothing of the guest's: no
// descriptors, no signals, no session, and no parent that would have to wait for it. False if that cannot be
// done.
bool start_worker(const std::string &program, const std::string &folder);

// Goes on in a child of this process as well, which is about to exit and has no other thread: gives 0 in the
// child, which has nothing of the guest's either; else what clone gives.
int go_on_in_child();

}  // namespace pyqemu::user
