// The stencils and forms of a pack, each of which is looked through when it is used for the first time: from
// then on a stencil's record, its relocations and their forms can be used as they are.
#pragma once

#include <cstdint>
#include <span>

#include "pack_file.hpp"
#include "reserved_array.hpp"

namespace pyqemu {

inline constexpr uint32_t kMaxStencilBytes = 16384;
inline constexpr uint32_t kMaxRelocs = 512;  // of a stencil
inline constexpr uint32_t kMaxExits = 2;

class Stencils {
 public:
  explicit Stencils(const PackTables &tables) : tables_(tables) {}
  // Address space for what it remembers; false if there is none.
  bool reserve();

  // Null if the pack's records are damaged; damage() then says how.
  const StencilRec *get(uint32_t number);
  // A form that can be computed; null if it is damaged.
  const FormRec *form(uint32_t number);
  // The stencil that does both, or null if there is none (or the pack is damaged).
  const StencilRec *fused(const StencilRec &first, const StencilRec &second);

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
  const char *problem(const StencilRec &stencil);
  bool sound_values(const StencilRec &stencil);
  bool sound_jumps(const StencilRec &stencil) const;
  bool sound_exits(const StencilRec &stencil);
  bool sound_moves(const StencilRec &stencil) const;

  const PackTables &tables_;
  const char *damage_ = nullptr;
  ReservedArray<uint8_t> sound_, sound_forms_;  // by number: 1 if it has been looked through
};

}  // namespace pyqemu
