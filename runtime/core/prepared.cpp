// Checks encodings and stencils of a pack on first use, and puts them in the translator's form.
#include "prepared.hpp"

#include <algorithm>
#include <array>

#include "byte_code.hpp"
#include "host_code.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxValues = 65536;
constexpr uint32_t kShapeBudget = 4096;  // shape nodes to look at before giving up on a narrower key
constexpr uint32_t kMaxRelocs = 512;

bool in_table(uint64_t first, uint64_t count, uint64_t size) {
  return first <= size && count <= size - first;
}

uint32_t field_bytes(RelocKind kind) {
  return kind == RelocKind::kAbs64 ? 8 : kind == RelocKind::kAbs8 ? 1 : 4;
}

bool has_value(RelocKind kind) {
  return kind <= RelocKind::kAbs8;
}

uint64_t word_bits(const FieldRec &field, std::span<const SliceRec> slices) {
  uint64_t bits = 0;
  for (const SliceRec &slice : slices.subspan(field.first_slice, field.slice_count))
    bits |= (slice.width >= 64 ? ~uint64_t{0} : (uint64_t{1} << slice.width) - 1) << slice.from;
  return bits;
}

}  // namespace

bool Preparer::reserve() {
  return encodings_.reserve(tables_.enc.size() + 1) && stencils_.reserve(tables_.stencil.size() + 1) &&
         fused_.reserve(tables_.fuse.size() + 1) && guard_inputs_.reserve(tables_.guard.size() + 1);
}

const EncodingInfo *Preparer::encoding(uint32_t number) {
  if (number < tables_.enc.size()) {
    EncodingInfo &info = encodings_[number];
    if (info.state == EncodingInfo::kUnknown)
      info.state = load_encoding(&info, number) ? info.kGood : info.kBad;
    if (info.state == EncodingInfo::kGood) return &info;
  }
  set_damage("the pack's encodings are damaged");
  return nullptr;
}

bool Preparer::load_encoding(EncodingInfo *info, uint32_t number) {
  const EncodingRec &record = tables_.enc[number];
  if (record.unit >= 4 || !in_table(record.first_field, record.field_count, tables_.field.size()))
    return false;
  info->record = &record;
  info->fields = tables_.field.subspan(record.first_field, record.field_count);
  for (const FieldRec &field : info->fields) {
    if (field.width > 64 || !in_table(field.first_slice, field.slice_count, tables_.slice.size()))
      return false;
    for (const SliceRec &slice : tables_.slice.subspan(field.first_slice, field.slice_count))
      if (slice.width == 0 || slice.from + slice.width > 64 || slice.to + slice.width > field.width)
        return false;
  }
  if (record.reserved != 0) {
    if (record.reserved > tables_.table.size()) return false;
    info->features = static_cast<uint64_t>(tables_.table[record.reserved - 1]);
  }
  find_shape_inputs(info);
  return true;
}

// Finds the bits of the word that any program of the shape tree reads. Damaged nodes are left to the walk
// itself.
void Preparer::find_shape_inputs(EncodingInfo *info) {
  std::array<uint32_t, 256> stack;
  uint32_t depth = 0, budget = kShapeBudget;
  stack[depth++] = info->record->shape_root;
  while (depth != 0) {
    uint32_t entry = stack[--depth];
    if (entry == kNone || (entry & kNodeBit) == 0 || (entry & ~kNodeBit) >= tables_.shape.size()) continue;
    const ShapeNode &node = tables_.shape[entry & ~kNodeBit];
    if (node.count > budget || depth + node.count > stack.size() ||
        !in_table(node.first_child, node.count, tables_.child.size())) {
      info->shape = {~uint64_t{0}, true};
      return;
    }
    budget -= node.count;
    add_inputs(guard(node.program, *info), *info, &info->shape);
    for (uint32_t i = 0; i < node.count; i++) stack[depth++] = tables_.child[node.first_child + i];
  }
}

void Preparer::add_inputs(std::span<const ProgOp> ops, const EncodingInfo &encoding, Inputs *inputs) const {
  for (const ProgOp &op : ops) {
    const uint16_t operands[3] = {op.a, op.b, op.c};
    for (int k = 0; k < operand_count(static_cast<ProgOpCode>(op.op)); k++) {
      if (operands[k] < encoding.fields.size())
        inputs->word |= word_bits(encoding.fields[operands[k]], tables_.slice);
      else if (operands[k] == encoding.fields.size())
        inputs->here = true;
    }
  }
}

