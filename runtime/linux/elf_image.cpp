// Checks on ELF files. Strict: what passes here can be mapped without looking at the file again.
#include "elf_image.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "address_space.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kIdentityBytes = 64;

bool check_segments(const Abi &abi, ElfImage *image, uint64_t file_bytes, const char **why) {
  const uint64_t end_of_space = abi.narrow() ? kEndOfLow : kEndOfSpace;
  uint64_t end = 0;
  bool any = false;
  for (const Elf64_Phdr &segment : image->segments) {
    if (segment.p_type == PT_GNU_STACK) image->executable_stack = segment.p_flags & PF_X;
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (segment.p_filesz > segment.p_memsz)
      return *why = "a segment is larger in the file than in memory", false;
    // A segment without bytes in the file may name any place there, as linkers do for one with .bss only.
    if (segment.p_filesz &&
        (segment.p_offset > file_bytes || segment.p_filesz > file_bytes - segment.p_offset))
      return *why = "cut off: a segment lies outside the file", false;
    if (segment.p_vaddr >= end_of_space || segment.p_memsz > end_of_space - segment.p_vaddr)
      return *why = "a segment wraps or lies outside the address space", false;
    if (segment.p_filesz && (segment.p_vaddr - segment.p_offset) % kPage)
      return *why = "a segment is not aligned to pages", false;
    if (any && segment.p_vaddr < end) return *why = "segments overlap or are out of order", false;
    if (!any) image->low = segment.p_vaddr & ~(kPage - 1);
    any = true;
    end = segment.p_vaddr + segment.p_memsz;
    image->high = (end + kPage - 1) & ~(kPage - 1);
  }
  if (!any) return *why = "no segment to load", false;
  return true;
}

void widen(const Elf32_Ehdr &from, Elf64_Ehdr *to) {
  memcpy(to->e_ident, from.e_ident, EI_NIDENT);
  to->e_type = from.e_type;
  to->e_machine = from.e_machine;
  to->e_version = from.e_version;
  to->e_entry = from.e_entry;
  to->e_phoff = from.e_phoff;
  to->e_shoff = from.e_shoff;
  to->e_flags = from.e_flags;
  to->e_ehsize = from.e_ehsize;
  to->e_phentsize = from.e_phentsize;
  to->e_phnum = from.e_phnum;
  to->e_shentsize = from.e_shentsize;
  to->e_shnum = from.e_shnum;
  to->e_shstrndx = from.e_shstrndx;
}

Elf64_Phdr widen(const Elf32_Phdr &from) {
  return {from.p_type,  from.p_flags,  from.p_offset, from.p_vaddr,
          from.p_paddr, from.p_filesz, from.p_memsz,  from.p_align};
}

// Program headers as they are in the file, at `from`, as segments.
void read_segments(bool narrow, ElfImage *image, const uint8_t *from) {
  image->segments.resize(image->header.e_phnum);
  for (size_t i = 0; i < image->segments.size(); i++) {
    if (narrow) {
      Elf32_Phdr segment;
      memcpy(&segment, from + i * sizeof segment, sizeof segment);
      image->segments[i] = widen(segment);
    } else {
      memcpy(&image->segments[i], from + i * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr));
    }
  }
}

bool read_interpreter(int fd, ElfImage *image, const char **why) {
  for (const Elf64_Phdr &segment : image->segments) {
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_filesz < 2 || segment.p_filesz > 4096)
      return *why = "the interpreter's path has a bad length", false;
    image->interpreter.resize(segment.p_filesz);
    ssize_t got =
        pread(fd, image->interpreter.data(), segment.p_filesz, static_cast<off_t>(segment.p_offset));
    if (got != static_cast<ssize_t>(segment.p_filesz)) return *why = "cut off: the interpreter's path", false;
    if (image->interpreter.back() != '\0') return *why = "the interpreter's path does not end", false;
    image->interpreter.resize(strlen(image->interpreter.c_str()));
    return true;
  }
  return true;
}

}  // namespace

FileKind read_elf(int fd, const Abi &abi, ElfImage *image, const char **why) {
  const bool narrow = abi.narrow();
  union Start {
    Elf64_Ehdr header;
    Elf32_Ehdr narrow;
    uint8_t bytes[1024];
  } start = {};
  ssize_t got = pread(fd, &start, sizeof start, 0);
  Elf64_Ehdr &header = image->header = start.header;
  *why = "not an ELF file";
  if (got >= 2 && header.e_ident[0] == '#' && header.e_ident[1] == '!') return FileKind::kScript;
  if (got < SELFMAG || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return FileKind::kUnknown;
  *why = "cut off: no complete ELF header";
  if (got < EI_NIDENT) return FileKind::kBroken;
  *why = narrow ? "a 64-bit ELF file, and this is a 32-bit architecture"
                : "a 32-bit ELF file, and this is a 64-bit architecture";
  if (header.e_ident[EI_CLASS] != (narrow ? ELFCLASS32 : ELFCLASS64)) return FileKind::kForeign;
  *why = "an ELF file of the other byte order";
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return FileKind::kForeign;
  *why = "cut off: no complete ELF header";
  if (got < static_cast<ssize_t>(narrow ? sizeof start.narrow : sizeof header)) return FileKind::kBroken;
  if (narrow) widen(start.narrow, &header);
  *why = "an ELF file for another architecture";
  if (header.e_machine != abi.elf_machine) return FileKind::kForeign;
  *why = "an ELF file that is not a program";
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return FileKind::kBroken;
  *why = "bad program headers";
  const size_t entry_bytes = narrow ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
  if (header.e_phentsize != entry_bytes || header.e_phnum == 0) return FileKind::kBroken;
  const size_t bytes = header.e_phnum * entry_bytes;
  image->identity.assign(start.bytes, start.bytes + kIdentityBytes);
  image->identity.resize(kIdentityBytes + bytes);
  uint8_t *headers = image->identity.data() + kIdentityBytes;
  *why = "cut off: program headers lie outside the file";
  if (header.e_phoff > static_cast<uint64_t>(INT64_MAX) - bytes) return FileKind::kBroken;
  if (header.e_phoff + bytes <= static_cast<uint64_t>(got)) {
    memcpy(headers, start.bytes + header.e_phoff, bytes);
  } else if (pread(fd, headers, bytes, static_cast<off_t>(header.e_phoff)) != static_cast<ssize_t>(bytes)) {
    return FileKind::kBroken;
  }
  read_segments(narrow, image, headers);
  struct stat status;
  if (fstat(fd, &status) < 0) return *why = "cannot be looked at", FileKind::kBroken;
  if (!check_segments(abi, image, static_cast<uint64_t>(status.st_size), why) ||
      !read_interpreter(fd, image, why))
    return FileKind::kBroken;
  *why = "";
  return FileKind::kGuest;
}

bool read_script_line(int fd, std::string *interpreter, std::string *argument) {
  char line[257] = {};
  ssize_t got = pread(fd, line, sizeof line - 1, 0);
  if (got < 2 || line[0] != '#' || line[1] != '!') return false;
  char *end = static_cast<char *>(memchr(line, '\n', static_cast<size_t>(got)));
  if (!end) end = line + got;
  *end = '\0';
  auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (end > line && blank(end[-1])) *--end = '\0';
  char *name = line + 2;
  while (blank(*name)) name++;
  char *rest = name;
  while (*rest && !blank(*rest)) rest++;
  interpreter->assign(name, rest);
  while (blank(*rest)) rest++;
  argument->assign(rest);
  return !interpreter->empty();
}

}  // namespace pyqemu::user
