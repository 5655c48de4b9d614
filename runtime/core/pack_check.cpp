#include "pack_check.hpp"

#include <algorithm>

#include "decoder.hpp"
#include "host_code.hpp"
#include "value_form.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxStencilBytes = 16384;
constexpr uint32_t kFieldBytes = 4;  // of a hole in quick form, of a jump

bool alike(const StencilRec &a, const StencilRec &b, uint32_t attributes) {
  return ((a.attributes ^ b.attributes) & attributes) == 0;
}

class Checker {
 public:
  explicit Checker(const PackTables &tables) : t_(tables) {}

  bool decoding() const;
  bool forms() const;
  bool shapes() const;
  bool stencils() const;
  bool pairs() const;
  bool synced() const;

 private:
  bool form(uint32_t number) const { return number < t_.form.size(); }  // all of them are looked through
  bool entry(uint32_t entry, uint64_t leaves, uint64_t nodes) const;
  bool children(uint32_t first, uint64_t count, uint64_t leaves, uint64_t nodes) const;
  bool stencil(const StencilRec &stencil) const;
  bool holes(const StencilRec &stencil) const;
  bool hole(const StencilRec &stencil, const HoleRec &hole, bool filled) const;
  bool relocs(const StencilRec &stencil) const;
  bool exits(const StencilRec &stencil) const;
  bool edges(const StencilRec &stencil) const;

  const PackTables &t_;
};

// Of .pq.child: nothing, a leaf, or a node before the one that it belongs to, so that there are no circles.
bool Checker::entry(uint32_t entry, uint64_t leaves, uint64_t nodes) const {
  return entry == kNone || ((entry & kNodeBit) != 0 ? (entry & ~kNodeBit) < nodes : entry < leaves);
}

bool Checker::children(uint32_t first, uint64_t count, uint64_t leaves, uint64_t nodes) const {
  return in_table(first, count, t_.child.size()) &&
         std::ranges::all_of(t_.child.subspan(first, count),
                             [&](uint32_t child) { return entry(child, leaves, nodes); });
}

bool Checker::decoding() const {
  if (t_.cand.size() > Decoder::kMaxLeaves) return false;
  for (uint64_t i = 0; i < t_.node.size(); i++) {
    const DecodeNode &node = t_.node[i];
    if (node.shift >= 64 || node.bits >= 32 ||
        !children(node.first_child, uint64_t{1} << node.bits, t_.cand.size(), i))
      return false;
  }
  for (const Candidate &candidate : t_.cand)
    if (candidate.encoding >= t_.enc.size() || (candidate.guard != kNone && !form(candidate.guard)))
      return false;
  return t_.cand.empty() || t_.cand.back().last != 0;
}

bool Checker::forms() const {
  const auto given = [&](uint32_t number) { return number == kNone || form(number); };
  if (!std::ranges::all_of(t_.header->follows, given)) return false;
  for (const EncodingRec &encoding : t_.enc)
    if (!std::ranges::all_of(encoding.next, given)) return false;
  for (uint32_t number = 0; number < t_.form.size(); number++)
    if (!valid_form(t_, number)) return false;
  return true;
}

bool Checker::shapes() const {
  for (uint64_t i = 0; i < t_.shape.size(); i++) {
    const ShapeNode &node = t_.shape[i];
    if (!form(node.form) || !children(node.first_child, node.count, t_.stencil.size(), i)) return false;
  }
  return std::ranges::all_of(t_.enc, [&](const EncodingRec &encoding) {
    return entry(encoding.shape_root, t_.stencil.size(), t_.shape.size()) &&
           entry(encoding.guard_root, t_.stencil.size(), t_.shape.size());
  });
}

bool Checker::stencils() const {
  return t_.label.size() == t_.stencil.size() &&
         std::ranges::all_of(t_.stencil, [&](const StencilRec &one) { return stencil(one); });
}

bool Checker::stencil(const StencilRec &s) const {
  const auto same = [&](uint32_t other) {
    return other < t_.stencil.size() && t_.stencil[other].insns == s.insns &&
           alike(t_.stencil[other], s, kGuard | kGuarded);
  };
  return in_table(s.code, s.size, t_.text.size()) && s.size <= kMaxStencilBytes && s.insns >= 1 &&
         s.insns <= 2 && (s.dead == kNone || same(s.dead)) &&
         in_table(s.first_fuse, s.fuse_count, t_.fuse.size()) && holes(s) && relocs(s) && exits(s) &&
         edges(s);
}

bool Checker::holes(const StencilRec &s) const {
  if (s.hole_groups == 0 || s.hole_count > s.hole_groups * kHoleGroup ||
      !in_table(s.first_hole, (s.hole_groups - uint64_t{1}) * kHoleGroup, t_.hole.size()))
    return false;
  uint32_t number = 0;
  for (std::span<const HoleRec> some : {std::span<const HoleRec>(s.holes), t_.more_holes(s)})
    for (const HoleRec &one : some)
      if (!hole(s, one, number++ < s.hole_count)) return false;
  return true;
}