std::span<const ProgOp> Preparer::guard(uint32_t number, const EncodingInfo &encoding) {
  if (number < tables_.guard.size()) {
    const ProgRec &record = tables_.guard[number];
    const uint32_t first = inputs(&encoding);
    if (guard_inputs_[number] == first + 1) return tables_.prog.subspan(record.first, record.count);
    if (record.count != 0 && in_table(record.first, record.count, tables_.prog.size()) &&
        first + record.count <= kMaxValues) {
      std::span<const ProgOp> ops = tables_.prog.subspan(record.first, record.count);
      if (valid_program(ops, first)) {
        guard_inputs_[number] = first + 1;
        return ops;
      }
    }
  }
  set_damage("a guard of the pack is damaged");
  return {};
}

bool Preparer::load_program(PreparedProgram *program, const EncodingInfo *encoding, uint32_t stencil) {
  const StencilRec &record = tables_.stencil[stencil];
  const uint32_t first = inputs(encoding);
  if (!in_table(record.first_op, record.op_count, tables_.prog.size()) ||
      first + record.op_count > kMaxValues ||
      record.fields != (encoding != nullptr ? encoding->fields.size() : 0))
    return false;
  program->encoding = encoding;
  program->ops = tables_.prog.subspan(record.first_op, record.op_count);
  return valid_program(program->ops, first);
}

Prepared *Preparer::stencil(uint32_t number, const EncodingInfo *encoding) {
  if (number >= tables_.stencil.size()) return damaged("the pack's stencils are damaged");
  for (Prepared *made = stencils_[number]; made != nullptr; made = made->next)
    if (made->program[0].encoding == encoding) return made;
  PreparedProgram programs[2];
  if (!load_program(&programs[0], encoding, number)) return damaged("a stencil's program is damaged");
  Prepared *made = prepare(number, programs, false);
  if (made == nullptr) return nullptr;
  made->next = stencils_[number];
  stencils_[number] = made;
  auto low = std::lower_bound(tables_.fuse.begin(), tables_.fuse.end(), number,
                              [](const FuseRec &fuse, uint32_t stencil) { return fuse.first < stencil; });
  made->first_fuse = static_cast<uint32_t>(low - tables_.fuse.begin());
  while (low != tables_.fuse.end() && low->first == number) ++low, ++made->fuse_count;
  return made;
}

Prepared *Preparer::dead_variant(Prepared *of) {
  if (of->dead_known) return of->dead;
  uint32_t number = tables_.stencil[of->stencil].dead;
  of->dead_known = true;
  if (number == kNone) return nullptr;
  if (number >= tables_.stencil.size()) return damaged("the pack's stencils are damaged");
  of->dead = of->fused ? prepare(number, of->program, true) : stencil(number, of->program[0].encoding);
  return of->dead;
}

Prepared *Preparer::fused(Prepared *first, Prepared *second) {
  std::span<const FuseRec> range = tables_.fuse.subspan(first->first_fuse, first->fuse_count);
  auto found = std::lower_bound(range.begin(), range.end(), second->stencil,
                                [](const FuseRec &fuse, uint32_t stencil) { return fuse.second < stencil; });
  if (found == range.end() || found->second != second->stencil) return nullptr;
  size_t index = static_cast<size_t>(&*found - tables_.fuse.data());
  for (Prepared *made = fused_[index]; made != nullptr; made = made->next)
    if (made->program[0].encoding == first->program[0].encoding &&
        made->program[1].encoding == second->program[0].encoding)
      return made;
  if (found->fused >= tables_.stencil.size()) return damaged("the pack's fused stencils are damaged");
  const PreparedProgram programs[2] = {first->program[0], second->program[0]};
  Prepared *made = prepare(found->fused, programs, true);
  if (made == nullptr) return nullptr;
  made->next = fused_[index];
  fused_[index] = made;
  return made;
}

