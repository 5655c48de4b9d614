// Holes of stencils in their quick form: a field of 4 bytes whose value is surely within it. Nearly every
// hole is one, and nearly every one is a register's offset or an immediate.
#pragma once

#include <cstdint>
#include <cstring>

#include "pack_file.hpp"
#include "value_form.hpp"

namespace pyqemu {

// The value is entry `s` of the table if s < count, else s; s is some bits of word `insn`, as signed if
// `sign` is their top bit, times `factor`, plus `add`.
struct Hole {
  uint32_t mask = 0, sign = 0;
  uint32_t factor = 0, add = 0;
  uint32_t addend = 0;  // added in the end
  uint32_t table = 0;   // in .pq.table; 0 if there is none
  uint16_t offset = 0;  // of the field in the stencil
  uint8_t from = 0, count = 0;
  uint8_t insn = 0;
  uint8_t reserved[3] = {};
};
static_assert(sizeof(Hole) == 32);

// The least and the greatest value.
struct Range {
  int64_t low, high;
  bool within(const Range &other) const { return low >= other.low && high <= other.high; }
  Range plus(int64_t more) const { return {low + more, high + more}; }
};

// Whether a hole with valid form `form` may have a quick form: what the form gives, if so.
bool quick_range(const PackTables &tables, const FormRec &form, Range *range);
// Brings relocation `reloc` of a sound stencil, whose form gives what is within `range`, into quick form;
// false if some values do not fit.
bool make_hole(const PackTables &tables, const RelocRec &reloc, const Range &range, Hole *hole);

// Modulo 2^32, which is all that the field holds. There are no branches: which instruction comes next is
// nothing that a host foresees.
inline uint32_t value_of(const Hole &hole, const int64_t *tables, const uint64_t words[2]) {
  const uint32_t bits = static_cast<uint32_t>(words[hole.insn] >> hole.from) & hole.mask;
  const uint32_t sum = ((bits ^ hole.sign) - hole.sign) * hole.factor + hole.add;
  const uint32_t in_table = 0 - uint32_t{sum < hole.count};
  const auto entry = static_cast<uint32_t>(tables[hole.table + (sum & in_table)]);
  return ((entry & in_table) | (sum & ~in_table)) + hole.addend;
}

// Fills the hole in the copy of its stencil at `copy`.
inline void fill(uint8_t *copy, const Hole &hole, uint32_t value) {
  memcpy(copy + hole.offset, &value, sizeof value);
}

}  // namespace pyqemu
