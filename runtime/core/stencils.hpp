// The stencils and forms of a pack. Each is looked through when it is used for the first time: from then on a
// form can be computed as it is, and a stencil is there in a form that can be copied and filled quickly.
#pragma once

#include <cstdint>
#include <span>

#include "holes.hpp"
#include "pack_file.hpp"
#include "reserved_array.hpp"

namespace pyqemu {

inline constexpr uint32_t kMaxStencilBytes = 16384;
inline constexpr uint32_t kMaxRelocs = 512;  // of a stencil
inline constexpr uint32_t kMaxExits = 2;
inline constexpr uint32_t kAllFlags = 0xffffffff;
inline constexpr uint32_t kHoleGroup = 3;   // holes that are filled at a time; few stencils have more
inline constexpr uint32_t kCopyBytes = 64;  // of code that are copied at a time; few have more

// An attribute beside StencilAttributes: there are exits.
inline constexpr uint32_t kHasExit = 1u << 31;

// A sound stencil. Its holes are those in quick form and, to make up whole groups, some that write behind the
// code; there is at least one group. All others are in `others`. If there is a load that can be done without
// (lead_width), its place is hole 0; and the other operand's (kLeadCommutes), hole 1. The place of a last
// store (tail_width) is a hole too.
struct alignas(64) Stencil : StencilRec {
  uint32_t number = 0;
  // Flags: that are live before it whatever follows, and where it may leave the block in the middle; those
  // that have to be dead for the variant that does not compute them (all, if there is none).
  uint32_t live_before = 0, live_at_exits = 0, droppable = kAllFlags;
  uint16_t hole_count = 0, hole_groups = 0;
  bool only_holes = false;  // nothing but the holes is to be filled
  const uint8_t *host_code = nullptr;
  const Hole *holes = nullptr;
  std::span<const RelocRec> others = {};
};

class Stencils {
 public:
  explicit Stencils(const PackTables &tables) : tables_(tables) {}
  // Address space for what it remembers; false if there is none.
  bool reserve();

  // Null if the pack's records are damaged; damage() then says how.
  const Stencil *get(uint32_t number) {
    if (number < tables_.stencil.size() && ready_[number] != 0) [[likely]]
      return &stencils_[ready_[number] - 1];
    return make_ready(number);
  }
  // A short name of what get() gave, null too, and back.
  uint32_t place(const Stencil *stencil) const { return stencil == nullptr ? 0 : ready_[stencil->number]; }
  const Stencil *at(uint32_t place) const { return place == 0 ? nullptr : &stencils_[place - 1]; }
  // A form that can be computed; null if it is damaged.
  const FormRec *form(uint32_t number) {
    if (number < tables_.form.size() && forms_[number].sound) [[likely]]
      return &tables_.form[number];
    return check_form(number);
  }
  // The stencil that does both, or null if there is none (or the pack is damaged).
  const Stencil *fused(const Stencil &first, const Stencil &second);

  // The relocations that are filled with values; the others.
  std::span<const RelocRec> values(const StencilRec &stencil) const {
    return tables_.reloc.subspan(stencil.first_reloc, stencil.value_count);
  }
  std::span<const RelocRec> jumps(const StencilRec &stencil) const {
    return tables_.reloc.subspan(stencil.first_reloc + stencil.value_count,
                                 stencil.reloc_count - stencil.value_count);
  }

  const char *damage() const { return damage_; }
  void set_damage(const char *what) {
    if (damage_ == nullptr) damage_ = what;
  }

 private:
  // What is known of a form.
  struct FormState {
    bool sound;  // it has been looked through
    bool quick;  // `range` is that of its values
    Range range;
  };

  const Stencil *make_ready(uint32_t number);
  void make_holes(Stencil *stencil);
  const FormRec *check_form(uint32_t number);
  const char *problem(const StencilRec &stencil);
  bool sound_values(const StencilRec &stencil);
  bool sound_jumps(const StencilRec &stencil) const;
  bool sound_exits(const StencilRec &stencil);
  bool sound_moves(const StencilRec &stencil) const;

  const PackTables &tables_;
  const char *damage_ = nullptr;
  ReservedArray<uint32_t> ready_;   // by number: 1 + where it is in stencils_
  ReservedArray<FormState> forms_;  // by number
  ReservedArray<Stencil> stencils_;
  ReservedArray<Hole> holes_;
  ReservedArray<RelocRec> others_;
};

}  // namespace pyqemu
