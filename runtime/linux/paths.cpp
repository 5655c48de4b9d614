// Translates guest paths and makes the guest's view of /proc/self.
#include "paths.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "cpu_info.hpp"
#include "guest_memory.hpp"
#include "hosts/host.hpp"

namespace pyqemu::user {
namespace {

// What follows /proc/self/ or /proc/PID/ with our own PID, or null.
const char *own_proc(const char *path) {
  if (strncmp(path, "/proc/", 6) != 0) return nullptr;
  path += 6;
  for (const char *self : {"self/", "thread-self/"})
    if (strncmp(path, self, strlen(self)) == 0) return path + strlen(self);
  char pid[16];
  int size = snprintf(pid, sizeof pid, "%d/", getpid());
  return strncmp(path, pid, static_cast<size_t>(size)) == 0 ? path + size : nullptr;
}

// Host's lines of /proc/self/maps that are the guest's, with the guest's protection.
void write_maps(Thread &thread, int out) {
  std::vector<Mapping> mappings = thread.guest->space.snapshot();
  std::string text;
  int in = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (in < 0) return;
  char piece[16384];
  for (ssize_t got; (got = read(in, piece, sizeof piece)) > 0;) text.append(piece, static_cast<size_t>(got));
  close(in);
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(at, end - at);
    at = end + 1;
    unsigned long start, stop, offset;
    char prot[8];
    int rest = 0;
    if (sscanf(line.c_str(), "%lx-%lx %7s %lx%n", &start, &stop, prot, &offset, &rest) < 4) continue;
    for (const Mapping &mapping : mappings) {
      uint64_t low = std::max<uint64_t>(start, mapping.start), high = std::min<uint64_t>(stop, mapping.end);
      if (low >= high) continue;
      bool stack = thread.guest->stack_top >= low && thread.guest->stack_top < high;
      bool file = line.find('/') != std::string::npos;
      char head[256];
      snprintf(head, sizeof head, "%08lx-%08lx %c%c%c%c %08lx", low, high,
               mapping.prot & PROT_READ ? 'r' : '-', mapping.prot & PROT_WRITE ? 'w' : '-',
               mapping.prot & PROT_EXEC ? 'x' : '-', prot[3], file ? offset + (low - start) : 0);
      result += head;
      result += stack ? " 00:00 0                          [stack]" : line.c_str() + rest;
      result += '\n';
    }
  }
  if (write(out, result.data(), result.size()) < 0) return;
}

}  // namespace

uint64_t translate_path(Thread &thread, uint64_t address, PathBuffer *buffer) {
  const Options &options = *thread.guest->options;
  char first[7];
  bool proc = read_guest(first, address, 6) && memcmp(first, "/proc/", 6) == 0;
  if (!proc && !options.ld_prefix) return address;
  int64_t length = read_guest_string(buffer->text, address, sizeof buffer->text);
  if (length < 0) return address;
  if (proc) {
    const char *rest = own_proc(buffer->text);
    if (!rest || strcmp(rest, "exe") != 0) return address;
    snprintf(buffer->text, sizeof buffer->text, "%s", thread.guest->executable.c_str());
    return reinterpret_cast<uint64_t>(buffer->text);
  }
  size_t prefix = strlen(options.ld_prefix);
  if (buffer->text[0] != '/' || prefix + static_cast<size_t>(length) + 1 > sizeof buffer->text)
    return address;
  memmove(buffer->text + prefix, buffer->text, static_cast<size_t>(length) + 1);
  memcpy(buffer->text, options.ld_prefix, prefix);
  return access(buffer->text, F_OK) == 0 ? reinterpret_cast<uint64_t>(buffer->text) : address;
}

ProcFile proc_file(uint64_t address) {
  char path[64];
  if (!read_guest(path, address, 6) || memcmp(path, "/proc/", 6) != 0) return ProcFile::kNone;
  if (read_guest_string(path, address, sizeof path) < 0) return ProcFile::kNone;
  if (strcmp(path, "/proc/cpuinfo") == 0) return ProcFile::kCpuInfo;
  const char *rest = own_proc(path);
  if (!rest) return ProcFile::kNone;
  static constexpr struct {
    const char *name;
    ProcFile file;
  } kFiles[] = {{"exe", ProcFile::kExe},
                {"maps", ProcFile::kMaps},
                {"cmdline", ProcFile::kCmdline},
                {"auxv", ProcFile::kAuxv}};
  for (const auto &file : kFiles)
    if (strcmp(rest, file.name) == 0) return file.file;
  return ProcFile::kNone;
}

int64_t open_proc_file(Thread &thread, ProcFile which, int flags) {
  const Guest &guest = *thread.guest;
  std::string text;
  if (which == ProcFile::kCpuInfo && (text = cpu_info(thread)).empty())
    return host::system_call(SYS_open, reinterpret_cast<uint64_t>("/proc/cpuinfo"),
                             static_cast<uint64_t>(flags));
  int64_t fd = host::system_call(SYS_memfd_create, reinterpret_cast<uint64_t>("proc"),
                                 flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
  if (fd < 0) return fd;
  int out = static_cast<int>(fd);
  uint64_t start = 0, size = 0;
  if (which == ProcFile::kMaps) write_maps(thread, out);
  if (which == ProcFile::kCmdline) start = guest.args, size = guest.args_end - guest.args;
  if (which == ProcFile::kAuxv) start = guest.auxv, size = guest.auxv_bytes;
  if (!text.empty()) start = reinterpret_cast<uint64_t>(text.data()), size = text.size();
  if (size) host::system_call(SYS_write, static_cast<uint64_t>(fd), start, size);
  lseek(out, 0, SEEK_SET);
  return fd;
}

}  // namespace pyqemu::user
