// Calls of older 32-bit ABIs that were replaced when words grew or signals became more than 32.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "../guest_memory.hpp"
#include "../signals.hpp"
#include "narrow.hpp"

namespace pyqemu::user {
namespace {

// A set of the first 32 signals.
using OldSet = uint32_t;

enum ActionField { kHandler, kMask, kFlags, kRestorer };
constexpr const char *kActionFields[] = {"sa_handler", "sa_mask", "sa_flags", "sa_restorer"};
StructLayout g_action("old_sigaction", kActionFields, std::size(kActionFields));

// Where the name is in the narrow struct linux_dirent; the type is the record's last byte.
constexpr size_t kNarrowName = 10;
constexpr size_t kMostEntry =
    offsetof(dirent64, d_name) + 256 + 7;  // a name, its end, and up to the next record

size_t narrow_bytes(const dirent64 &entry) {
  return (kNarrowName + strlen(entry.d_name) + 1 + 1 + kNarrowWord - 1) & ~size_t{kNarrowWord - 1};
}

// False for a bad address.
bool write_entry(const dirent64 &entry, uint64_t address) {
  char record[kMostEntry] = {};
  const size_t bytes = narrow_bytes(entry);
  const uint32_t words[] = {static_cast<uint32_t>(entry.d_ino), static_cast<uint32_t>(entry.d_off)};
  const uint16_t size = static_cast<uint16_t>(bytes);
  memcpy(record, words, sizeof words);
  memcpy(record + sizeof words, &size, sizeof size);
  memcpy(record + kNarrowName, entry.d_name, strlen(entry.d_name));
  record[bytes - 1] = static_cast<char>(entry.d_type);
  return write_guest(address, record, bytes);
}

}  // namespace

int64_t old_sigaction(Thread &thread, Arguments a, const Syscall &) {
  g_action.load(thread.guest->abi);
  if (g_action.same()) return -ENOSYS;
  GuestAction action = {}, old = {};
  char record[64] = {};
  if (a[1]) {
    if (!read_guest(record, a[1], g_action.size())) return -EFAULT;
    action = {g_action.get(record, kHandler), g_action.get(record, kFlags), g_action.get(record, kRestorer),
              g_action.get(record, kMask)};
  }
  const int64_t result =
      set_action(thread, static_cast<int>(a[0]), a[1] ? &action : nullptr, a[2] ? &old : nullptr);
  if (result < 0 || !a[2]) return result;
  g_action.put(record, kHandler, old.handler);
  g_action.put(record, kMask, static_cast<OldSet>(old.mask));
  g_action.put(record, kFlags, old.flags);
  g_action.put(record, kRestorer, old.restorer);
  return write_guest(a[2], record, g_action.size()) ? 0 : -EFAULT;
}

// The other signals stay as they are, also where the mask is set.
int64_t old_sigprocmask(Thread &thread, Arguments a, const Syscall &target) {
  OldSet set = 0;
  if (a[1] && !get_guest(&set, a[1])) return -EFAULT;
  const int how = static_cast<int>(a[0]);
  uint64_t wide = set | (how == SIG_SETMASK ? thread.mask & ~uint64_t{UINT32_MAX} : 0), old = 0;
  const uint64_t arguments[6] = {a[0], a[1] ? host_address(&wide) : 0, host_address(&old), sizeof wide};
  const int64_t result = make_call(thread, target, arguments);
  if (result < 0 || !a[2]) return result;
  return put_guest(a[2], static_cast<OldSet>(old)) ? result : -EFAULT;
}

int64_t old_sigpending(Thread &thread, Arguments a, const Syscall &target) {
  uint64_t set = 0;
  const uint64_t arguments[6] = {host_address(&set), sizeof set};
  if (int64_t result = make_call(thread, target, arguments); result < 0) return result;
  return put_guest(a[0], static_cast<OldSet>(set)) ? 0 : -EFAULT;
}

// The mask is the third argument itself; two that came before it mean nothing any more.
int64_t old_sigsuspend(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t mask = static_cast<OldSet>(a[2]);
  const uint64_t arguments[6] = {host_address(&mask), sizeof mask};
  return make_call(thread, target, arguments);
}

// The host's entries are longer, so it may be asked for as many bytes; if there is room for less than its
// longest one, some may be left over, and the directory is read again from these on.
int64_t old_getdents(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t room = static_cast<uint32_t>(a[2]);
  const size_t bytes = std::clamp<size_t>(room, kMostEntry, 1 << 16);
  Scratch scratch;
  char *entries = static_cast<char *>(scratch.allocate(bytes));
  const off_t start = lseek(static_cast<int>(a[0]), 0, SEEK_CUR);
  const uint64_t arguments[6] = {a[0], host_address(entries), bytes};
  const int64_t got = make_call(thread, target, arguments);
  if (got <= 0) return got;
  uint64_t written = 0;
  off_t next = start;
  for (size_t at = 0; at < static_cast<size_t>(got);) {
    const dirent64 &entry = *reinterpret_cast<const dirent64 *>(entries + at);
    const bool fits = written + narrow_bytes(entry) <= room;
    if (!fits || !write_entry(entry, a[1] + written)) {
      lseek(static_cast<int>(a[0]), next, SEEK_SET);
      return written ? static_cast<int64_t>(written) : fits ? -EFAULT : -EINVAL;
    }
    written += narrow_bytes(entry);
    next = entry.d_off;
    at += entry.d_reclen;
  }
  return static_cast<int64_t>(written);
}

}  // namespace pyqemu::user
