// Guest strings.
#include "guest_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pyqemu::user {

int64_t read_guest_string(char *buffer, uint64_t address, size_t size) {
  size_t done = 0;
  while (done < size) {
    // Up to the end of a page at a time: the page after the string's end need not exist.
    size_t piece = std::min<size_t>({size - done, 4096 - ((address + done) & 4095), 256});
    if (!read_guest(buffer + done, address + done, piece)) return -EFAULT;
    if (const void *zero = memchr(buffer + done, 0, piece)) return static_cast<const char *>(zero) - buffer;
    done += piece;
  }
  return -ENAMETOOLONG;
}

}  // namespace pyqemu::user
