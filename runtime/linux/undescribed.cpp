// Names the encoding that is nearest to an instruction word nobody described.
#include "undescribed.hpp"

#include <bit>
#include <climits>
#include <cstdio>

#include "../core/pack_file.hpp"
#include "guest_memory.hpp"
#include "log.hpp"

namespace pyqemu::user {

void log_undescribed(const Thread &thread) {
  const PackTables &tables = static_cast<const PackFile *>(thread.guest->abi.pack)->tables();
  uint64_t pc = thread.cpu->pc, word = 0;
  size_t bytes = tables.header->unit_bytes[0];
  if (bytes > sizeof word || !read_guest(&word, pc, bytes)) return;
  int best = INT_MIN, differ = 0;
  const char *name = "none";
  for (const Candidate &candidate : tables.cand) {
    int wrong = std::popcount((word & candidate.mask) ^ candidate.value);
    // Encodings with few fixed bits are near to everything: bits that agree count too.
    int score = std::popcount(candidate.mask) - 4 * wrong;
    if (score <= best || candidate.encoding >= tables.enc.size()) continue;
    best = score;
    differ = wrong;
    name = tables.string(tables.enc[candidate.encoding].name);
  }
  char text[3 * sizeof word + 1] = "";
  for (size_t i = 0; i < bytes; i++)
    snprintf(text + 3 * i, 4, "%02x ", static_cast<unsigned>(word >> 8 * i & 0xff));
  log_line(
      "undefined or undescribed instruction: bytes %sat pc %#lx, nearest description %s (%d bits differ)",
      text, static_cast<unsigned long>(pc), name, differ);
}

}  // namespace pyqemu::user
