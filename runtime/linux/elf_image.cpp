// Checks on ELF files. Strict: what passes here can be mapped without looking at the file again.
#include "elf_image.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace pyqemu::user {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kEndOfSpace = uint64_t{1} << 47;

bool check_segments(ElfImage *image, uint64_t file_bytes, const char **why) {
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
    if (segment.p_vaddr >= kEndOfSpace || segment.p_memsz > kEndOfSpace - segment.p_vaddr)
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
  struct Start {
    Elf64_Ehdr header;
    char more[1024 - sizeof(Elf64_Ehdr)];
  } start = {};
  ssize_t got = pread(fd, &start, sizeof start, 0);
  Elf64_Ehdr &header = image->header = start.header;
  *why = "not an ELF file";
  if (got >= 2 && header.e_ident[0] == '#' && header.e_ident[1] == '!') return FileKind::kScript;
  if (got < SELFMAG || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return FileKind::kUnknown;
  *why = "cut off: no complete ELF header";
  if (got < EI_NIDENT) return FileKind::kBroken;
  *why = "a 32-bit ELF file, and this is a 64-bit architecture";
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return FileKind::kForeign;
  *why = "an ELF file of the other byte order";
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return FileKind::kForeign;
  *why = "cut off: no complete ELF header";
  if (got < static_cast<ssize_t>(sizeof header)) return FileKind::kBroken;
  *why = "an ELF file for another architecture";
  if (header.e_machine != abi.elf_machine) return FileKind::kForeign;
  *why = "an ELF file that is not a program";
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return FileKind::kBroken;
  *why = "bad program headers";
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0) return FileKind::kBroken;
  size_t bytes = size_t{header.e_phnum} * sizeof(Elf64_Phdr);
  image->segments.resize(header.e_phnum);
  *why = "cut off: program headers lie outside the file";
  if (header.e_phoff > static_cast<uint64_t>(INT64_MAX) - bytes) return FileKind::kBroken;
  if (header.e_phoff + bytes <= static_cast<uint64_t>(got)) {
    memcpy(image->segments.data(), reinterpret_cast<const char *>(&start) + header.e_phoff, bytes);
  } else if (pread(fd, image->segments.data(), bytes, static_cast<off_t>(header.e_phoff)) !=
             static_cast<ssize_t>(bytes)) {
    return FileKind::kBroken;
  }
  struct stat status;
  if (fstat(fd, &status) < 0) return *why = "cannot be looked at", FileKind::kBroken;
  if (!check_segments(image, static_cast<uint64_t>(status.st_size), why) || !read_interpreter(fd, image, why))
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
