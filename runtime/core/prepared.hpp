// Encodings and stencils as the translator wants them: records checked, relocations sorted out, values in
// quick forms. Made when an encoding or stencil is used for the first time; kept as long as the engine lives.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "arena.hpp"
#include "pack_file.hpp"
#include "reserved_array.hpp"
#include "value_form.hpp"

namespace pyqemu {

inline constexpr uint32_t kMaxStencilBytes = 16384;
inline constexpr uint32_t kMaxExits = 2;
inline constexpr uint8_t kNoField = 0xff;

// What decode-time programs depend on: bits of the word, and whether on `here`.
struct Inputs {
  uint64_t word = 0;
  bool here = false;
};

struct EncodingInfo {
  enum State : uint8_t { kUnknown, kGood, kBad } state = kUnknown;
  Inputs shape;           // of the choice of a stencil
  uint64_t features = 0;  // that the CPU model must have
  const EncodingRec *record = nullptr;
  std::span<const FieldRec> fields;
};

struct PreparedReloc {
  RelocKind kind;
  uint8_t insn;  // whose values: the first instruction's, or the second's of a fused stencil
  uint8_t exit;  // kExit: its number
  uint8_t signed_only;
  uint32_t offset;
  int32_t addend;
  uint32_t image;
  ValueForm form;
};

// How a direct exit leaves the stencil.
struct PreparedExit {
  enum Way : uint8_t {
    kUnused,
    kField,       // one rel32 in the code, which is kept aligned and patched
    kTail,        // the jump at the end, written anew behind the code with its rel32 aligned
    kTrampoline,  // jumps to an aligned jump among the cold code
  } way = kUnused;
  uint8_t insn = 0;
  uint32_t offset = 0;  // kField: of the rel32
  ValueForm target;
};

// The byte code of one instruction; `needed` if it has to run each time, because some value has no quick
// form.
struct PreparedProgram {
  std::span<const ProgOp> ops;
  const EncodingInfo *encoding = nullptr;
  bool needed = false;
};

// The load that a stencil starts with, or the store that it ends with: between a host register and the CPU
// state (StencilRec).
struct PreparedMove {
  uint8_t width = 0;  // bits; 0: none
  uint8_t reg = 0;
  uint8_t bytes = 0, flags = 0;            // of a load: its length, LeadFlags
  const PreparedReloc *place = nullptr;    // the displacement's
  const PreparedReloc *partner = nullptr;  // kLeadCommutes
};

struct Prepared {
  const uint8_t *code = nullptr;
  uint32_t size = 0;  // without a last jump to NEXT, or a tail exit
  uint32_t stencil = kNone;
  uint32_t attributes = 0, reads = 0, writes = 0;
  uint16_t reloc_count = 0;
  uint8_t exit_count = 0;
  uint8_t align = 1;
  uint8_t patch_field = kNoField;  // exit whose field must be aligned
  uint8_t tail_exit = kNoField;
  bool fused = false;
  bool dead_known = false;
  uint16_t inverted = 0;  // field of a conditional jump to be turned round in the copy; 0: none
  PreparedReloc *relocs = nullptr;
  PreparedExit exits[kMaxExits];
  PreparedMove lead, tail;
  PreparedProgram program[2];
  Prepared *dead = nullptr;                 // variant without flags, once dead_known
  uint32_t first_fuse = 0, fuse_count = 0;  // in .pq.fuse: pairs that start with this stencil
  Prepared *next = nullptr;                 // the same stencil for another encoding
};

class Preparer {
 public:
  explicit Preparer(const PackTables &tables) : tables_(tables) {}
  // Address space for the tables; false if there is none.
  bool reserve();

  // Null if the pack's records are damaged; damage() then says how.
  const EncodingInfo *encoding(uint32_t number);
  Prepared *stencil(uint32_t number, const EncodingInfo *encoding);
  Prepared *dead_variant(Prepared *of);
  // The stencil that does both, or null if there is none (or the pack is damaged).
  Prepared *fused(Prepared *first, Prepared *second);

  // Adds what `ops` read.
  void add_inputs(std::span<const ProgOp> ops, const EncodingInfo &encoding, Inputs *inputs) const;
  // The guard or shape program `number`, checked; empty if it is damaged.
  std::span<const ProgOp> guard(uint32_t number, const EncodingInfo &encoding);

  uint32_t inputs(const EncodingInfo *encoding) const {
    return static_cast<uint32_t>(encoding != nullptr ? encoding->fields.size() : 0) + 1 +
           tables_.header->context_count;
  }
  const char *damage() const { return damage_; }
  void set_damage(const char *what) {
    if (damage_ == nullptr) damage_ = what;
  }

 private:
  bool load_encoding(EncodingInfo *info, uint32_t number);
  void find_shape_inputs(EncodingInfo *info);
  Prepared *prepare(uint32_t number, const PreparedProgram programs[2], bool fused);
  bool load_program(PreparedProgram *program, const EncodingInfo *encoding, uint32_t stencil);
  bool check(const StencilRec &record, std::span<const RelocRec> relocs, const Prepared &made) const;
  void shape_end(Prepared *made);
  void place_exits(Prepared *made);
  bool find_moves(Prepared *made, const StencilRec &record, std::span<const RelocRec> relocs) const;
  void make_forms(Prepared *made, const StencilRec &record);
  void analyse_values(Prepared *made, const StencilRec &record, int insn);
  Prepared *damaged(const char *what) {
    set_damage(what);
    return nullptr;
  }

  const PackTables &tables_;
  Arena arena_;
  const char *damage_ = nullptr;
  ReservedArray<EncodingInfo> encodings_;
  ReservedArray<Prepared *> stencils_, fused_;  // by stencil, by index in .pq.fuse
  ReservedArray<uint32_t> guard_inputs_;        // 1 + number of inputs that a guard was found good for
  std::vector<RelocRec> relocs_;  // of the stencil that is being prepared, as they are to be applied
  std::vector<uint16_t> wanted_;  // scratch of analyse_values
  std::vector<ValueForm *> destinations_;
  std::vector<ValueForm> forms_;
};

}  // namespace pyqemu
