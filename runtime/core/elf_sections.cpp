// Walks an ELF file's section table.
#include "elf_sections.hpp"

#include <elf.h>

#include <cstring>

#include "host_code.hpp"

namespace pyqemu {
namespace {

bool inside(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

// The section table; null and *problem if the file has none that can be used.
std::span<const Elf64_Shdr> section_table(std::span<const uint8_t> file, const char **problem) {
  const auto &elf = *reinterpret_cast<const Elf64_Ehdr *>(file.data());
  if (elf.e_shentsize == sizeof(Elf64_Shdr) && elf.e_shoff % alignof(Elf64_Shdr) == 0 &&
      inside(elf.e_shoff, uint64_t{elf.e_shnum} * sizeof(Elf64_Shdr), file.size()) &&
      elf.e_shstrndx < elf.e_shnum)
    return {reinterpret_cast<const Elf64_Shdr *>(file.data() + elf.e_shoff), elf.e_shnum};
  *problem = "the section table is damaged";
  return {};
}

const char *check_kind(std::span<const uint8_t> file) {
  if (reinterpret_cast<uintptr_t>(file.data()) % 16 != 0) return "the file is not aligned in memory";
  if (file.size() < sizeof(Elf64_Ehdr) || memcmp(file.data(), ELFMAG, SELFMAG) != 0)
    return "the file is not an ELF file";
  const auto &elf = *reinterpret_cast<const Elf64_Ehdr *>(file.data());
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB)
    return "the file is not a 64-bit little-endian ELF file";
  if (elf.e_machine != host::kElfMachine) return "the file was made for another host architecture";
  return nullptr;
}

}  // namespace

const char *for_each_section(std::span<const uint8_t> file, TakeSection take, void *context) {
  if (const char *problem = check_kind(file)) return problem;
  const char *problem = nullptr;
  const std::span<const Elf64_Shdr> sections = section_table(file, &problem);
  if (problem != nullptr) return problem;
  const Elf64_Shdr &names = sections[reinterpret_cast<const Elf64_Ehdr *>(file.data())->e_shstrndx];
  if (!inside(names.sh_offset, names.sh_size, file.size()) || names.sh_size == 0 ||
      file[names.sh_offset + names.sh_size - 1] != 0)
    return "the section names are damaged";
  for (const Elf64_Shdr &section : sections) {
    if (section.sh_type == SHT_NULL || section.sh_type == SHT_NOBITS) continue;
    if (section.sh_name >= names.sh_size || !inside(section.sh_offset, section.sh_size, file.size()))
      return "a section reaches beyond the end of the file";
    const char *name = reinterpret_cast<const char *>(file.data() + names.sh_offset + section.sh_name);
    const ElfSection found{name, file.subspan(section.sh_offset, section.sh_size), section.sh_offset};
    if (!take(context, found)) return "a table has a wrong size or alignment";
  }
  return nullptr;
}

}  // namespace pyqemu
