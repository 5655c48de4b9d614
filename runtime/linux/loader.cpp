// Maps programs as the kernel's binfmt_elf and binfmt_script do.
#include "loader.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "guest_memory.hpp"
#include "log.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kPage = 4096;
// Where position-independent programs go, and up; the second if the first is taken (by a sanitizer's shadow,
// say). Room for the break is above either.
constexpr uint64_t kProgramBases[] = {0x5500000000, 0x200000000000};
constexpr uint64_t kLowBases[] = {0x40000000, 0x10000000};  // of guests with 32-bit addresses
constexpr int kScriptDepth = 5;

bool fail(LoadFailure *failure, int exit_code, const std::string &path, const char *what) {
  constexpr size_t kShown = 2000;  // of an endless path, so that the reason is seen too
  failure->exit_code = exit_code;
  failure->text = (path.size() > kShown ? path.substr(0, kShown) + "..." : path) + ": " + what;
  return false;
}

int segment_prot(const Elf64_Phdr &segment) {
  return (segment.p_flags & PF_R ? PROT_READ : 0) | (segment.p_flags & PF_W ? PROT_WRITE : 0) |
         (segment.p_flags & PF_X ? PROT_EXEC : 0);
}

bool zero_guest(uint64_t address, size_t bytes) {
  static const char zeros[kPage] = {};
  return write_guest(address, zeros, bytes);
}

int64_t map_segment(AddressSpace &space, int fd, const Elf64_Phdr &segment, uint64_t bias) {
  uint64_t start = (bias + segment.p_vaddr) & ~(kPage - 1),
           file_end = bias + segment.p_vaddr + segment.p_filesz;
  uint64_t end = (bias + segment.p_vaddr + segment.p_memsz + kPage - 1) & ~(kPage - 1);
  uint64_t file_pages_end = segment.p_filesz ? (file_end + kPage - 1) & ~(kPage - 1) : start;
  int prot = segment_prot(segment);
  if (segment.p_filesz) {
    uint64_t offset = segment.p_offset & ~(kPage - 1);
    bool tail = segment.p_memsz > segment.p_filesz && file_end != file_pages_end;
    int64_t result = space.map(start, file_end - start, tail ? prot | PROT_WRITE : prot,
                               MAP_PRIVATE | MAP_FIXED, fd, static_cast<int64_t>(offset));
    if (result < 0) return result;
    if (tail && !zero_guest(file_end, file_pages_end - file_end)) return -EFAULT;
    if (tail && !(prot & PROT_WRITE))
      if (result = space.protect(start, file_pages_end - start, prot); result < 0) return result;
  }
  if (end <= file_pages_end) return 0;
  return std::min<int64_t>(
      space.map(file_pages_end, end - file_pages_end, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
      0);
}

uint64_t random_pages(bool narrow) {
  if (personality(0xffffffff) & ADDR_NO_RANDOMIZE) return 0;
  uint32_t value = 0;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value) return 0;
  return (value & (narrow ? 0xfff : 0xfffff)) * kPage;
}

int64_t reserve(AddressSpace &space, uint64_t start, uint64_t end) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  if (start >= end) return 0;
  int64_t result = space.map(start, end - start, PROT_NONE, kFlags, -1, 0);
  if (result < 0 || static_cast<uint64_t>(result) == start) return result;
  space.unmap(static_cast<uint64_t>(result), end - start);  // an old kernel took it for a hint
  return -EEXIST;
}

// The addresses that a program asks for. What lies between its segments may be in use.
int64_t reserve_segments(AddressSpace &space, const ElfImage &image) {
  uint64_t done = 0;
  for (const Elf64_Phdr &segment : image.segments) {
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    uint64_t end = (segment.p_vaddr + segment.p_memsz + kPage - 1) & ~(kPage - 1);
    int64_t result = reserve(space, std::max(done, segment.p_vaddr & ~(kPage - 1)), end);
    if (result < 0) return result;
    done = end;
  }
  return static_cast<int64_t>(image.low);
}

