// Filling holes in their quick form. Nearly every hole has one, and nearly every one is a register's offset
// or an immediate.
#pragma once

#include <cstdint>
#include <cstring>

#include "pack_format.hpp"

namespace pyqemu {

// Modulo 2^32, which is all that the field holds. There are no branches: which instruction comes next is
// nothing that a host foresees.
inline uint32_t value_of(const HoleRec &hole, const int64_t *tables, const uint64_t words[2]) {
  const uint32_t bits = static_cast<uint32_t>(words[hole.insn] >> hole.from) & hole.mask;
  const uint32_t sum = ((bits ^ hole.sign) - hole.sign) * hole.factor + hole.add;
  const uint32_t in_table = 0 - uint32_t{sum < hole.count};
  const auto entry = static_cast<uint32_t>(tables[hole.table + (sum & in_table)]);
  return (entry & in_table) | (sum & ~in_table);
}

// Fills the hole in the copy of its stencil at `copy`.
inline void fill(uint8_t *copy, const HoleRec &hole, uint32_t value) {
  memcpy(copy + hole.offset, &value, sizeof value);
}

}  // namespace pyqemu
