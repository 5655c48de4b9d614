// Takes a stencil's code and the places of its fields.
#include "fixed_code.hpp"

#include "host_code.hpp"

namespace pyqemu {

bool FixedCode::load(const PackTables &tables, uint32_t number, uint32_t values, uint32_t exits) {
  const StencilRec &stencil = tables.stencil[number];
  if (stencil.size + host::kJumpBytes > sizeof code_ || stencil.hole_count != 0 ||
      stencil.other_count != values || stencil.exit_count != exits)
    return false;
  size_ = stencil.size;
  memcpy(code_, tables.text.data() + stencil.code, size_);
  for (const RelocRec &reloc : tables.others(stencil))
    if (!load_value(reloc)) return false;
  for (uint32_t k = 0; k < exits; k++) load_exit(stencil, k);
  for (const RelocRec &reloc : tables.jumps(stencil))
    if (!load_jump(stencil, reloc)) return false;
  for (uint32_t k = 0; k < exits; k++)
    if (exit_fields_[k] == kNone) return false;
  return true;
}

bool FixedCode::load_value(const RelocRec &reloc) {
  const auto kind = static_cast<RelocKind>(reloc.kind);
  if (kind == RelocKind::kAbs8) return false;
  value_field_ = reloc.offset;
  value_bytes_ = kind == RelocKind::kAbs64 ? 8 : 4;
  return true;
}

// These exits are never chained, so their fields are used where they are, aligned or not. A kTail exit gets
// its jump now; it is only one, as nothing goes on behind it.
void FixedCode::load_exit(const StencilRec &stencil, uint32_t exit) {
  const auto way = static_cast<ExitWay>(stencil.exit_way[exit]);
  exit_fields_[exit] = way == ExitWay::kField ? stencil.exit_offset : kNone;
  if (way != ExitWay::kTail || size_ != stencil.size) return;
  host::emit_jump(code_ + size_);
  exit_fields_[exit] = size_ + host::kJumpField;
  size_ += host::kJumpBytes;
}

// What follows lies behind the code, wherever that is copied to.
bool FixedCode::load_jump(const StencilRec &stencil, const RelocRec &reloc) {
  const auto kind = static_cast<RelocKind>(reloc.kind);
  if (kind == RelocKind::kNext) {
    host::write_rel32(code_ + reloc.offset, static_cast<int32_t>(size_ - reloc.offset) - 4);
    return true;
  }
  if (kind == RelocKind::kImage && image_field_ == kNone) {
    image_field_ = reloc.offset;
    image_target_ = reloc.value + static_cast<uint32_t>(reloc.addend);
    return true;
  }
  if (kind != RelocKind::kExit || reloc.value >= stencil.exit_count || exit_fields_[reloc.value] != kNone)
    return false;
  exit_fields_[reloc.value] = reloc.offset;
  return true;
}

}  // namespace pyqemu
