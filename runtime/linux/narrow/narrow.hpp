// System calls of guests whose words have 4 bytes. Each is the call of a 64-bit guest with its arguments
// converted: the table (calls.cpp) says how each argument goes over. 64-bit guests never come here.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "../dispatch.hpp"
#include "../layouts.hpp"

namespace pyqemu::user {

// How an argument goes over; what nothing is said of is passed on as it is.
struct Passing {
  enum How : uint8_t {
    kNone,
    kIn,      // a structure that the call reads
    kOut,     // one that it writes, if it succeeds
    kBoth,    // both, whatever its result
    kLeft,    // the time that was left, written if a signal came
    kArray,   // as many structures as argument `count` says, read
    kSet,     // descriptors below argument `count`, both
    kPair,    // 64 bits in two registers
    kHalves,  // 64 bits in this argument and the next one, which the host has as one and an unused one
    kPages,   // a number of units of 4096
    kSigned,  // a long
  } how = kNone;
  uint8_t argument = 0, count = 0;  // the host's
  const Layout *layout = nullptr;
};

struct NarrowCall {
  std::string_view name;    // in the guest's table
  std::string_view target;  // the call of 64-bit guests that does it; as `name` if empty
  Passing passings[5] = {};
  // If there is one, it is given the arguments that the passings have made of the guest's.
  int64_t (*call)(Thread &thread, Arguments arguments, const Syscall &target) = nullptr;
};

// Null if arguments need no conversion.
const NarrowCall *find_narrow_call(std::string_view name);
int64_t make_narrow_call(Thread &thread, const NarrowCall &narrow, const Syscall &target,
                         Arguments registers);

// Memory for what the host is to see, as long as the call runs.
class Scratch {
 public:
  void *allocate(size_t bytes);

 private:
  alignas(16) char own_[1024];
  size_t used_ = 0;
  std::vector<std::unique_ptr<char[]>> more_;
};

inline uint64_t host_address(const void *pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

// A guest's structure as the host's, or back; false for a bad address.
bool read_record(const Layout &layout, void *host, uint64_t address);
bool write_record(const Layout &layout, uint64_t address, const void *host);
// The host's array of iovecs; 0 and *error if the guest's cannot be read. More than the host takes is left
// for it to refuse.
uint64_t read_iovecs(Scratch *scratch, uint64_t address, uint64_t count, int64_t *error);

// --- calls with structures that lead to others, or that depend on a command ---

int64_t narrow_fcntl(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_ioctl(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_getsockopt(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_setsockopt(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_sendmsg(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_recvmsg(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_sendmmsg(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_recvmmsg(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_semctl(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_shmctl(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_msgctl(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_msgsnd(Thread &thread, Arguments a, const Syscall &target);
int64_t narrow_msgrcv(Thread &thread, Arguments a, const Syscall &target);

// --- calls of older ABIs (old_calls.cpp) ---

int64_t old_sigaction(Thread &thread, Arguments a, const Syscall &target);
int64_t old_sigprocmask(Thread &thread, Arguments a, const Syscall &target);
int64_t old_sigpending(Thread &thread, Arguments a, const Syscall &target);
int64_t old_sigsuspend(Thread &thread, Arguments a, const Syscall &target);
int64_t old_getdents(Thread &thread, Arguments a, const Syscall &target);

}  // namespace pyqemu::user
