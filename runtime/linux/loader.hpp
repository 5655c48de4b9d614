// Maps a guest program: scripts and their interpreters, the program, its dynamic linker, its stack.
#pragma once

#include <string>
#include <vector>

#include "elf_image.hpp"
#include "thread.hpp"

namespace pyqemu::user {

struct LoadFailure {
  int exit_code = 0;
  std::string text;
};

struct LoadedProgram {
  uint64_t start = 0;        // first instruction: the dynamic linker's, or the program's
  uint64_t entry = 0;        // the program's own
  uint64_t headers = 0;      // AT_PHDR
  uint64_t linker_base = 0;  // AT_BASE
  uint16_t header_count = 0, header_bytes = 0;
  bool executable_stack = false;
  uint64_t stack_pointer = 0;
  std::vector<std::string> arguments;
  std::string path;  // AT_EXECFN
};

// `path` below the prefix of -L if it exists there, else itself.
std::string prefixed(const Options &options, const char *path);

// Opens what can be executed: -errno, or a descriptor (close-on-exec).
int open_program(const char *path);

// All of it. The guest's address space has to be empty.
bool load_program(Guest &guest, LoadedProgram *program, LoadFailure *failure);

// Arguments, environment and auxiliary vector on a new stack.
bool make_stack(Guest &guest, LoadedProgram *program, LoadFailure *failure);

}  // namespace pyqemu::user
