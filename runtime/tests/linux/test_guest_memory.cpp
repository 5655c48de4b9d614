// Accesses to bad guest addresses give false, and strings end where their page does.
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "check.hpp"
#include "guest_memory.hpp"
#include "signals.hpp"

using namespace pyqemu::user;

int main() {
  Process process;
  install_handlers(process);
  char *pages =
      static_cast<char *>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(pages + 4096, 4096, PROT_NONE);
  uint64_t base = reinterpret_cast<uint64_t>(pages), value = 0;
  CHECK(put_guest(base + 4088, uint64_t{5}) && get_guest(&value, base + 4088) && value == 5);
  CHECK(!get_guest(&value, base + 4089) && !put_guest(base + 4089, value));
  CHECK(!get_guest(&value, 0) && !get_guest(&value, 0xdead000000000000));
  memcpy(pages + 4090, "hello", 6);
  char text[64];
  CHECK(read_guest_string(text, base + 4090, sizeof text) == 5 && strcmp(text, "hello") == 0);
  pages[4095] = '!';
  CHECK(read_guest_string(text, base + 4090, sizeof text) == -EFAULT);
  CHECK(read_guest_string(text, base, 1) == 0 && read_guest_string(text, base + 4090, 3) == -ENAMETOOLONG);
  return result();
}
