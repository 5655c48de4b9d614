// The sections of an ELF file in memory that pyqemu's own tools wrote: packs and archives.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace pyqemu {

struct ElfSection {
  std::string_view name;
  std::span<const uint8_t> bytes;
  uint64_t offset = 0;  // in the file
};

// Gets each section; says false if it is not as it should be.
using TakeSection = bool (*)(void *context, const ElfSection &section);

// Goes through the sections of `file` (16-aligned in memory), which has to be a 64-bit little-endian ELF file
// for this host, and checks that they lie inside it. Null, or what is wrong with the file.
const char *for_each_section(std::span<const uint8_t> file, TakeSection take, void *context);

// The records of a table; false if its size or alignment is wrong.
template <typename T>
bool take(std::span<const T> *out, std::span<const uint8_t> bytes) {
  if (bytes.size() % sizeof(T) != 0 || reinterpret_cast<uintptr_t>(bytes.data()) % alignof(T) != 0)
    return false;
  *out = {reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T)};
  return true;
}

}  // namespace pyqemu
