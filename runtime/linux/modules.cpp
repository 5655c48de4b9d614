// Which module a mapping belongs to, and where the module begins.
#include "modules.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "../core/blake2b.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kNoteBytes = 4096;  // of all notes together

std::string hex(const Blake2b::Digest &digest) {
  char text[2 * Blake2b::kDigestBytes + 1];
  for (size_t i = 0; i < digest.size(); i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
  return text;
}

// Adds what the notes hold, up to kNoteBytes.
bool add_notes(int fd, const ElfImage &image, Blake2b *hash) {
  size_t left = kNoteBytes;
  for (const Elf64_Phdr &segment : image.segments) {
    if (segment.p_type != PT_NOTE) continue;
    uint8_t bytes[kNoteBytes];
    const size_t wanted = segment.p_filesz < left ? segment.p_filesz : left;
    if (pread(fd, bytes, wanted, static_cast<off_t>(segment.p_offset)) != static_cast<ssize_t>(wanted))
      return false;
    hash->add(bytes, wanted);
    left -= wanted;
  }
  return true;
}

std::string path_of(int fd) {
  char link[32], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, target, sizeof target);
  return size > 0 && size < static_cast<ssize_t>(sizeof target)
             ? std::string(target, static_cast<size_t>(size))
             : "";
}

bool operator!=(const timespec &a, const timespec &b) {
  return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

// Two that overlap are not there at once.
bool overlap(const Module &a, const Module &b) {
  return a.origin < b.origin + b.extent && b.origin < a.origin + a.extent;
}

// Whether the page at `offset` of the file is mapped as part of this segment.
bool has_page(const Elf64_Phdr &segment, uint64_t offset) {
  return segment.p_type == PT_LOAD && (segment.p_flags & PF_X) &&
         (segment.p_offset & ~(kPage - 1)) <= offset && offset < segment.p_offset + segment.p_filesz;
}

}  // namespace

std::string module_key(int fd, const ElfImage &image) {
  struct stat status;
  if (fstat(fd, &status) < 0) return "";
  const uint64_t size = static_cast<uint64_t>(status.st_size);
  Blake2b hash;
  hash.add(&size, sizeof size).add(std::span<const uint8_t>(image.identity));
  return add_notes(fd, image, &hash) ? hex(hash.finish()) : "";
}

void Modules::set_engine(Engine *engine) {
  std::lock_guard guard(mutex_);
  engine_ = engine;
  for (Known &known : modules_) add_archives(&known);
}

void Modules::loaded(int fd, const ElfImage &image, uint64_t origin) {
  if (!noted()) return;
  Known fresh;
  fresh.module = {module_key(fd, image), with_paths_ ? path_of(fd) : "", origin, image.high - image.low};
  if (fresh.module.key.empty()) return;
  std::lock_guard guard(mutex_);
  std::erase_if(modules_, [&](const Known &other) { return overlap(other.module, fresh.module); });
  modules_.push_back(std::move(fresh));
  if (engine_) add_archives(&modules_.back());
}

void Modules::mapped(int fd, const Abi &abi, uint64_t address, uint64_t offset) {
  if (!noted()) return;
  ElfImage image;
  const char *why;
  struct stat status;
  if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) return;
  if (read_elf(fd, abi, &image, &why) != FileKind::kGuest) return;
  for (const Elf64_Phdr &segment : image.segments)
    if (has_page(segment, offset))
      return loaded(fd, image, address - offset + segment.p_offset - segment.p_vaddr + image.low);
}

bool Modules::find(uint64_t pc, Module *module) {
  std::lock_guard guard(mutex_);
  auto found = std::find_if(modules_.begin(), modules_.end(), [&](const Known &known) {
    return pc - known.module.origin < known.module.extent;
  });
  if (found == modules_.end()) return false;
  *module = found->module;
  return true;
}

bool Modules::make_folder() {
  std::lock_guard guard(mutex_);
  return folder.make();
}

void Modules::refresh() {
  std::lock_guard guard(mutex_);
  for (Known &known : modules_) add_worker_archives(&known);
}

// The worker's archives are looked at before the other one, as they were made from what programs really did.
void Modules::add_archives(Known *known) {
  Identity none;
  add_archive(*known, "aot", &none);
  add_worker_archives(known);
}

// The recent one first: it becomes a part of the other, and is removed then.
void Modules::add_worker_archives(Known *known) {
  add_archive(*known, "recent", &known->recent);
  add_archive(*known, "jit", &known->jit);
}

void Modules::add_archive(const Known &known, const char *kind, Identity *identity) {
  int fd = folder.open_archive(known.module.key, kind);
  if (fd < 0) return;
  struct stat status;
  if (fstat(fd, &status) == 0 && (status.st_ino != identity->inode || status.st_mtim != identity->modified)) {
    *identity = {status.st_ino, status.st_mtim};
    engine_->add_archive(fd, folder.key(), known.module.origin);
  }
  close(fd);
}

}  // namespace pyqemu::user
