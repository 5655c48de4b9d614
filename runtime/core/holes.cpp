// Finds out whether a hole can be filled in the quick way.
#include "holes.hpp"

#include <algorithm>

namespace pyqemu {
namespace {

constexpr uint32_t kMaxEntries = 255;  // of a table that is looked through

bool is_int32(int64_t value) {
  return value == static_cast<int32_t>(value);
}

// Whether the members of Hole hold the parts of `form`, and what it computes stays far from overflows.
bool is_small(const FormRec &form) {
  const uint64_t mask = form.term.mask;
  return form.kind == static_cast<uint8_t>(FormKind::kSum) && form.more_count == 0 && form.here_mask == 0 &&
         mask <= INT32_MAX && (mask & (mask + 1)) == 0 &&
         (form.term.sign == 0 || form.term.sign == mask - (mask >> 1)) && is_int32(form.term.factor) &&
         is_int32(form.add) && form.count <= kMaxEntries;
}

// What the sum of a small form may be.
Range sum_range(const FormRec &form) {
  const auto sign = static_cast<int64_t>(form.term.sign), mask = static_cast<int64_t>(form.term.mask);
  const int64_t ends[2] = {-sign * form.term.factor, (mask - sign) * form.term.factor};
  return Range{std::min(ends[0], ends[1]), std::max(ends[0], ends[1])}.plus(form.add);
}

}  // namespace

bool quick_range(const PackTables &tables, const FormRec &form, Range *range) {
  if (!is_small(form)) return false;
  const Range sum = sum_range(form);
  const std::span<const int64_t> entries = tables.table.subspan(form.first, form.count);
  *range = sum.within({0, int64_t{form.count} - 1}) ? Range{entries[0], entries[0]} : sum;
  for (int64_t entry : entries) *range = {std::min(range->low, entry), std::max(range->high, entry)};
  return range->within({INT32_MIN, UINT32_MAX});
}

bool make_hole(const PackTables &tables, const RelocRec &reloc, const Range &range, Hole *hole) {
  const auto kind = static_cast<RelocKind>(reloc.kind);
  if (kind != RelocKind::kAbs32S && kind != RelocKind::kAbs32) return false;
  const int64_t most = kind == RelocKind::kAbs32S ? int64_t{INT32_MAX} : int64_t{UINT32_MAX};
  if (!range.plus(reloc.addend).within({INT32_MIN, most})) return false;
  const FormRec &form = tables.form[reloc.value];
  *hole = {.mask = static_cast<uint32_t>(form.term.mask),
           .sign = static_cast<uint32_t>(form.term.sign),
           .factor = static_cast<uint32_t>(form.term.factor),
           .add = static_cast<uint32_t>(form.add),
           .addend = static_cast<uint32_t>(reloc.addend),
           .table = form.count != 0 ? form.first : 0,
           .offset = reloc.offset,
           .from = static_cast<uint8_t>(form.term.from),
           .count = static_cast<uint8_t>(form.count),
           .insn = reloc.insn};
  return true;
}

}  // namespace pyqemu