// One that is not to be `filled` only makes up a group.
bool Checker::hole(const StencilRec &s, const HoleRec &h, bool filled) const {
  const bool placed = filled ? in_table(h.offset, kFieldBytes, s.size) : h.offset == s.size;
  return placed && h.from < 64 && h.insn < s.insns &&
         in_table(h.table, std::max<uint32_t>(h.count, 1), t_.table.size());
}

bool Checker::relocs(const StencilRec &s) const {
  if (!in_table(s.first_reloc, uint64_t{s.other_count} + s.jump_count, t_.reloc.size())) return false;
  for (const RelocRec &reloc : t_.others(s)) {
    const auto kind = static_cast<RelocKind>(reloc.kind);
    const uint32_t bytes = kind == RelocKind::kAbs64 ? 8 : kind == RelocKind::kAbs8 ? 1 : kFieldBytes;
    if (kind > RelocKind::kAbs8 || !in_table(reloc.offset, bytes, s.size) || reloc.insn >= s.insns ||
        !form(reloc.value))
      return false;
  }
  if ((s.attributes & kGuard) != 0 && s.jump_count > kMaxSkips) return false;
  for (const RelocRec &reloc : t_.jumps(s)) {
    const auto kind = static_cast<RelocKind>(reloc.kind);
    if (kind < RelocKind::kNext || kind > RelocKind::kSkip || !in_table(reloc.offset, kFieldBytes, s.size))
      return false;
    if (kind == RelocKind::kExit && reloc.value >= s.exit_count) return false;
    if (kind == RelocKind::kSkip && (s.attributes & kGuard) == 0) return false;
    if (kind == RelocKind::kImage && reloc.value >= t_.header->image_bytes) return false;
  }
  return true;
}

// Of the fields that are patched only one can be kept aligned.
bool Checker::exits(const StencilRec &s) const {
  if (s.exit_count > kMaxExits || ((s.attributes & kHasExit) != 0) != (s.exit_count != 0)) return false;
  const bool only_holes =
      s.other_count == 0 && s.jump_count == 0 && s.exit_count == 0 && (s.attributes & kGuarded) == 0;
  if (((s.attributes & kOnlyHoles) != 0) != only_holes) return false;
  uint32_t fields = 0;
  for (uint32_t k = 0; k < s.exit_count; k++) {
    if (s.exit_way[k] > static_cast<uint8_t>(ExitWay::kTrampoline) || !form(s.exit_target[k])) return false;
    fields += s.exit_way[k] == static_cast<uint8_t>(ExitWay::kField);
  }
  return fields == 0 || (fields == 1 && in_table(s.exit_offset, kFieldBytes, s.size));
}

bool Checker::edges(const StencilRec &s) const {
  const auto fills = [&](const HoleRec &one) { return one.offset + kFieldBytes == s.size; };
  if ((s.tail & kEdge) != 0) {
    if ((s.attributes & kFallsThrough) == 0 ||
        (std::ranges::none_of(s.holes, fills) && std::ranges::none_of(t_.more_holes(s), fills)))
      return false;
    for (uint32_t k = 0; k < s.exit_count; k++)
      if (s.exit_way[k] == static_cast<uint8_t>(ExitWay::kTail)) return false;
  }
  if ((s.lead & kEdge) == 0) return true;
  return s.hole_count >= ((s.lead & kLeadCommutes) != 0 ? 2 : 1) && s.lead_bytes >= host::kMoveBytes &&
         s.lead_bytes < s.size && s.holes[0].offset + kFieldBytes == s.lead_bytes;
}

bool Checker::synced() const {
  return std::ranges::all_of(t_.sync, [&](const SyncRec &pair) {
    return pair.stencil < t_.stencil.size() && pair.synced < t_.stencil.size() &&
           alike(t_.stencil[pair.stencil], t_.stencil[pair.synced], kGuard | kGuarded) &&
           t_.stencil[pair.synced].insns == 1 && t_.stencil[pair.synced].exit_count == 0;
  });
}

bool Checker::pairs() const {
  return std::ranges::all_of(t_.fuse, [&](const FuseRec &pair) {
    return pair.fused < t_.stencil.size() && pair.second < t_.stencil.size() &&
           t_.stencil[pair.fused].insns == 2 &&
           alike(t_.stencil[pair.fused], t_.stencil[pair.second], kGuard | kGuarded);
  });
}

}  // namespace

const char *check_records(const PackTables &tables) {
  const Checker checker(tables);
  if (!checker.forms()) return "the pack's forms are damaged";
  if (!checker.decoding()) return "the pack's decode trees are damaged";
  if (!checker.shapes()) return "the pack's shape trees are damaged";
  if (!checker.stencils()) return "the pack's stencils are damaged";
  if (!checker.pairs() || !checker.synced()) return "the pack's fused stencils are damaged";
  return nullptr;
}

}  // namespace pyqemu
