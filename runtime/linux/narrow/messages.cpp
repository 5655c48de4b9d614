// sendmsg and recvmsg: a message's header leads to buffers and to control messages, whose headers have words
// in them.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "../guest_memory.hpp"
#include "narrow.hpp"

namespace pyqemu::user {
namespace {

constexpr Layout kControl("L2i");  // struct cmsghdr
constexpr size_t kGuestHeader = kControl.guest_bytes(), kHostHeader = kControl.host_bytes();
constexpr uint64_t kMostControl = 1 << 16;
constexpr uint64_t kMostMessages = 1024;  // UIO_MAXIOV
static_assert(fits<msghdr>(kMessage) && fits<cmsghdr>(kControl));

size_t aligned(size_t bytes, size_t word) {
  return (bytes + word - 1) / word * word;
}

// Times with words, as options of the old numbers ask for them; other contents are the same.
const Layout *contents_of(const cmsghdr &header) {
  static constexpr Layout kStamp("2l"), kStamps("6l");
  constexpr int kTimestamp = 29, kTimestampNs = 35, kTimestamping = 37;  // SO_…_OLD
  if (header.cmsg_level != SOL_SOCKET) return nullptr;
  if (header.cmsg_type == kTimestamp || header.cmsg_type == kTimestampNs) return &kStamp;
  return header.cmsg_type == kTimestamping ? &kStamps : nullptr;
}

// A message as the host's, for as long as a call runs.
class Message {
 public:
  // -errno, or 0. `receiving`: control messages are not read, but room is made for them.
  int64_t read(Scratch *scratch, uint64_t address, bool receiving);
  // After it was received: what the host has written.
  int64_t write();

  msghdr host;

 private:
  int64_t read_control(Scratch *scratch, uint64_t bytes);
  bool write_control();

