// Guest code is fetched by pieces, no further than somebody asks, and ends where it cannot be read.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "check.hpp"
#include "guest_code.hpp"
#include "host_code.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

volatile sig_atomic_t faults = 0;

void handler(int, siginfo_t *, void *context) {
  faults = faults + 1;
  if (!host::recover_fetch(context)) _exit(3);
}

constexpr size_t kPage = 4096;

// A page of code and one that cannot be read.
struct Code {
  Pages pages{2 * kPage};
  std::array<uint8_t, kPage> room = {};

  Code() {
    for (size_t i = 0; i < kPage; i++) pages.data()[i] = static_cast<uint8_t>(i * 7 + i / 256);
    REQUIRE(mprotect(pages.data() + kPage, kPage, PROT_NONE) == 0);
  }
  const uint8_t *end() { return pages.data() + kPage; }
  GuestCode from(size_t before_end, size_t available) {
    return {0x1000, end() - before_end, available, room, false};
  }
};

void ends_with_what_is_available() {
  Code code;
  for (size_t available : {1u, 4u, 63u, 64u, 65u, 130u}) {
    GuestCode fetched = code.from(200, available);
    for (size_t end = 1; end <= available; end++) CHECK(fetched.reaches(end));
    CHECK(!fetched.reaches(available + 1) && fetched.reaches(available));
    CHECK(memcmp(fetched.bytes(), code.end() - 200, available) == 0);
  }
  CHECK(code.from(kPage, 100).reaches(100) && !code.from(kPage, 0).reaches(1));
}

void ends_with_its_room() {
  Code code;
  GuestCode fetched(0, code.end() - kPage, kPage, std::span(code.room).first(100), true);
  CHECK(fetched.changeable() && fetched.reaches(100) && !fetched.reaches(101) && code.room[100] == 0);
}

// What lies far behind a block is not read for it.
void reads_no_further_than_asked() {
  Code code;
  GuestCode fetched = code.from(64, 256);
  CHECK(fetched.reaches(4) && fetched.reaches(64) && faults == 0);
}

// Another thread may have unmapped what was found readable.
void ends_at_a_fault() {
  Code code;
  GuestCode fetched = code.from(80, 256);
  CHECK(!fetched.reaches(84) && faults == 1 && fetched.reaches(80) && !fetched.reaches(81) && faults == 1);
  CHECK(memcmp(fetched.bytes(), code.end() - 80, 80) == 0);
}

}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  ends_with_what_is_available();
  ends_with_its_room();
  reads_no_further_than_asked();
  ends_at_a_fault();
  return result();
}
