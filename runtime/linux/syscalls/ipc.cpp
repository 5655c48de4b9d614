// System V and POSIX inter-process communication.
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"

namespace pyqemu::user {
namespace {

int64_t sys_shmat(Thread &thread, Arguments a) {
  uint64_t flags = a[2];
  shmid_ds status;
  int64_t result = host::system_call(SYS_shmctl, a[0], IPC_STAT, reinterpret_cast<uint64_t>(&status));
  if (result < 0 && result != -EACCES) return result;
  if (flags & SHM_REMAP) return -EINVAL;  // the host would replace whatever is there
  uint64_t address = a[1] ? a[1] : thread.guest->space.free_range(status.shm_segsz);
  result = host::system_call(SYS_shmat, a[0], address, flags & ~static_cast<uint64_t>(SHM_EXEC));
  if (result < 0) return result;
  int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
  uint64_t start = static_cast<uint64_t>(result);
  thread.guest->space.adopt(start, start + status.shm_segsz, prot);
  return result;
}

int64_t sys_shmdt(Thread &thread, Arguments a) {
  uint64_t end = thread.guest->space.end_of(a[0]);
  if (!end) return -EINVAL;
  int64_t result = host::system_call(SYS_shmdt, a[0]);
  if (result < 0) return result;
  // What the host unmapped is no longer there; neighbours that were merged with it still are.
  for (uint64_t page = a[0]; page < end; page += 4096) {
    unsigned char resident;
    if (host::system_call(SYS_mincore, page, 4096, reinterpret_cast<uint64_t>(&resident)) == 0) {
      end = page;
      break;
    }
  }
  thread.guest->space.forget(a[0], end);
  return 0;
}

enum SemField { kOtime, kCtime, kNsems };
constexpr const char *kSemFields[] = {"sem_otime", "sem_ctime", "sem_nsems"};
StructLayout g_semid("semid_ds", kSemFields, std::size(kSemFields));

int64_t sys_semctl(Thread &thread, Arguments a) {
  g_semid.load(thread.guest->abi);
  int command = static_cast<int>(a[2]) & 0xff;
  bool reads = command == IPC_STAT || command == SEM_STAT || command == SEM_STAT_ANY,
       writes = command == IPC_SET;
  if (g_semid.same() || (!reads && !writes)) return host::system_call(SYS_semctl, a);
  semid_ds status = {};
  char record[256] = {};
  if (g_semid.size() > sizeof record) return -EINVAL;
  if (writes) {  // permissions come first, and are the same
    if (!read_guest(record, a[3], g_semid.size())) return -EFAULT;
    memcpy(&status.sem_perm, record, sizeof status.sem_perm);
  }
  int64_t result = host::system_call(SYS_semctl, a[0], a[1], a[2], reinterpret_cast<uint64_t>(&status));
  if (result < 0 || writes) return result;
  memcpy(record, &status.sem_perm, sizeof status.sem_perm);
  g_semid.put(record, kOtime, static_cast<uint64_t>(status.sem_otime));
  g_semid.put(record, kCtime, static_cast<uint64_t>(status.sem_ctime));
  g_semid.put(record, kNsems, status.sem_nsems);
  return write_guest(a[3], record, g_semid.size()) ? result : -EFAULT;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("shmat", sys_shmat),
    own("shmdt", sys_shmdt),
    own("semctl", sys_semctl),
    pass("shmget", SYS_shmget),
    pass("shmctl", SYS_shmctl),
    pass("semget", SYS_semget),
    waits("semop", SYS_semop),
    waits("semtimedop", SYS_semtimedop),
    pass("msgget", SYS_msgget),
    waits("msgsnd", SYS_msgsnd),
    waits("msgrcv", SYS_msgrcv),
    pass("msgctl", SYS_msgctl),
    pass("mq_open", SYS_mq_open),
    pass("mq_unlink", SYS_mq_unlink),
    waits("mq_timedsend", SYS_mq_timedsend),
    waits("mq_timedreceive", SYS_mq_timedreceive),
    pass("mq_notify", SYS_mq_notify),
    pass("mq_getsetattr", SYS_mq_getsetattr),
}));

}  // namespace

std::span<const Syscall> ipc_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
