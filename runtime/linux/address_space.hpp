// What the guest has mapped, with the protection that it asked for. Guest memory lies at identity addresses
// in this process; ranges that are in use here but not in this map are pyqemu's own, and the guest's calls
// over them fail. A guest whose addresses have 32 bits gets the low 4 GiB: the host would place mappings
// above, so they are placed here (`keep_low`), below 3 GiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "../core/engine.hpp"

namespace pyqemu::user {

inline constexpr int kShared = 0x100;  // others may write to it, whatever its protection

inline constexpr uint64_t kEndOfSpace = uint64_t{1} << 47;
inline constexpr uint64_t kEndOfLow =
    0xc0000000;  // what is above is the kernel's: small negative addresses fault

struct Mapping {
  uint64_t start, end;
  int prot;  // the guest's (the host's has no PROT_EXEC), and kShared
};

class AddressSpace {
 public:
  // All give an address or 0 on success, -errno on failure; addresses and sizes are the guest's. Sizes are
  // rounded up to pages as the kernel does. Dropped code is told to the engine, if one is set.
  int64_t map(uint64_t address, uint64_t bytes, int prot, int flags, int fd, int64_t offset);
  int64_t unmap(uint64_t address, uint64_t bytes);
  int64_t protect(uint64_t address, uint64_t bytes, int prot);
  int64_t remap(uint64_t old_address, uint64_t old_bytes, uint64_t bytes, int flags, uint64_t address);
  int64_t advise(uint64_t address, uint64_t bytes, int advice);
  int64_t set_break(uint64_t address);

  // All of the guest's mappings lie below kEndOfLow from now on.
  void keep_low() { end_ = kEndOfLow, low_ = true; }
  // Where `bytes` are free that the guest can address; 0: anywhere, or nowhere.
  uint64_t free_range(uint64_t bytes);

  // A range that the host mapped for the guest (shmat), or that is gone (shmdt).
  void adopt(uint64_t start, uint64_t end, int prot);
  void forget(uint64_t start, uint64_t end);
  // Puts code where the guest can read and execute it and change nothing, wherever its own mappings end.
  bool provide_code(uint64_t address, const void *code, size_t bytes);
  // End of the mapping that starts at `start`, or 0.
  uint64_t end_of(uint64_t start);

  // How many bytes from `address` on, up to `bytes`, the guest may execute.
  size_t executable(uint64_t address, size_t bytes);
  // How many bytes from `address` on, up to `bytes`, may change without a system call.
  size_t changeable(uint64_t address, size_t bytes);
  // The protection at `address`, or -1.
  int protection(uint64_t address);
  std::vector<Mapping> snapshot();

  void set_engine(Engine *engine) { engine_ = engine; }
  void start_break(uint64_t address) { break_start_ = break_ = address; }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  size_t first_ending_after(uint64_t address) const;
  bool covered(uint64_t start, uint64_t end) const;
  bool add(uint64_t start, uint64_t end, int prot);  // replaces what is there; true if code was there
  bool remove(uint64_t start, uint64_t end);         // true if code was there
  bool bad_range(uint64_t address, uint64_t bytes) const;
  int64_t place(uint64_t hint, uint64_t bytes, int prot, int flags, int fd, int64_t offset) const;
  uint64_t highest_gap(uint64_t below, uint64_t bytes) const;
  int64_t move(uint64_t old_address, uint64_t old_bytes, uint64_t bytes, int flags, uint64_t address);
  int64_t reserve_gaps(uint64_t start, uint64_t end);  // takes all of the range that the guest does not have
  void release_gaps(uint64_t start, uint64_t end);     // undoes it
  void dropped(bool had_code, uint64_t start, uint64_t end);

  std::mutex mutex_;
  std::vector<Mapping> mappings_;  // sorted, disjoint
  uint64_t break_start_ = 0, break_ = 0;
  uint64_t end_ = kEndOfSpace;
  bool low_ = false;
  Engine *engine_ = nullptr;
};

}  // namespace pyqemu::user
