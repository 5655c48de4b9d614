// Conversion of structures, member by member; and siginfo, which is many structures.
#include "layouts.hpp"

namespace pyqemu::user {
namespace {

uint64_t widened(const Member &member, const char *place) {
  uint64_t value = 0;
  memcpy(&value, place, member.bytes[0]);
  const unsigned bits = 8 * member.bytes[0];
  switch (member.kind) {
    case Member::kSigned:
      return bits == 64 ? value
                        : static_cast<uint64_t>(static_cast<int64_t>(value << (64 - bits)) >> (64 - bits));
    case Member::kLimit:
      return value == 0xffffffff ? ~uint64_t{0} : value;
    case Member::kLowHalf:
      return value & 0xffffffff;
    case Member::kUnsigned:
      break;
  }
  return value;
}

uint64_t narrowed(const Member &member, const char *place) {
  uint64_t value = 0;
  memcpy(&value, place, member.bytes[1]);
  return member.kind == Member::kLimit && value > 0xffffffff ? 0xffffffff : value;
}

// --- siginfo: signo, errno, code, then what that says ---

constexpr Layout kSent("3i|iIP"), kChild("3i|iIi2l"), kFault("3i|Ph"), kPoll("3i|li"), kFiltered("3i|PiI");

const Layout &siginfo_layout(const void *record) {
  int head[3];
  memcpy(head, record, sizeof head);
  const int signal = head[0], code = head[2];
  if (code <= 0 || code == SI_KERNEL) return kSent;  // a timer's has the same shape
  switch (signal) {
    case SIGCHLD:
      return kChild;
    case SIGILL:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGTRAP:
      return kFault;
    case SIGPOLL:
      return kPoll;
    case SIGSYS:
      return kFiltered;
    default:
      return kSent;
  }
}

}  // namespace

const Layout kSigInfo(siginfo_layout, sizeof(siginfo_t));

void Layout::to_host(void *host, const void *guest) const {
  memset(host, 0, host_bytes_);
  if (choose_) return choose_(guest).to_host(host, guest);
  each([&](const Member &member, size_t guest_at, size_t host_at) {
    uint64_t value = widened(member, static_cast<const char *>(guest) + guest_at);
    memcpy(static_cast<char *>(host) + host_at, &value, member.bytes[1]);
  });
}

void Layout::to_guest(void *guest, const void *host) const {
  memset(guest, 0, guest_bytes_);
  if (choose_) return choose_(host).to_guest(guest, host);
  each([&](const Member &member, size_t guest_at, size_t host_at) {
    uint64_t value = narrowed(member, static_cast<const char *>(host) + host_at);
    memcpy(static_cast<char *>(guest) + guest_at, &value, member.bytes[0]);
  });
}

}  // namespace pyqemu::user
