// Takes a stencil's code and the places of its fields.
#include "fixed_code.hpp"

#include "host_code.hpp"

namespace pyqemu {
namespace {

bool is_next(const RelocRec &reloc) {
  return reloc.kind == static_cast<uint8_t>(RelocKind::kNext);
}

}  // namespace

bool FixedCode::load(const PackTables &tables, Stencils &stencils, uint32_t number, uint32_t values,
                     uint32_t exits) {
  const StencilRec *stencil = stencils.get(number);
  if (stencil == nullptr || stencil->size > sizeof code_ || stencil->value_count != values ||
      stencil->exit_count != exits)
    return false;
  for (const RelocRec &reloc : stencils.values(*stencil))
    if (!load_value(reloc)) return false;
  size_ = stencil->size;
  memcpy(code_, tables.text.data() + stencil->code, size_);
  return load_exits(*stencil, stencils.jumps(*stencil));
}

bool FixedCode::load_value(const RelocRec &reloc) {
  const auto kind = static_cast<RelocKind>(reloc.kind);
  if (kind != RelocKind::kAbs64 && kind != RelocKind::kAbs32S) return false;
  value_field_ = reloc.offset;
  value_bytes_ = kind == RelocKind::kAbs64 ? 8 : 4;
  return true;
}

// These exits are never chained, so their fields are used where they are, aligned or not: that of a kField
// exit and the only relocation of a kTrampoline one. A jump at the end that was cut off comes back, and what goes on
// from the middle jumps over it.
bool FixedCode::load_exits(const StencilRec &stencil, std::span<const RelocRec> jumps) {
  uint32_t relocated = 0;
  for (uint32_t k = 0; k < stencil.exit_count; k++) {
    const auto way = static_cast<ExitWay>(stencil.exit_way[k]);
    exit_fields_[k] = stencil.exit_offset[k];
    if (way == ExitWay::kField) continue;
    if (way == ExitWay::kTail) {
      if (size_ + host::kJumpBytes > sizeof code_) return false;
      host::emit_jump(code_ + size_);
      exit_fields_[k] = size_ + host::kJumpField;
      size_ += host::kJumpBytes;
      continue;
    }
    while (relocated < jumps.size() && is_next(jumps[relocated])) relocated++;
    if (way != ExitWay::kTrampoline || relocated == jumps.size()) return false;
    const RelocRec &reloc = jumps[relocated++];
    if (reloc.kind != static_cast<uint8_t>(RelocKind::kExit) || reloc.value != k) return false;
    exit_fields_[k] = reloc.offset;
  }
  while (relocated < jumps.size() && is_next(jumps[relocated])) relocated++;
  for (const RelocRec &reloc : jumps)
    if (is_next(reloc)) host::write_rel32(code_ + reloc.offset, static_cast<int32_t>(size_ - reloc.offset - 4));
  return relocated == jumps.size();
}

}  // namespace pyqemu
