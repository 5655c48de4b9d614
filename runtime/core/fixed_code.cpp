// Takes a stencil's code and the place of its field.
#include "fixed_code.hpp"

namespace pyqemu {

bool FixedCode::load(const PackTables &tables, Stencils &stencils, uint32_t number) {
  const StencilRec *stencil = stencils.get(number);
  if (stencil == nullptr || stencil->size > sizeof code_ || stencil->reloc_count + stencil->exit_count != 1)
    return false;
  if (stencil->exit_count == 1) {
    if (stencil->exit_way[0] != static_cast<uint8_t>(ExitWay::kField)) return false;
    field_ = stencil->exit_offset[0];
  } else {
    if (stencil->value_count != 1) return false;
    const RelocRec &reloc = stencils.values(*stencil)[0];
    const auto kind = static_cast<RelocKind>(reloc.kind);
    if (kind != RelocKind::kAbs64 && kind != RelocKind::kAbs32S) return false;
    field_ = reloc.offset;
    wide_ = kind == RelocKind::kAbs64;
  }
  size_ = stencil->size;
  memcpy(code_, tables.text.data() + stencil->code, size_);
  return true;
}

}  // namespace pyqemu
