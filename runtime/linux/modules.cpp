// Which module a mapping belongs to, and where the module begins.
#include "modules.hpp"

#include <sys/stat.h>
#include <unistd.h>

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
  hash.add(&size, sizeof size).add(&image.header, sizeof image.header);
  hash.add(std::span<const Elf64_Phdr>(image.segments));
  return add_notes(fd, image, &hash) ? hex(hash.finish()) : "";
}

void Modules::set_engine(Engine *engine) {
  std::lock_guard guard(mutex_);
  engine_ = engine;
  for (const Module &module : modules_) add_archives(module);
}

void Modules::loaded(int fd, const ElfImage &image, uint64_t origin) {
  if (!folder.found()) return;
  Module module{module_key(fd, image), origin};
  if (module.key.empty()) return;
  std::lock_guard guard(mutex_);
  if (engine_) add_archives(module);
  for (Module &other : modules_)
    if (other.origin == origin) return other = std::move(module), void();
  modules_.push_back(std::move(module));
}

void Modules::mapped(int fd, const Abi &abi, uint64_t address, uint64_t offset) {
  if (!folder.found()) return;
  ElfImage image;
  const char *why;
  struct stat status;
  if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) return;
  if (read_elf(fd, abi, &image, &why) != FileKind::kGuest) return;
  for (const Elf64_Phdr &segment : image.segments)
    if (has_page(segment, offset))
      return loaded(fd, image, address - offset + segment.p_offset - segment.p_vaddr + image.low);
}

// The worker's archive is looked at before the other one, as it was made from what programs really did.
void Modules::add_archives(const Module &module) {
  for (const char *kind : {"aot", "jit"}) {
    int fd = folder.open_archive(module.key, kind);
    if (fd < 0) continue;
    engine_->add_archive(fd, folder.key(), module.origin);
    close(fd);
  }
}

}  // namespace pyqemu::user