  uint64_t address_ = 0, control_ = 0, control_bytes_ = 0;
};

int64_t Message::read(Scratch *scratch, uint64_t address, bool receiving) {
  address_ = address;
  if (!read_record(kMessage, &host, address)) return -EFAULT;
  int64_t error = 0;
  if (host.msg_iovlen > kMostMessages) return -EMSGSIZE;
  host.msg_iov =
      reinterpret_cast<iovec *>(read_iovecs(scratch, host_address(host.msg_iov), host.msg_iovlen, &error));
  if (error < 0) return error;
  control_ = host_address(host.msg_control);
  control_bytes_ = host.msg_controllen;
  if (control_bytes_ > INT32_MAX) return -ENOBUFS;
  if (!control_ || !control_bytes_) return 0;
  if (!receiving) return read_control(scratch, control_bytes_);
  // All that the guest has room for fits, as each header of the host's takes 4 bytes more and each end up
  // to 4.
  host.msg_controllen =
      std::min(control_bytes_, kMostControl) / kGuestHeader * 8 + std::min(control_bytes_, kMostControl);
  host.msg_control = scratch->allocate(host.msg_controllen);
  return 0;
}

int64_t Message::read_control(Scratch *scratch, uint64_t bytes) {
  if (bytes > kMostControl) return -ENOBUFS;
  auto *from = static_cast<char *>(scratch->allocate(bytes));
  if (!read_guest(from, control_, bytes)) return -EFAULT;
  auto *to = static_cast<char *>(scratch->allocate(2 * bytes + kHostHeader));
  size_t used = 0;
  for (size_t at = 0; at + kGuestHeader <= bytes;) {
    cmsghdr header;
    kControl.to_host(&header, from + at);
    const size_t length = header.cmsg_len;
    if (length < kGuestHeader || length > bytes - at) return -EINVAL;
    const size_t size = length - kGuestHeader;
    header.cmsg_len = kHostHeader + size;
    memcpy(to + used, &header, kHostHeader);
    memcpy(to + used + kHostHeader, from + at + kGuestHeader, size);
    memset(to + used + kHostHeader + size, 0, aligned(size, kHostWord) - size);
    used += kHostHeader + aligned(size, kHostWord);
    at += aligned(length, kNarrowWord);
  }
  host.msg_control = to;
  host.msg_controllen = used;
  return 0;
}

// What does not fit is cut off as the kernel does it; descriptors that are cut off are closed.
bool Message::write_control() {
  const auto *from = static_cast<const char *>(host.msg_control);
  uint64_t used = 0;
  for (size_t at = 0; at + kHostHeader <= host.msg_controllen;) {
    cmsghdr header;
    memcpy(&header, from + at, sizeof header);
    if (header.cmsg_len < kHostHeader || header.cmsg_len > host.msg_controllen - at) break;
    const size_t length = header.cmsg_len;
    const char *data = from + at + kHostHeader;
    size_t size = length - kHostHeader;
    char narrowed[64];
    const Layout *contents = contents_of(header);
    if (contents && size >= contents->host_bytes()) {
      contents->to_guest(narrowed, data);
      data = narrowed;
      size = contents->guest_bytes();
    }
    const uint64_t room = control_bytes_ - used;
    size_t fits = room < kGuestHeader ? 0 : std::min<size_t>(size, room - kGuestHeader);
    if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS) {
      fits -= fits % sizeof(int);
      for (size_t i = fits; i + sizeof(int) <= size; i += sizeof(int)) {
        int fd;
        memcpy(&fd, data + i, sizeof fd);
        close(fd);
      }
    }
    if (fits < size) host.msg_flags |= MSG_CTRUNC;
    if (room < kGuestHeader || (size && !fits)) break;
    header.cmsg_len = kGuestHeader + fits;
    if (!write_record(kControl, control_ + used, &header)) return false;
    if (!write_guest(control_ + used + kGuestHeader, data, fits)) return false;
    used = std::min<uint64_t>(used + aligned(kGuestHeader + fits, kNarrowWord), control_bytes_);
    at += aligned(length, kHostWord);
    if (fits < size) break;
  }
  host.msg_controllen = used;
  return true;
}

int64_t Message::write() {
  if (host.msg_control && control_ && !write_control()) return -EFAULT;
  struct Parts {
    uint32_t name_bytes, control_bytes, flags;
  } parts = {host.msg_namelen, static_cast<uint32_t>(host.msg_controllen),
             static_cast<uint32_t>(host.msg_flags)};
  constexpr uint64_t kNameBytes = 4, kControlBytes = 20, kFlags = 24;
  bool good = put_guest(address_ + kNameBytes, parts.name_bytes) &&
              put_guest(address_ + kControlBytes, parts.control_bytes) &&
              put_guest(address_ + kFlags, parts.flags);
  return good ? 0 : -EFAULT;
}

// Several messages, each with the number of bytes that went over behind it.
int64_t many(Thread &thread, Arguments a, const Syscall &target, bool receiving) {
  constexpr size_t kEach = kMessage.guest_bytes() + sizeof(uint32_t);
  const uint64_t count = std::min(a[2] & 0xffffffff, kMostMessages);
  Scratch scratch;
  auto messages = std::make_unique<Message[]>(count);
  auto *host = static_cast<mmsghdr *>(scratch.allocate(count * sizeof(mmsghdr)));
  for (uint64_t i = 0; i < count; i++) {
    int64_t error = messages[i].read(&scratch, a[1] + i * kEach, receiving);
    if (error < 0) return error;
    host[i] = {messages[i].host, 0};
  }
  const uint64_t arguments[6] = {a[0], host_address(host), count, a[3], a[4]};
  int64_t done = make_call(thread, target, arguments);
  for (int64_t i = 0; i < done; i++) {
    messages[i].host = host[i].msg_hdr;
    if (receiving)
      if (int64_t error = messages[i].write(); error < 0) return error;
    const uint64_t length = a[1] + static_cast<uint64_t>(i) * kEach + kMessage.guest_bytes();
    if (!put_guest(length, host[i].msg_len)) return -EFAULT;
  }
  return done;
}

}  // namespace

int64_t narrow_sendmsg(Thread &thread, Arguments a, const Syscall &target) {
  Scratch scratch;
  Message message;
  if (int64_t error = message.read(&scratch, a[1], false); error < 0) return error;
  const uint64_t arguments[6] = {a[0], host_address(&message.host), a[2]};
  return make_call(thread, target, arguments);
}

int64_t narrow_recvmsg(Thread &thread, Arguments a, const Syscall &target) {
  Scratch scratch;
  Message message;
  if (int64_t error = message.read(&scratch, a[1], true); error < 0) return error;
  const uint64_t arguments[6] = {a[0], host_address(&message.host), a[2]};
  int64_t result = make_call(thread, target, arguments);
  if (result < 0) return result;
  int64_t error = message.write();
  return error < 0 ? error : result;
}

int64_t narrow_sendmmsg(Thread &thread, Arguments a, const Syscall &target) {
  return many(thread, a, target, false);
}

int64_t narrow_recvmmsg(Thread &thread, Arguments a, const Syscall &target) {
  return many(thread, a, target, true);
}

}  // namespace pyqemu::user