// Gives the bias, or -errno.
int64_t map_image(Guest &guest, int fd, const ElfImage &image, bool is_program) {
  AddressSpace &space = guest.space;
  const bool narrow = guest.abi.narrow();
  uint64_t span = image.high - image.low;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  int64_t base = -ENOMEM;
  if (!image.position_independent()) {
    base = reserve_segments(space, image);
  } else {
    for (uint64_t start : narrow ? kLowBases : kProgramBases)
      if (is_program && base < 0)
        base = space.map(start + random_pages(narrow), span, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (base < 0) base = space.map(0, span, PROT_NONE, flags, -1, 0);
  }
  if (base < 0) return base;
  uint64_t bias = static_cast<uint64_t>(base) - image.low;
  for (const Elf64_Phdr &segment : image.segments) {
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (int64_t result = map_segment(space, fd, segment, bias); result < 0) return result;
  }
  return static_cast<int64_t>(bias);
}

const char *mapping_error(int64_t error) {
  if (error == -EEXIST) return "a segment's addresses are in use";
  if (error == -EPERM) return "a segment's addresses may not be used (see vm.mmap_min_addr)";
  if (error == -ENOMEM) return "not enough memory for its segments";
  return strerror(static_cast<int>(-error));
}

void note_program(Guest &guest, const ElfImage &image, uint64_t bias, LoadedProgram *program) {
  program->entry = program->start = bias + image.header.e_entry;
  program->header_count = image.header.e_phnum;
  program->header_bytes = image.header.e_phentsize;
  program->executable_stack = image.executable_stack;
  guest.entry = program->entry;
  for (const Elf64_Phdr &segment : image.segments) {
    if (segment.p_type != PT_LOAD) continue;
    uint64_t start = bias + segment.p_vaddr, offset = image.header.e_phoff;
    if (offset >= segment.p_offset && offset - segment.p_offset < segment.p_filesz)
      program->headers = start + (offset - segment.p_offset);
    if ((segment.p_flags & PF_X) && !guest.code_start) {
      guest.code_start = start;
      guest.code_end = start + segment.p_memsz;
    }
  }
  guest.space.start_break(bias + image.high);
}

bool load_linker(Guest &guest, const ElfImage &image, LoadedProgram *program, LoadFailure *failure) {
  std::string path = prefixed(*guest.options, image.interpreter.c_str());
  int fd = open_program(path.c_str());
  if (fd < 0) {
    failure->exit_code = fd == -ENOENT || fd == -ENOTDIR ? kExitNotFound : kExitCannotRun;
    failure->text = program->path + ": its interpreter " + path + ": " + strerror(-fd);
    const char *prefix = guest.options->ld_prefix;
    if (failure->exit_code == kExitNotFound)
      failure->text += prefix ? std::string(", nor below ") + prefix : " (-L PREFIX says where to look)";
    return false;
  }
  ElfImage linker;
  const char *why;
  if (read_elf(fd, guest.abi, &linker, &why) != FileKind::kGuest) {
    close(fd);
    return fail(failure, kExitCannotRun, program->path + ": its interpreter " + path, why);
  }
  int64_t bias = map_image(guest, fd, linker, false);
  if (bias >= 0) guest.modules.loaded(fd, linker, static_cast<uint64_t>(bias) + linker.low);
  close(fd);
  if (bias < 0) return fail(failure, kExitCannotRun, path, mapping_error(bias));
  program->linker_base = static_cast<uint64_t>(bias) + linker.low;
  program->start = static_cast<uint64_t>(bias) + linker.header.e_entry;
  return true;
}

std::string path_of(int fd, const std::string &fallback) {
  char link[32], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, target, sizeof target);
  if (size > 0 && size < static_cast<ssize_t>(sizeof target))
    return std::string(target, static_cast<size_t>(size));
  if (fallback[0] == '/' || !getcwd(target, sizeof target)) return fallback;
  return std::string(target) + "/" + fallback;
}

// Opens the program; while it is a script, its interpreter with the arguments that the script's first line
// says.
int open_through_scripts(Guest &guest, ElfImage *image, LoadedProgram *program, LoadFailure *failure) {
  std::string path = program->path;
  int fd = guest.options->exec_fd;
  for (int depth = 0; depth < kScriptDepth; depth++) {
    if (fd < 0) fd = open_program(path.c_str());
    if (fd < 0) {
      bool missing = fd == -ENOENT || fd == -ENOTDIR;
      fail(failure, missing ? kExitNotFound : kExitCannotRun, path,
           fd == -EISDIR ? "is a directory" : strerror(-fd));
      return -1;
    }
    const char *why = "";
    FileKind kind = read_elf(fd, guest.abi, image, &why);
    if (kind == FileKind::kGuest) return fd;
    std::string interpreter, argument;
    bool script = kind == FileKind::kScript && read_script_line(fd, &interpreter, &argument);
    close(fd);
    fd = -1;
    if (!script) {
      fail(failure, kExitCannotRun, path, why);
      return -1;
    }
    program->arguments[0] = path;
    if (!argument.empty()) program->arguments.insert(program->arguments.begin(), argument);
    program->arguments.insert(program->arguments.begin(), interpreter);
    path = prefixed(*guest.options, interpreter.c_str());
  }
  fail(failure, kExitCannotRun, program->path, strerror(ELOOP));
  return -1;
}

}  // namespace

std::string prefixed(const Options &options, const char *path) {
  if (!options.ld_prefix || path[0] != '/') return path;
  std::string below = std::string(options.ld_prefix) + path;
  return access(below.c_str(), F_OK) == 0 ? below : path;
}

int open_program(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return -errno;
  struct stat status;
  int error = 0;
  if (fstat(fd, &status) < 0)
    error = -errno;
  else if (S_ISDIR(status.st_mode))
    error = -EISDIR;
  else if (!S_ISREG(status.st_mode) || !(status.st_mode & 0111))
    error = -EACCES;
  if (!error) return fd;
  close(fd);
  return error;
}

bool load_program(Guest &guest, LoadedProgram *program, LoadFailure *failure) {
  const Options &options = *guest.options;
  program->path = options.program;
  program->arguments.emplace_back(options.argv0 ? options.argv0 : options.program);
  for (char **argument = options.arguments; *argument; argument++) program->arguments.emplace_back(*argument);
  if (guest.abi.narrow()) guest.space.keep_low();
  ElfImage image;
  int fd = open_through_scripts(guest, &image, program, failure);
  if (fd < 0) return false;
  guest.executable = path_of(fd, program->path);
  int64_t bias = map_image(guest, fd, image, true);
  if (bias >= 0) guest.modules.loaded(fd, image, static_cast<uint64_t>(bias) + image.low);
  close(fd);
  if (bias < 0) return fail(failure, kExitCannotRun, program->path, mapping_error(bias));
  note_program(guest, image, static_cast<uint64_t>(bias), program);
  if (!image.interpreter.empty() && !load_linker(guest, image, program, failure)) return false;
  return make_stack(guest, program, failure);
}

}  // namespace pyqemu::user
