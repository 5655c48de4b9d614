// Writes ELF files such as packs and archives are.
#include "test_elf.hpp"

#include <elf.h>

#include <cstring>

namespace pyqemu::test {

std::vector<uint8_t> write_elf(std::vector<Section> sections) {
  std::string names{'\0'}, file(sizeof(Elf64_Ehdr), '\0');
  std::vector<Elf64_Shdr> headers(1);
  headers[0] = {};
  sections.push_back({".shstrtab", ""});
  for (Section &section : sections) {
    Elf64_Shdr header = {};
    header.sh_name = static_cast<uint32_t>(names.size());
    names.append(section.name).push_back('\0');
    if (&section == &sections.back()) section.bytes = names;
    header.sh_type = SHT_PROGBITS;
    file.resize((file.size() + section.align - 1) & ~(section.align - 1));
    header.sh_offset = file.size();
    header.sh_size = section.bytes.size();
    file += section.bytes;
    headers.push_back(header);
  }
  file.resize((file.size() + 63) & ~size_t{63});
  Elf64_Ehdr head = {};
  memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_type = ET_REL;
  head.e_machine = EM_X86_64;
  head.e_shoff = file.size();
  head.e_shentsize = sizeof(Elf64_Shdr);
  head.e_shnum = static_cast<uint16_t>(headers.size());
  head.e_shstrndx = static_cast<uint16_t>(headers.size() - 1);
  memcpy(file.data(), &head, sizeof head);
  file += bytes_of(headers);
  return {file.begin(), file.end()};
}

}  // namespace pyqemu::test
