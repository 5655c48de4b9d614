// What has to be true of a stencil's records, so that copying it stays within bounds.
#include "stencils.hpp"

#include <algorithm>

#include "host_code.hpp"
#include "value_form.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kRegisters = 16;  // of the host

uint32_t field_bytes(RelocKind kind) {
  return kind == RelocKind::kAbs64 ? 8 : kind == RelocKind::kAbs8 ? 1 : 4;
}

bool has_way(const StencilRec &stencil, uint32_t exit, ExitWay way) {
  return stencil.exit_way[exit] == static_cast<uint8_t>(way);
}

}  // namespace

bool Stencils::reserve() {
  // Stencils may share their relocations; what is far beyond that is damaged.
  const size_t stencils = tables_.stencil.size() + 1, relocs = tables_.reloc.size();
  if (!ready_.reserve(stencils) || !forms_.reserve(tables_.form.size() + 1) || !stencils_.reserve(stencils) ||
      !holes_.reserve(2 * kHoleGroup * stencils + 4 * relocs + kMaxRelocs) ||
      !others_.reserve(4 * relocs + kMaxRelocs))
    return false;
  ready_.touch(ready_.capacity());  // read all over before much is written: each page would fault twice
  forms_.touch(forms_.capacity());
  return true;
}

const FormRec *Stencils::check_form(uint32_t number) {
  if (!valid_form(tables_, number)) return nullptr;
  FormState &state = forms_[number];
  state.quick = quick_range(tables_, tables_.form[number], &state.range);
  state.sound = true;
  return &tables_.form[number];
}

const Stencil *Stencils::make_ready(uint32_t number) {
  const char *what = "the pack's stencils are damaged";
  if (number < tables_.stencil.size()) what = problem(tables_.stencil[number]);
  if (what != nullptr) {
    set_damage(what);
    return nullptr;
  }
  Stencil stencil{tables_.stencil[number]};
  stencil.number = number;
  stencil.host_code = tables_.text.data() + stencil.code;
  __builtin_prefetch(stencil.host_code);
  stencil.attributes &= ~kHasExit;
  if (stencil.exit_count != 0) stencil.attributes |= kHasExit;
  if (number == tables_.header->undefined) stencil.attributes |= kEndsBlock;
  stencil.live_before = (stencil.attributes & kFaults) != 0 ? kAllFlags : stencil.reads;
  stencil.live_at_exits = stencil.exit_count != 0 ? kAllFlags : 0;
  if (stencil.writes == 0) stencil.dead = kNone;
  if (stencil.dead != kNone) stencil.droppable = stencil.writes;
  make_holes(&stencil);
  stencil.only_holes =
      stencil.others.empty() && stencil.exit_count == 0 && stencil.reloc_count == stencil.value_count;
  const uint32_t place = stencils_.push(stencil);
  ready_[number] = place + 1;
  return &stencils_[place];
}

void Stencils::make_holes(Stencil *stencil) {
  const std::span<const RelocRec> values = this->values(*stencil);
  const uint32_t first = holes_.size(), first_other = others_.size();
  auto partner = uint32_t{kNone};
  for (const RelocRec &reloc : values) {
    Hole hole;
    const auto index = static_cast<uint32_t>(&reloc - values.data());
    const FormState &form = forms_[reloc.value];
    if (!form.quick || !make_hole(tables_, reloc, form.range, &hole)) {
      others_.push(reloc);
      if (index == 0) stencil->lead_width = 0;
      if (index + 1 == values.size()) stencil->tail_width = 0;
    } else {
      if (index == stencil->lead_partner) partner = holes_.size();
      holes_.push(hole);
    }
  }
  if (partner == kNone || stencil->lead_width == 0)
    stencil->lead_flags &= static_cast<uint8_t>(~kLeadCommutes);
  else if ((stencil->lead_flags & kLeadCommutes) != 0)
    std::swap(holes_[first + 1], holes_[partner]);
  stencil->hole_count = static_cast<uint16_t>(holes_.size() - first);
  stencil->hole_groups =
      static_cast<uint16_t>(std::max(1u, (stencil->hole_count + kHoleGroup - 1) / kHoleGroup));
  while (holes_.size() - first < stencil->hole_groups * kHoleGroup)
    holes_.push({.offset = static_cast<uint16_t>(stencil->size)});
  stencil->holes = &holes_[first];
  stencil->others = {&others_[first_other], others_.size() - first_other};
}

