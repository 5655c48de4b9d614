// The personality's own accesses to guest memory: a bad guest address gives false, never a fault of pyqemu.
#pragma once

#include <cstdint>

#include "hosts/host.hpp"

namespace pyqemu::user {

inline void *host_pointer(uint64_t address) {
  return reinterpret_cast<void *>(address);
}

inline bool read_guest(void *to, uint64_t address, size_t bytes) {
  return host::guarded_copy(to, host_pointer(address), bytes) == 0;
}

inline bool write_guest(uint64_t address, const void *from, size_t bytes) {
  return host::guarded_copy(host_pointer(address), from, bytes) == 0;
}

template <typename T>
bool get_guest(T *value, uint64_t address) {
  return read_guest(value, address, sizeof(T));
}

template <typename T>
bool put_guest(uint64_t address, const T &value) {
  return write_guest(address, &value, sizeof(T));
}

// A guest string with its zero, into `buffer`. Gives its length, -EFAULT, or -ENAMETOOLONG.
int64_t read_guest_string(char *buffer, uint64_t address, size_t size);

}  // namespace pyqemu::user
