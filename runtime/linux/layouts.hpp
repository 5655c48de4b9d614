// Kernel structures whose layout follows from the size of a word, for guests whose words are narrower than
// the host's: members in the manner of Python's `struct`, laid out by C's rules for either size, and
// converted from one to the other. What does not follow from it is in the architecture's table (StructLayout,
// abi.hpp).
#pragma once

#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace pyqemu::user {

inline constexpr unsigned kHostWord = 8, kNarrowWord = 4;

// A member: how many bytes it takes on either side, its alignment there, and how it is widened.
struct Member {
  unsigned bytes[2];  // of the guest, of the host
  unsigned align[2];
  enum Kind : uint8_t { kSigned, kUnsigned, kLimit, kLowHalf } kind;
};

// b h i q: signed, of 1 2 4 8 bytes, B H I Q: unsigned; l L P: long, unsigned long, pointer.
// R: unsigned long, of which all ones are infinity; T: a time, which narrow words have in two halves;
// n: 8 bytes, of which a narrow guest means the lower half (the nanoseconds beside a 64-bit second).
constexpr Member member_of(char letter) {
  switch (letter) {
    case 'b':
      return {{1, 1}, {1, 1}, Member::kSigned};
    case 'B':
      return {{1, 1}, {1, 1}, Member::kUnsigned};
    case 'h':
      return {{2, 2}, {2, 2}, Member::kSigned};
    case 'H':
      return {{2, 2}, {2, 2}, Member::kUnsigned};
    case 'i':
      return {{4, 4}, {4, 4}, Member::kSigned};
    case 'I':
      return {{4, 4}, {4, 4}, Member::kUnsigned};
    case 'q':
      return {{8, 8}, {8, 8}, Member::kSigned};
    case 'Q':
      return {{8, 8}, {8, 8}, Member::kUnsigned};
    case 'n':
      return {{8, 8}, {8, 8}, Member::kLowHalf};
    case 'T':
      return {{8, 8}, {4, 8}, Member::kSigned};
    case 'l':
      return {{4, 8}, {4, 8}, Member::kSigned};
    case 'R':
      return {{4, 8}, {4, 8}, Member::kLimit};
    default:  // L P
      return {{4, 8}, {4, 8}, Member::kUnsigned};
  }
}

class Layout {
 public:
  // `host_bytes`: of the host's structure, if that is longer than its members.
  constexpr explicit Layout(std::string_view members, size_t host_bytes = 0) : members_(members) {
    each([&](const Member &member, size_t guest, size_t host) {
      align_ = member.align[0] > align_ ? member.align[0] : align_;
      host_align_ = member.align[1] > host_align_ ? member.align[1] : host_align_;
      guest_bytes_ = guest + member.bytes[0];
      host_bytes_ = host + member.bytes[1];
    });
    guest_bytes_ = (guest_bytes_ + align_ - 1) / align_ * align_;
    host_bytes_ = (host_bytes_ + host_align_ - 1) / host_align_ * host_align_;
    if (host_bytes > host_bytes_) host_bytes_ = host_bytes;
  }
  // One of several layouts, by what the record says; of the same size, `bytes`.
  constexpr Layout(const Layout &(*choose)(const void *record), size_t bytes)
      : choose_(choose), guest_bytes_(bytes), host_bytes_(bytes) {}

  constexpr size_t guest_bytes() const { return guest_bytes_; }
  constexpr size_t host_bytes() const { return host_bytes_; }
  void to_host(void *host, const void *guest) const;
  void to_guest(void *guest, const void *host) const;

 private:
  // Calls visit(member, its offset in the guest's structure, in the host's) for each member. `|` begins a
  // union with a pointer in it.
  template <typename F>
  constexpr void each(F visit) const {
    size_t guest = 0, host = 0, count = 0;
    auto aligned = [](size_t at, size_t align) { return (at + align - 1) / align * align; };
    for (char c : members_) {
      if (c >= '0' && c <= '9') {
        count = 10 * count + static_cast<size_t>(c - '0');
        continue;
      }
      if (c == '|') {
        guest = aligned(guest, kNarrowWord), host = aligned(host, kHostWord);
        continue;
      }
      const Member member = member_of(c);
      for (size_t i = 0; i < (count ? count : 1); i++) {
        guest = aligned(guest, member.align[0]), host = aligned(host, member.align[1]);
        visit(member, guest, host);
        guest += member.bytes[0], host += member.bytes[1];
      }
      count = 0;
    }
  }

  std::string_view members_;
  const Layout &(*choose_)(const void *record) = nullptr;
  unsigned align_ = 1, host_align_ = 1;
  size_t guest_bytes_ = 0, host_bytes_ = 0;
};

// The host's size is its header's: a mistake in the members does not compile.
template <typename T>
constexpr bool fits(const Layout &layout) {
  return layout.host_bytes() == sizeof(T);
}

inline constexpr Layout kTimespec("2l"), kItimerspec("4l"), kTimeval("2l"), kItimerval("4l"), kTime("l");
inline constexpr Layout kTimespec64("qn"), kItimerspec64("qnqn");
inline constexpr Layout kRusage("18l"), kTms("4l"), kRlimit("2R"), kIovec("PL"), kStack("PiL");
inline constexpr Layout kFlock("2h2li"), kSysinfo("l9L2H2LI");
inline constexpr Layout kStatfs("2l5L2i7L"), kStatfs64("2l5Q2i7L");
inline constexpr Layout kUstat("iL12B");
inline constexpr Layout kMqAttr("8l"), kSigevent("P3i", sizeof(sigevent));
inline constexpr Layout kSignalSet("PL");     // pselect6's last argument
inline constexpr Layout kMessage("PIPLPLI");  // struct msghdr
inline constexpr Layout kSemid("i5I2H2L7L"), kShmid("i5I2H2LL3T2i3L"), kMsqid("i5I2H2L3T3L2i2L");
inline constexpr Layout kShmInfo("i5L"), kShmLimits("9L");
extern const Layout kSigInfo;

static_assert(fits<timespec>(kTimespec) && fits<itimerspec>(kItimerspec) && fits<timespec>(kTimespec64));
static_assert(fits<rusage>(kRusage) && fits<tms>(kTms) && fits<rlimit>(kRlimit) && fits<iovec>(kIovec));
static_assert(fits<stack_t>(kStack) && fits<flock>(kFlock) && fits<struct sysinfo>(kSysinfo));
static_assert(fits<struct statfs>(kStatfs) && fits<struct statfs>(kStatfs64) && fits<mq_attr>(kMqAttr));
static_assert(fits<semid_ds>(kSemid) && fits<shmid_ds>(kShmid) && fits<msqid_ds>(kMsqid));
static_assert(kTimespec.guest_bytes() == 8 && kTimespec64.guest_bytes() == 16 && kRusage.guest_bytes() == 72);
static_assert(kFlock.guest_bytes() == 16 && kStack.guest_bytes() == 12 && kStatfs64.guest_bytes() == 88);
static_assert(kSemid.guest_bytes() == 64 && kShmid.guest_bytes() == 84 && kMsqid.guest_bytes() == 88);

}  // namespace pyqemu::user
