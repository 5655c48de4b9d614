// A guest program's ELF file: read and checked, not yet mapped.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "abi.hpp"

namespace pyqemu::user {

// Of either class; headers of the 32-bit one are widened.
struct ElfImage {
  Elf64_Ehdr header = {};
  std::vector<Elf64_Phdr> segments;  // all program headers
  std::vector<uint8_t> identity;     // the file's first 64 bytes, and program headers as they are in the file
  std::string interpreter;           // PT_INTERP, or empty
  uint64_t low = 0, high = 0;        // of all PT_LOADs, rounded to pages
  bool executable_stack = false;

  bool position_independent() const { return header.e_type == ET_DYN; }
};

enum class FileKind {
  kGuest,    // an ELF that this pack can run
  kForeign,  // an ELF for another machine, class or byte order
  kScript,   // #!
  kBroken,   // an ELF that nobody can run; *why says what is wrong
  kUnknown,  // anything else
};

// Reads what `fd` is. Reads a bounded amount, whatever the file says of itself.
FileKind read_elf(int fd, const Abi &abi, ElfImage *image, const char **why);

// The first line of a script: interpreter and its argument (may be empty). False if there is none.
bool read_script_line(int fd, std::string *interpreter, std::string *argument);

}  // namespace pyqemu::user
