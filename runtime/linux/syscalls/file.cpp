// Files by name: opening, looking at, making, renaming and removing them.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"
#include "../open_flags.hpp"
#include "../paths.hpp"

namespace pyqemu::user {
namespace {

int64_t open_at(Thread &thread, uint64_t directory, uint64_t path, uint64_t flags, uint64_t mode) {
  flags = open_flags_to_host(thread, flags);
  ProcFile proc = proc_file(path);
  if (proc != ProcFile::kNone && proc != ProcFile::kExe)
    return open_proc_file(thread, proc, static_cast<int>(flags));
  PathBuffer buffer;
  return blocking_call(thread, SYS_openat, directory, translate_path(thread, path, &buffer), flags, mode);
}

int64_t sys_openat(Thread &thread, Arguments a) {
  return open_at(thread, a[0], a[1], a[2], a[3]);
}

int64_t sys_open(Thread &thread, Arguments a) {
  return open_at(thread, static_cast<uint64_t>(AT_FDCWD), a[0], a[1], a[2]);
}

int64_t sys_creat(Thread &thread, Arguments a) {
  PathBuffer buffer;
  return blocking_call(thread, SYS_creat, translate_path(thread, a[0], &buffer), a[1]);
}

int64_t sys_openat2(Thread &thread, Arguments a) {
  struct OpenHow {
    uint64_t flags, mode, resolve;
  } how;
  if (a[3] < sizeof how) return -EINVAL;
  if (a[3] > sizeof how) return -E2BIG;
  if (!get_guest(&how, a[2])) return -EFAULT;
  how.flags = open_flags_to_host(thread, how.flags);
  PathBuffer buffer;
  return blocking_call(thread, SYS_openat2, a[0], translate_path(thread, a[1], &buffer),
                       reinterpret_cast<uint64_t>(&how), sizeof how);
}

enum StatField {
  kDev,
  kIno,
  kInoLow,
  kMode,
  kNlink,
  kUid,
  kGid,
  kRdev,
  kSize,
  kBlksize,
  kBlocks,
  kAtime,
  kAtimeNs,
  kMtime,
  kMtimeNs,
  kCtime,
  kCtimeNs,
};
constexpr const char *kStatFields[] = {
    "st_dev",        "st_ino",   "st_ino_low",    "st_mode",    "st_nlink",     "st_uid",
    "st_gid",        "st_rdev",  "st_size",       "st_blksize", "st_blocks",    "st_atime",
    "st_atime_nsec", "st_mtime", "st_mtime_nsec", "st_ctime",   "st_ctime_nsec"};
StructLayout g_stat("stat", kStatFields, std::size(kStatFields));
StructLayout g_stat64("stat64", kStatFields, std::size(kStatFields));  // of guests with two

int64_t put_stat(const Thread &thread, StructLayout &layout, const struct stat &from, uint64_t address) {
  layout.load(thread.guest->abi);
  if (layout.same()) return put_guest(address, from) ? 0 : -EFAULT;
  const uint64_t values[] = {from.st_dev,
                             from.st_ino,
                             from.st_ino,
                             from.st_mode,
                             from.st_nlink,
                             from.st_uid,
                             from.st_gid,
                             from.st_rdev,
                             static_cast<uint64_t>(from.st_size),
                             static_cast<uint64_t>(from.st_blksize),
                             static_cast<uint64_t>(from.st_blocks),
                             static_cast<uint64_t>(from.st_atim.tv_sec),
                             static_cast<uint64_t>(from.st_atim.tv_nsec),
                             static_cast<uint64_t>(from.st_mtim.tv_sec),
                             static_cast<uint64_t>(from.st_mtim.tv_nsec),
                             static_cast<uint64_t>(from.st_ctim.tv_sec),
                             static_cast<uint64_t>(from.st_ctim.tv_nsec)};
  char record[512] = {};
  if (layout.size() > sizeof record) return -EOVERFLOW;
  if (!layout.fits(kSize, values[kSize]) || !layout.fits(kIno, values[kIno])) return -EOVERFLOW;
  for (size_t i = 0; i < std::size(values); i++) layout.put(record, i, values[i]);
  return write_guest(address, record, layout.size()) ? 0 : -EFAULT;
}

template <StructLayout &layout>
int64_t sys_fstat(Thread &thread, Arguments a) {
  struct stat status;
  int64_t result = host::system_call(SYS_fstat, a[0], reinterpret_cast<uint64_t>(&status));
  return result < 0 ? result : put_stat(thread, layout, status, a[1]);
}

int64_t stat_at(Thread &thread, StructLayout &layout, uint64_t directory, uint64_t path, uint64_t address,
                uint64_t flags) {
  struct stat status;
  PathBuffer buffer;
  // Only a stat that follows links sees the guest's program behind /proc/self/exe.
  if (!(flags & AT_SYMLINK_NOFOLLOW)) path = translate_path(thread, path, &buffer);
  int64_t result =
      host::system_call(SYS_newfstatat, directory, path, reinterpret_cast<uint64_t>(&status), flags);
  return result < 0 ? result : put_stat(thread, layout, status, address);
}

template <StructLayout &layout>
int64_t sys_fstatat(Thread &thread, Arguments a) {
  return stat_at(thread, layout, a[0], a[1], a[2], a[3]);
}

template <StructLayout &layout>
int64_t sys_stat(Thread &thread, Arguments a) {
  return stat_at(thread, layout, static_cast<uint64_t>(AT_FDCWD), a[0], a[1], 0);
}

template <StructLayout &layout>
int64_t sys_lstat(Thread &thread, Arguments a) {
  return stat_at(thread, layout, static_cast<uint64_t>(AT_FDCWD), a[0], a[1], AT_SYMLINK_NOFOLLOW);
}

int64_t read_link(Thread &thread, uint64_t directory, uint64_t path, uint64_t to, uint64_t size) {
  if (proc_file(path) == ProcFile::kExe) {
    if (static_cast<int>(size) <= 0) return -EINVAL;
    const std::string &target = thread.guest->executable;
    size_t bytes = std::min<size_t>(target.size(), size);
    return write_guest(to, target.data(), bytes) ? static_cast<int64_t>(bytes) : -EFAULT;
  }
  PathBuffer buffer;
  return host::system_call(SYS_readlinkat, directory, translate_path(thread, path, &buffer), to, size);
}

int64_t sys_readlinkat(Thread &thread, Arguments a) {
  return read_link(thread, a[0], a[1], a[2], a[3]);
}

int64_t sys_readlink(Thread &thread, Arguments a) {
  return read_link(thread, static_cast<uint64_t>(AT_FDCWD), a[0], a[1], a[2]);
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("openat", sys_openat),
    own("open", sys_open),
    own("creat", sys_creat),
    own("openat2", sys_openat2),
    own("fstat", sys_fstat<g_stat>),
    own("newfstatat", sys_fstatat<g_stat>),
    own("stat", sys_stat<g_stat>),
    own("lstat", sys_lstat<g_stat>),
    own("fstat64", sys_fstat<g_stat64>),
    own("fstatat64", sys_fstatat<g_stat64>),
    own("stat64", sys_stat<g_stat64>),
    own("lstat64", sys_lstat<g_stat64>),
    own("readlinkat", sys_readlinkat),
    own("readlink", sys_readlink),
    pass("statx", SYS_statx, 2),
    pass("ustat", SYS_ustat),
    pass("sysfs", SYS_sysfs),
    pass("statfs", SYS_statfs, 1),
    pass("fstatfs", SYS_fstatfs),
    pass("faccessat", SYS_faccessat, 2),
    pass("faccessat2", SYS_faccessat2, 2),
    pass("access", SYS_access, 1),
    pass("fchmodat", SYS_fchmodat, 2),
    pass("fchownat", SYS_fchownat, 2),
    pass("fchmod", SYS_fchmod),
    pass("fchown", SYS_fchown),
    pass("chmod", SYS_chmod, 1),
    pass("chown", SYS_chown, 1),
    pass("lchown", SYS_lchown, 1),
    pass("mkdirat", SYS_mkdirat),
    pass("mkdir", SYS_mkdir),
    pass("rmdir", SYS_rmdir),
    pass("mknodat", SYS_mknodat),
    pass("mknod", SYS_mknod),
    pass("unlinkat", SYS_unlinkat, 2),
    pass("unlink", SYS_unlink, 1),
    pass("renameat", SYS_renameat, 2),
    pass("renameat2", SYS_renameat2, 2),
    pass("rename", SYS_rename, 1),
    pass("linkat", SYS_linkat, 2),
    pass("link", SYS_link, 1),
    pass("symlinkat", SYS_symlinkat),
    pass("symlink", SYS_symlink),
    pass("truncate", SYS_truncate, 1),
    pass("chdir", SYS_chdir, 1),
    pass("fchdir", SYS_fchdir),
    pass("chroot", SYS_chroot, 1),
    pass("getcwd", SYS_getcwd),
    pass("utimensat", SYS_utimensat, 2),
    pass("utimes", SYS_utimes, 1),
    pass("utime", SYS_utime, 1),
    pass("futimesat", SYS_futimesat, 2),
    waits("getdents64", SYS_getdents64),
    pass("mount", SYS_mount),
    pass("umount2", SYS_umount2),
    pass("pivot_root", SYS_pivot_root),
    pass("umask", SYS_umask),
    pass("name_to_handle_at", SYS_name_to_handle_at),
    pass("open_by_handle_at", SYS_open_by_handle_at),
    pass("getxattr", SYS_getxattr, 1),
    pass("lgetxattr", SYS_lgetxattr, 1),
    pass("fgetxattr", SYS_fgetxattr),
    pass("setxattr", SYS_setxattr, 1),
    pass("lsetxattr", SYS_lsetxattr, 1),
    pass("fsetxattr", SYS_fsetxattr),
    pass("listxattr", SYS_listxattr, 1),
    pass("llistxattr", SYS_llistxattr, 1),
    pass("flistxattr", SYS_flistxattr),
    pass("removexattr", SYS_removexattr, 1),
    pass("lremovexattr", SYS_lremovexattr, 1),
    pass("fremovexattr", SYS_fremovexattr),
    pass("quotactl", SYS_quotactl),
    pass("acct", SYS_acct),
    pass("swapon", SYS_swapon),
    pass("swapoff", SYS_swapoff),
}));

}  // namespace

std::span<const Syscall> file_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
