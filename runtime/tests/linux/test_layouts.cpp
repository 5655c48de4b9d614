// Structures of guests with narrow words: each member there and back, and what does not fit.
#include <random>

#include "check.hpp"
#include "layouts.hpp"

using namespace pyqemu::user;

namespace {

// Random guest structures come back as they were; `padding` bytes between members are zero then.
void there_and_back(const Layout &layout, std::mt19937 &rng, bool whole) {
  uint8_t guest[128], back[128], host[256];
  REQUIRE(layout.guest_bytes() <= sizeof guest && layout.host_bytes() <= sizeof host);
  for (int round = 0; round < 500; round++) {
    for (uint8_t &byte : guest) byte = static_cast<uint8_t>(rng());
    layout.to_host(host, guest);
    layout.to_guest(back, host);
    if (whole) CHECK(memcmp(guest, back, layout.guest_bytes()) == 0);
    uint8_t again[256];
    layout.to_host(again, back);
    CHECK(memcmp(host, again, layout.host_bytes()) == 0);
  }
}

void values() {
  const int32_t pair[] = {-5, 7};
  timespec time;
  kTimespec.to_host(&time, pair);
  CHECK(time.tv_sec == -5 && time.tv_nsec == 7);
  const int64_t padded[] = {0x123456789, 999 | int64_t{77} << 32};
  kTimespec64.to_host(&time, padded);
  CHECK(time.tv_sec == 0x123456789 && time.tv_nsec == 999);

  const uint32_t narrow_limit[] = {1000, ~0u};
  rlimit limit;
  kRlimit.to_host(&limit, narrow_limit);
  CHECK(limit.rlim_cur == 1000 && limit.rlim_max == RLIM_INFINITY);
  limit = {0x123456789, 5};
  uint32_t back[2];
  kRlimit.to_guest(back, &limit);
  CHECK(back[0] == ~0u && back[1] == 5);

  const uint32_t vector[] = {0xfffff000, 0x80000000};
  iovec wide;
  kIovec.to_host(&wide, vector);
  CHECK(reinterpret_cast<uint64_t>(wide.iov_base) == 0xfffff000 && wide.iov_len == 0x80000000);

  uint32_t sent[32] = {SIGUSR1, 0, static_cast<uint32_t>(SI_QUEUE), 11, 22, 0x98765432};
  siginfo_t info;
  kSigInfo.to_host(&info, sent);
  CHECK(info.si_pid == 11 && info.si_uid == 22 &&
        reinterpret_cast<uint64_t>(info.si_value.sival_ptr) == 0x98765432);
  info = {};
  info.si_signo = SIGSEGV, info.si_code = SEGV_ACCERR, info.si_addr = reinterpret_cast<void *>(0x87654321);
  kSigInfo.to_guest(sent, &info);
  CHECK(sent[0] == SIGSEGV && sent[2] == SEGV_ACCERR && sent[3] == 0x87654321 && sent[4] == 0);
  info = {};
  info.si_signo = SIGCHLD, info.si_code = CLD_EXITED;
  info.si_pid = 1, info.si_uid = 2, info.si_status = 3, info.si_utime = 4, info.si_stime = 5;
  kSigInfo.to_guest(sent, &info);
  for (uint32_t i = 0; i < 5; i++) CHECK(sent[3 + i] == i + 1);
  info = {};
  info.si_signo = SIGPOLL, info.si_code = POLL_IN, info.si_band = 6, info.si_fd = 7;
  kSigInfo.to_guest(sent, &info);
  CHECK(sent[3] == 6 && sent[4] == 7);
}

}  // namespace

int main() {
  std::mt19937 rng(1);
  for (const Layout *layout :
       {&kTimespec, &kItimerspec, &kRusage, &kTms, &kRlimit, &kIovec, &kStack, &kMqAttr, &kMessage,
        &kSignalSet, &kSemid, &kShmid, &kMsqid, &kShmLimits, &kStatfs})
    there_and_back(*layout, rng, true);
  for (const Layout *layout : {&kTimespec64, &kFlock, &kSysinfo, &kStatfs64, &kSigInfo, &kShmInfo})
    there_and_back(*layout, rng, false);
  values();
  return result();
}
