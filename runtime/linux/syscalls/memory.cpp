// The guest's address space. The rules are in address_space.cpp.
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>

#include "../dispatch.hpp"
#include "../hosts/host.hpp"

namespace pyqemu::user {
namespace {

int64_t sys_mmap(Thread &thread, Arguments a) {
  Guest &guest = *thread.guest;
  const int fd = static_cast<int>(a[4]), flags = static_cast<int>(a[3]);
  int64_t result = guest.space.map(a[0], a[1], static_cast<int>(a[2]), flags, fd, static_cast<int64_t>(a[5]));
  if (result >= 0 && (a[2] & PROT_EXEC) && !(flags & MAP_ANONYMOUS))
    guest.modules.mapped(fd, guest.abi, static_cast<uint64_t>(result), a[5]);
  return result;
}

int64_t sys_munmap(Thread &thread, Arguments a) {
  return thread.guest->space.unmap(a[0], a[1]);
}

int64_t sys_mprotect(Thread &thread, Arguments a) {
  return thread.guest->space.protect(a[0], a[1], static_cast<int>(a[2]));
}

int64_t sys_mremap(Thread &thread, Arguments a) {
  return thread.guest->space.remap(a[0], a[1], a[2], static_cast<int>(a[3]), a[4]);
}

int64_t sys_brk(Thread &thread, Arguments a) {
  return thread.guest->space.set_break(a[0]);
}

int64_t sys_madvise(Thread &thread, Arguments a) {
  return thread.guest->space.advise(a[0], a[1], static_cast<int>(a[2]));
}

// Where the instruction cache is explicit and programs leave it to the kernel: start, end.
int64_t sys_flush_icache(Thread &thread, Arguments a) {
  if (a[1] > a[0]) thread.guest->engine->invalidate(a[0], a[1] - a[0]);
  return 0;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("mmap", sys_mmap),
    own("munmap", sys_munmap),
    own("mprotect", sys_mprotect),
    own("mremap", sys_mremap),
    own("brk", sys_brk),
    own("madvise", sys_madvise),
    own("flush_icache", sys_flush_icache),
    waits("msync", SYS_msync),
    pass("mlock", SYS_mlock),
    pass("mlock2", SYS_mlock2),
    pass("munlock", SYS_munlock),
    pass("mlockall", SYS_mlockall),
    pass("munlockall", SYS_munlockall),
    pass("mincore", SYS_mincore),
    pass("mbind", SYS_mbind),
    pass("get_mempolicy", SYS_get_mempolicy),
    pass("set_mempolicy", SYS_set_mempolicy),
    pass("process_vm_readv", SYS_process_vm_readv),
    pass("process_vm_writev", SYS_process_vm_writev),
}));

}  // namespace

std::span<const Syscall> memory_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