Prepared *Preparer::prepare(uint32_t number, const PreparedProgram programs[2], bool fused) {
  const StencilRec &record = tables_.stencil[number];
  if (!in_table(record.first_reloc, record.reloc_count, tables_.reloc.size()) ||
      record.reloc_count > kMaxRelocs || !in_table(record.code, record.size, tables_.text.size()) ||
      record.size > kMaxStencilBytes || record.exit_count > kMaxExits || record.align > 64 ||
      (record.align & (record.align - 1)) != 0)
    return damaged("a stencil of the pack is damaged");
  Prepared *made = arena_.make<Prepared>();
  made->code = tables_.text.data() + record.code;
  made->size = record.size;
  made->stencil = number;
  made->attributes = record.attributes;
  made->reads = record.reads;
  made->writes = record.writes;
  made->exit_count = record.exit_count;
  made->align = record.align == 0 ? 1 : record.align;
  made->fused = fused;
  for (int k = 0; k < 2; k++) {
    made->program[k] = programs[k];
    made->program[k].needed = false;
  }
  std::span<const RelocRec> relocs = tables_.reloc.subspan(record.first_reloc, record.reloc_count);
  if (!check(record, relocs, *made)) return damaged("a relocation of the pack is damaged");
  relocs_.assign(relocs.begin(), relocs.end());
  shape_end(made);
  place_exits(made);
  make_forms(made, record);
  if (!find_moves(made, record, relocs)) return damaged("a first load or last store of the pack is damaged");
  return made;
}

bool Preparer::check(const StencilRec &record, std::span<const RelocRec> relocs, const Prepared &made) const {
  auto value_exists = [&](int insn, uint16_t value) {
    return value < inputs(made.program[insn].encoding) + made.program[insn].ops.size();
  };
  for (int k = 0; k < record.exit_count; k++)
    if (!value_exists(made.fused ? 1 : 0, record.exit_value[k])) return false;
  for (const RelocRec &reloc : relocs) {
    if (reloc.kind > static_cast<uint8_t>(RelocKind::kImage)) return false;
    RelocKind kind = static_cast<RelocKind>(reloc.kind);
    if (!in_table(reloc.offset, field_bytes(kind), record.size) || reloc.insn > (made.fused ? 1 : 0))
      return false;
    if (has_value(kind) && !value_exists(reloc.insn, reloc.value)) return false;
    if (kind == RelocKind::kExit && reloc.value >= record.exit_count) return false;
    if (kind == RelocKind::kImage && reloc.image >= tables_.header->image_bytes) return false;
    if ((kind == RelocKind::kExit || kind == RelocKind::kNext) && (reloc.offset == 0 || reloc.addend != -4))
      return false;
  }
  return true;
}

// Cuts off the last jump if it is to NEXT, or to an exit that a conditional jump over it can go to, turned
// round. A tail exit is cut off too.
void Preparer::shape_end(Prepared *made) {
  auto tail = std::find_if(relocs_.begin(), relocs_.end(), [&](const RelocRec &reloc) {
    return host::is_tail_jump(made->code, made->size, reloc.offset);
  });
  if (tail == relocs_.end()) return;
  const RelocRec last = *tail;
  const RelocKind kind = static_cast<RelocKind>(last.kind);
  if (kind != RelocKind::kNext && kind != RelocKind::kExit) return;
  relocs_.erase(tail);
  made->size -= host::kJumpBytes;
  if (kind == RelocKind::kNext) return;
  for (RelocRec &reloc : relocs_) {
    if (static_cast<RelocKind>(reloc.kind) != RelocKind::kNext || reloc.offset + 4u != made->size ||
        !host::is_conditional_jump(made->code, reloc.offset))
      continue;
    made->inverted = reloc.offset;
    reloc.kind = last.kind;
    reloc.value = last.value;
    return;
  }
  made->exits[last.value].way = PreparedExit::kTail;
  made->tail_exit = static_cast<uint8_t>(last.value);
}

// Chooses for each exit how it leaves.
void Preparer::place_exits(Prepared *made) {
  uint32_t uses[kMaxExits] = {};
  for (const RelocRec &reloc : relocs_) {
    if (static_cast<RelocKind>(reloc.kind) != RelocKind::kExit) continue;
    made->exits[reloc.value].offset = reloc.offset;
    uses[reloc.value]++;
  }
  for (uint8_t k = 0; k < made->exit_count; k++) {
    PreparedExit &exit = made->exits[k];
    exit.insn = made->fused ? 1 : 0;
    if (exit.way == PreparedExit::kTail || uses[k] == 0) continue;
    bool alignable =
        made->align == 1 || exit.offset % std::min<uint32_t>(made->align, host::kPatchAlign) == 0;
    if (uses[k] == 1 && alignable && made->patch_field == kNoField) {
      exit.way = PreparedExit::kField;
      made->patch_field = k;
    } else {
      exit.way = PreparedExit::kTrampoline;
    }
  }
}

