// Reads the Linux table of a pack.
#include "abi.hpp"

#include <cstdio>

namespace pyqemu::user {

uint64_t parse_number(const char *&text) {
  uint64_t base = 10, value = 0;
  if (text[0] == '0' && text[1] == 'x') base = 16, text += 2;
  for (;; text++) {
    char c = *text;
    uint64_t digit = c >= '0' && c <= '9'   ? static_cast<uint64_t>(c - '0')
                     : c >= 'a' && c <= 'f' ? static_cast<uint64_t>(c - 'a') + 10
                                            : 99;
    if (digit >= base) return value;
    value = value * base + digit;
  }
}

void put_code(const char *text, std::vector<uint32_t> *page) {
  size_t at = 0;
  each_word(text, [&](std::string_view word) {
    uint32_t value = 0;
    const bool place = word.ends_with(':');
    if (place) word.remove_suffix(1);
    for (char c : word) value = value << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (place)
      at = value / sizeof value;
    else if (at < page->size())
      (*page)[at++] = value;
  });
}

const char *Abi::text(std::string_view key, const char *fallback) const {
  const char *value = pack->value(key);
  return value ? value : fallback;
}

uint64_t Abi::value(std::string_view key, uint64_t fallback) const {
  const char *value = pack->value(key);
  return value ? parse_number(value) : fallback;
}

bool Abi::reg(std::string_view name, RegRef *out) const {
  uint32_t index = 0;
  if (size_t bracket = name.find('['); bracket != std::string_view::npos) {
    for (size_t i = bracket + 1; i < name.size() && name[i] != ']'; i++)
      index = index * 10 + static_cast<uint32_t>(name[i] - '0');
    name = name.substr(0, bracket);
  }
  std::optional<RegRef> found = pack->reg(name, index);
  if (found) *out = *found;
  return found.has_value();
}

int Abi::context(std::string_view name) const {
  const PackHeader &header = pack->header();
  for (uint32_t i = 0; i < header.context_count && i < 4; i++)
    if (!name.empty() && name == pack->string(header.context_name[i])) return static_cast<int>(i);
  return -1;
}

void Abi::enter_function(CpuHeader *cpu, uint64_t address) const {
  const PackHeader &header = pack->header();
  for (uint32_t i = 0; i < header.context_count && i < 4; i++)
    if (header.follows[i] != kNone || entry_zero >> i & 1) cpu->context[i] = 0;
  if (address_context >= 0) {
    cpu->context[address_context] = address & 1;
    address &= ~uint64_t{1};
  }
  cpu->pc = address;
}

bool Abi::load(const Pack &pack, Abi *abi, const char **error) {
  abi->pack = &pack;
  std::string_view rest = abi->text("reg.args");
  for (RegRef &reg : abi->args) {
    size_t space = rest.find(' ');
    if (!abi->reg(rest.substr(0, space), &reg)) return *error = "the pack's table lacks reg.args", false;
    rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  }
  if (!abi->reg(abi->text("reg.syscall"), &abi->number) || !abi->reg(abi->text("reg.result"), &abi->result) ||
      !abi->reg(abi->text("reg.sp"), &abi->sp) || !abi->reg(abi->text("reg.tls"), &abi->tls))
    return *error = "the pack's table lacks a register's role", false;
  abi->insn_bytes = static_cast<uint32_t>(abi->value("syscall_insn_bytes"));
  abi->word_bytes = static_cast<uint32_t>(abi->value("word_bytes", 8));
  abi->aligned_pairs = abi->value("aligned_pairs") != 0;
  for (uint32_t form : pack.header().follows) abi->context_follows |= form != kNone;
  abi->address_context = abi->context(abi->text("code_address.bit0"));
  each_word(abi->text("code_address.zero"), [&](std::string_view name) {
    if (int number = abi->context(name); number >= 0) abi->entry_zero |= 1u << number;
  });
  abi->page_size = abi->value("page_size", 4096);
  abi->elf_machine = static_cast<uint32_t>(abi->value("elf.machine"));
  abi->clone_tls_before_child_tid = abi->value("clone_tls_before_child_tid") != 0;
  if (!abi->elf_machine) return *error = "the pack's table lacks elf.machine", false;
  if (abi->word_bytes != 8 && abi->word_bytes != 4)
    return *error = "the pack's table has bad word_bytes", false;
  return true;
}

void StructLayout::load(const Abi &abi) {
  if (ready_.load(std::memory_order_acquire)) return;
  char key[96];
  int prefix = snprintf(key, sizeof key, "struct.%s.", name_);
  auto lookup = [&](const char *field) {
    snprintf(key + prefix, sizeof key - static_cast<size_t>(prefix), "%s", field);
    return abi.pack->value(key);
  };
  if (const char *size = lookup("size")) {
    for (size_t i = 0; i < count_; i++) {
      const char *place = lookup(fields_[i]);
      if (!place) continue;
      offset_[i] = static_cast<uint16_t>(parse_number(place));
      if (*place == ':') width_[i] = static_cast<uint8_t>(parse_number(++place));
    }
    size_ = parse_number(size);
  }
  ready_.store(true, std::memory_order_release);
}

void FlagMap::load(const Abi &abi) {
  if (ready_.load(std::memory_order_acquire)) return;
  char key[64];
  for (size_t i = 0; i < count_; i++) {
    snprintf(key, sizeof key, "flag.%s", flags_[i].name);
    guest_[i] = static_cast<uint32_t>(abi.value(key, flags_[i].host));
  }
  ready_.store(true, std::memory_order_release);
}

uint64_t FlagMap::to_host(uint64_t guest) const {
  uint64_t host = guest;
  for (size_t i = 0; i < count_; i++) host &= ~uint64_t{guest_[i]};
  for (size_t i = 0; i < count_; i++)
    if (guest & guest_[i]) host |= flags_[i].host;
  return host;
}

uint64_t FlagMap::to_guest(uint64_t host) const {
  uint64_t guest = host;
  for (size_t i = 0; i < count_; i++) guest &= ~uint64_t{flags_[i].host};
  for (size_t i = 0; i < count_; i++)
    if (host & flags_[i].host) guest |= guest_[i];
  return guest;
}

}  // namespace pyqemu::user
