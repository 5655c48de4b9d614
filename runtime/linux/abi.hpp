// The guest architecture's Linux ABI as its table (linux.toml, carried in the pack) gives it: registers by
// role, structure layouts, flags that differ from the host's. Nothing in here or above knows an architecture.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "../core/pack.hpp"

namespace pyqemu::user {

// Decimal or 0x number at `text`; advances it. No sign, no check for overflow.
uint64_t parse_number(const char *&text);

// The words of `text`, which blanks separate, one after the other.
template <typename F>
void each_word(const char *text, F use) {
  while (*text) {
    const char *end = strchrnul(text, ' ');
    if (end != text) use(std::string_view(text, static_cast<size_t>(end - text)));
    text = *end ? end + 1 : end;
  }
}

// Guest code as a table has it: words of 32 bits in hexadecimal; `f60:` says where in `page` the next one
// goes.
void put_code(const char *text, std::vector<uint32_t> *page);

struct Abi {
  const Pack *pack = nullptr;
  RegRef args[6], number, result, sp, tls;
  bool clone_tls_before_child_tid = false;  // order of clone's last two arguments
  uint32_t insn_bytes = 0;                  // of the system call instruction
  bool context_follows = false;             // the context may change from one instruction to the next
  uint64_t page_size = 4096;
  uint32_t word_bytes = 8;     // of a pointer and a long: 8, or 4
  bool aligned_pairs = false;  // 64-bit arguments in two registers begin at an even one
  uint32_t elf_machine = 0;
  // The context variable that is bit 0 of code's addresses, where these are handed over as pointers; or -1.
  int address_context = -1;
  uint32_t entry_zero = 0;  // bits: the context variables that are 0 where the kernel starts code

  // False and *error (a static string) if the table lacks something.
  static bool load(const Pack &pack, Abi *abi, const char **error);

  const char *text(std::string_view key, const char *fallback = "") const;
  uint64_t value(std::string_view key, uint64_t fallback = 0) const;
  // Guests whose words have 4 bytes live in the low 4 GiB, and what they hand over is converted (narrow.hpp).
  bool narrow() const { return word_bytes == 4; }
  // A register named as in the description: `TPIDR` or `S[31]`.
  bool reg(std::string_view name, RegRef *out) const;
  // The number of a context variable, or -1.
  int context(std::string_view name) const;
  // Lets guest code go on at a function, as the kernel does at a program's start and for a signal's handler:
  // `address` as pointers to functions are. What changes from instruction to instruction starts anew.
  void enter_function(CpuHeader *cpu, uint64_t address) const;
};

// Registers in the CPU state, zero-extended.
inline uint64_t get_reg(const CpuHeader *cpu, RegRef reg) {
  uint64_t value = 0;
  memcpy(&value, reinterpret_cast<const char *>(cpu) + reg.offset,
         reg.width >= 64 ? 8 : (reg.width + 7u) / 8);
  return value;
}

inline void set_reg(CpuHeader *cpu, RegRef reg, uint64_t value) {
  memcpy(reinterpret_cast<char *>(cpu) + reg.offset, &value, reg.width >= 64 ? 8 : (reg.width + 7u) / 8);
}

// Where the fields of a guest structure lie; loaded from the table at first use (`struct.NAME.FIELD` =
// offset:width). A structure that the table does not have is as on the host: `same`.
class StructLayout {
 public:
  static constexpr size_t kMaxFields = 24;

  constexpr StructLayout(const char *name, const char *const *fields, size_t count)
      : name_(name), fields_(fields), count_(count) {}

  void load(const Abi &abi);
  bool same() const { return size_ == 0; }
  size_t size() const { return size_; }

  void put(void *record, size_t field, uint64_t value) const {
    memcpy(static_cast<char *>(record) + offset_[field], &value, width_[field]);
  }
  // Whether an unsigned value has room in its field, if there is one.
  bool fits(size_t field, uint64_t value) const {
    return width_[field] == 0 || width_[field] >= 8 || value >> 8 * width_[field] == 0;
  }
  uint64_t get(const void *record, size_t field) const {
    uint64_t value = 0;
    memcpy(&value, static_cast<const char *>(record) + offset_[field], width_[field]);
    return value;
  }

 private:
  const char *name_;
  const char *const *fields_;
  size_t count_;
  size_t size_ = 0;
  uint16_t offset_[kMaxFields] = {};
  uint8_t width_[kMaxFields] = {};
  std::atomic<bool> ready_ = false;
};

// Flags whose values differ (`flag.NAME` = guest's value). Bits that are not listed are the same on both
// sides.
struct FlagName {
  const char *name;
  uint32_t host;
};

class FlagMap {
 public:
  static constexpr size_t kMaxFlags = 8;

  constexpr FlagMap(const FlagName *flags, size_t count) : flags_(flags), count_(count) {}

  void load(const Abi &abi);
  uint64_t to_host(uint64_t guest) const;
  uint64_t to_guest(uint64_t host) const;

 private:
  const FlagName *flags_;
  size_t count_;
  uint32_t guest_[kMaxFlags] = {};
  std::atomic<bool> ready_ = false;
};

}  // namespace pyqemu::user
