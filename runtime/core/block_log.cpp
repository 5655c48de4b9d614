// Formats what is logged of a block.
#include "block_log.hpp"

#include <cinttypes>
#include <cstdio>

namespace pyqemu {

void BlockLog::begin(uint64_t guest_pc, uintptr_t host, uint32_t host_bytes) {
  char line[128];
  snprintf(line, sizeof line, "block 0x%" PRIx64 " at 0x%" PRIxPTR ", %u bytes\n", guest_pc, host,
           host_bytes);
  text_ = line;
}

void BlockLog::instruction(uint64_t guest_pc, uint64_t word, const char *encoding, const char *stencil) {
  char line[64];
  if ((options_.log & (kLogGuestCode | kLogStencils)) == 0) return;
  snprintf(line, sizeof line, "  0x%08" PRIx64 ":  %08" PRIx64 "  ", guest_pc, word);
  text_.append(line).append(encoding);
  if ((options_.log & kLogStencils) != 0) text_.append("  ").append(stencil);
  text_.push_back('\n');
}

void BlockLog::host_code(std::span<const uint8_t> code) {
  if ((options_.log & kLogHostCode) == 0) return;
  char byte[8];
  for (size_t i = 0; i < code.size(); i++) {
    snprintf(byte, sizeof byte, i % 16 == 0 ? "  %02x" : " %02x", code[i]);
    text_.append(byte);
    if (i % 16 == 15 || i + 1 == code.size()) text_.push_back('\n');
  }
}

void BlockLog::end() {
  options_.log_sink(options_.log_context, text_.c_str());
}

}  // namespace pyqemu
