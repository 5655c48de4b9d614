// Done here and not by the kernel at the host thread's end: the guest may reuse the memory before that.
#include "robust_list.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <atomic>
#include <climits>

#include "guest_memory.hpp"

namespace pyqemu::user {
namespace {

constexpr int kMostEntries = 2048;  // as in the kernel

struct ListHead {
  uint64_t next;
  int64_t futex_offset;
  uint64_t pending;
};

void mark(const Thread &thread, uint64_t address) {
  uint32_t value;
  if ((address & 3) || !get_guest(&value, address)) return;
  std::atomic_ref<uint32_t> word(*static_cast<uint32_t *>(host_pointer(address)));
  while ((value & FUTEX_TID_MASK) == static_cast<uint32_t>(thread.tid)) {
    if (!word.compare_exchange_weak(value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) continue;
    if (value & FUTEX_WAITERS) host::system_call(SYS_futex, address, FUTEX_WAKE, 1);
    return;
  }
}

bool get_word(const Abi &abi, uint64_t *value, uint64_t address) {
  *value = 0;
  return read_guest(value, address, abi.word_bytes);
}

bool get_head(const Abi &abi, ListHead *head, uint64_t address) {
  if (!abi.narrow()) return get_guest(head, address);
  struct NarrowHead {
    uint32_t next;
    int32_t futex_offset;
    uint32_t pending;
  } narrow;
  if (!get_guest(&narrow, address)) return false;
  *head = {narrow.next, narrow.futex_offset, narrow.pending};
  return true;
}

void mark_all(const Thread &thread) {
  const Abi &abi = thread.guest->abi;
  uint64_t head_address = thread.robust_list;
  size_t bytes = 0;
  if (!abi.narrow())
    host::system_call(SYS_get_robust_list, 0, reinterpret_cast<uint64_t>(&head_address),
                      reinterpret_cast<uint64_t>(&bytes));
  ListHead head;
  if (!head_address || !get_head(abi, &head, head_address)) return;
  auto futex_of = [&](uint64_t entry) {
    return (entry & ~uint64_t{1}) + static_cast<uint64_t>(head.futex_offset);
  };
  uint64_t entry = head.next;
  for (int i = 0; i < kMostEntries && (entry & ~uint64_t{1}) != head_address; i++) {
    uint64_t next;
    if (!get_word(abi, &next, entry & ~uint64_t{1})) break;
    if (entry != head.pending) mark(thread, futex_of(entry));
    entry = next;
  }
  if (head.pending) mark(thread, futex_of(head.pending));
}

}  // namespace

void leave_guest_memory(Thread &thread) {
  mark_all(thread);
  thread.robust_list = 0;
  host::system_call(SYS_set_robust_list, 0, sizeof(ListHead));
  if (!thread.clear_child_tid) return;
  put_guest(thread.clear_child_tid, 0);
  host::system_call(SYS_futex, thread.clear_child_tid, FUTEX_WAKE, INT_MAX);
}

}  // namespace pyqemu::user