void Preparer::make_forms(Prepared *made, const StencilRec &record) {
  made->relocs = arena_.make<PreparedReloc>(relocs_.size());
  for (const RelocRec &reloc : relocs_) {
    RelocKind kind = static_cast<RelocKind>(reloc.kind);
    if (kind == RelocKind::kExit && made->exits[reloc.value].way == PreparedExit::kField) continue;
    PreparedReloc &to = made->relocs[made->reloc_count++];
    to.kind = kind;
    to.insn = reloc.insn;
    to.exit = kind == RelocKind::kExit ? static_cast<uint8_t>(reloc.value) : kNoField;
    to.offset = reloc.offset;
    to.addend = reloc.addend;
    to.image = reloc.image;
    to.form.value = reloc.value;
  }
  for (int insn = 0; insn < (made->fused ? 2 : 1); insn++) analyse_values(made, record, insn);
}

// Finds the relocations of the first load and the last store. Where the code is aligned neither is of use.
bool Preparer::find_moves(Prepared *made, const StencilRec &record, std::span<const RelocRec> relocs) const {
  auto place = [&](uint32_t number) -> const PreparedReloc * {
    if (number >= relocs.size() || relocs[number].kind != static_cast<uint8_t>(RelocKind::kAbs32S))
      return nullptr;
    for (const PreparedReloc &reloc : std::span(made->relocs, made->reloc_count))
      if (reloc.offset == relocs[number].offset) return &reloc;
    return nullptr;
  };
  if (record.tail_width != 0) {
    const PreparedReloc *offset = place(record.tail_reloc);
    if (offset == nullptr || record.tail_width != 64 || record.tail_reg > 15 ||
        (record.attributes & kFallsThrough) == 0 || offset->offset + 4 != made->size ||
        made->tail_exit != kNoField)
      return false;
    made->tail = {record.tail_width, record.tail_reg, 0, 0, offset, nullptr};
  }
  if (record.lead_width != 0 && made->align == 1) {
    const PreparedReloc *offset = place(record.lead_reloc), *partner = nullptr;
    if (offset == nullptr || (record.lead_width != 64 && record.lead_width != 32) || record.lead_reg > 15 ||
        record.lead_bytes < host::kMoveBytes || record.lead_bytes >= made->size ||
        offset->offset + 4u != record.lead_bytes)
      return false;
    if ((record.lead_flags & kLeadCommutes) != 0 &&
        ((partner = place(record.lead_partner)) == nullptr || partner->offset < record.lead_bytes))
      return false;
    made->lead = {record.lead_width, record.lead_reg, record.lead_bytes, record.lead_flags, offset, partner};
  }
  return true;
}

void Preparer::analyse_values(Prepared *made, const StencilRec &record, int insn) {
  wanted_.clear();
  destinations_.clear();
  for (uint32_t i = 0; i < made->reloc_count; i++) {
    PreparedReloc &reloc = made->relocs[i];
    if (!has_value(reloc.kind) || reloc.insn != insn) continue;
    wanted_.push_back(reloc.form.value);
    destinations_.push_back(&reloc.form);
  }
  for (uint32_t k = 0; k < made->exit_count; k++) {
    if (made->exits[k].insn != insn || made->exits[k].way == PreparedExit::kUnused) continue;
    wanted_.push_back(record.exit_value[k]);
    destinations_.push_back(&made->exits[k].target);
  }
  PreparedProgram &program = made->program[insn];
  const auto fields = program.encoding != nullptr ? program.encoding->fields : std::span<const FieldRec>();
  forms_.assign(wanted_.size(), ValueForm());
  analyse({fields, tables_.slice, tables_.header->context_count}, program.ops, tables_.table, wanted_, forms_,
          arena_);
  for (size_t i = 0; i < forms_.size(); i++) {
    *destinations_[i] = forms_[i];
    program.needed |= forms_[i].source == ValueForm::kProgram;
  }
}

}  // namespace pyqemu
