// Writes ELF files such as packs and archives are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pyqemu::test {

struct Section {
  const char *name;
  std::string bytes;
  size_t align = 64;  // of its place in the file
};

template <typename T>
std::string bytes_of(const std::vector<T> &records) {
  return std::string(reinterpret_cast<const char *>(records.data()), records.size() * sizeof(T));
}

// A relocatable object for this host, with these sections.
std::vector<uint8_t> write_elf(std::vector<Section> sections);

}  // namespace pyqemu::test