const Stencil *Stencils::fused(const Stencil &first, const Stencil &second) {
  std::span<const FuseRec> pairs = tables_.fuse.subspan(first.first_fuse, first.fuse_count);
  auto found = std::lower_bound(pairs.begin(), pairs.end(), second.number,
                                [](const FuseRec &fuse, uint32_t wanted) { return fuse.second < wanted; });
  if (found == pairs.end() || found->second != second.number) return nullptr;
  const Stencil *both = get(found->fused);
  if (both == nullptr || both->insns == 2) return both;
  set_damage("the pack's fused stencils are damaged");
  return nullptr;
}

const char *Stencils::problem(const StencilRec &stencil) {
  if (!in_table(stencil.code, stencil.size, tables_.text.size()) || stencil.size > kMaxStencilBytes ||
      !in_table(stencil.first_reloc, stencil.reloc_count, tables_.reloc.size()) ||
      stencil.reloc_count > kMaxRelocs || stencil.value_count > stencil.reloc_count ||
      stencil.exit_count > kMaxExits || stencil.insns < 1 || stencil.insns > 2 ||
      !in_table(stencil.first_fuse, stencil.fuse_count, tables_.fuse.size()))
    return "a stencil of the pack is damaged";
  if (!sound_values(stencil) || !sound_jumps(stencil)) return "a relocation of the pack is damaged";
  if (!sound_exits(stencil)) return "an exit of the pack is damaged";
  if (!sound_moves(stencil)) return "a first load or last store of the pack is damaged";
  if (holes_.room() < stencil.value_count + kHoleGroup || others_.room() < stencil.value_count)
    return "the pack's stencils are damaged";
  return nullptr;
}

bool Stencils::sound_values(const StencilRec &stencil) {
  for (const RelocRec &reloc : values(stencil)) {
    const auto kind = static_cast<RelocKind>(reloc.kind);
    if (kind > RelocKind::kAbs8 || !in_table(reloc.offset, field_bytes(kind), stencil.size) ||
        reloc.insn >= stencil.insns || form(reloc.value) == nullptr)
      return false;
  }
  return true;
}

bool Stencils::sound_jumps(const StencilRec &stencil) const {
  for (const RelocRec &reloc : jumps(stencil)) {
    const auto kind = static_cast<RelocKind>(reloc.kind);
    if (kind < RelocKind::kNext || kind > RelocKind::kImage || !in_table(reloc.offset, 4, stencil.size))
      return false;
    if (kind == RelocKind::kExit && reloc.value >= stencil.exit_count) return false;
    if (kind == RelocKind::kImage && reloc.value >= tables_.header->image_bytes) return false;
  }
  return true;
}

// Of the fields that are patched only one can be kept aligned.
bool Stencils::sound_exits(const StencilRec &stencil) {
  uint32_t fields = 0;
  for (uint32_t k = 0; k < stencil.exit_count; k++) {
    if (stencil.exit_way[k] > static_cast<uint8_t>(ExitWay::kTrampoline) ||
        form(stencil.exit_target[k]) == nullptr)
      return false;
    if (!has_way(stencil, k, ExitWay::kField)) continue;
    fields++;
    if (!in_table(stencil.exit_offset[k], 4, stencil.size)) return false;
  }
  return fields <= 1;
}

bool Stencils::sound_moves(const StencilRec &stencil) const {
  // Whether value `number` is a displacement that ends at `end`.
  auto ends_at = [&](uint32_t number, uint32_t end) {
    return number < stencil.value_count &&
           values(stencil)[number].kind == static_cast<uint8_t>(RelocKind::kAbs32S) &&
           values(stencil)[number].offset + 4u == end;
  };
  if (stencil.tail_width != 0) {
    if (stencil.tail_width != 64 || stencil.tail_reg >= kRegisters ||
        (stencil.attributes & kFallsThrough) == 0 || !ends_at(stencil.value_count - 1u, stencil.size))
      return false;
    for (uint32_t k = 0; k < stencil.exit_count; k++)
      if (has_way(stencil, k, ExitWay::kTail)) return false;
  }
  if (stencil.lead_width == 0) return true;
  if ((stencil.lead_width != 64 && stencil.lead_width != 32) || stencil.lead_reg >= kRegisters ||
      stencil.lead_bytes < host::kMoveBytes || stencil.lead_bytes >= stencil.size ||
      !ends_at(0, stencil.lead_bytes))
    return false;
  if ((stencil.lead_flags & kLeadCommutes) == 0) return true;
  return stencil.lead_partner != 0 && stencil.lead_partner < stencil.value_count &&
         values(stencil)[stencil.lead_partner].kind == static_cast<uint8_t>(RelocKind::kAbs32S);
}

}  // namespace pyqemu
