// From an instruction word to the stencil for it: decode tree, candidates, guards, shape tree.
#pragma once

#include <array>
#include <cstdint>

#include "pack_file.hpp"
#include "reserved_array.hpp"
#include "stencils.hpp"

namespace pyqemu {

// What decoding depends on besides the word: context variables and the CPU model's features. `id` stands for
// all of it; there are few.
struct DecodeContext {
  uint64_t values[4] = {};
  uint64_t features = 0;
  uint32_t id = 0;
};

// Used under the engine's lock.
class Decoder {
 public:
  static constexpr uint32_t kContextBits = 16;  // of DecodeContext::id

  Decoder(const PackTables &tables, Stencils &stencils) : tables_(tables), stencils_(stencils) {}
  // Memory for its tables, and the stencil for what is undefined; null, or what is wrong.
  const char *prepare();

  // The stencil for `word` of unit `unit` at guest address `here`; null if the unit has no such instruction,
  // or the pack is damaged.
  const Stencil *decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
    const uint32_t leaf = find_leaf(word, unit);
    if (leaf == kNone) [[unlikely]]
      return nullptr;
    const uint64_t bits = word & tables_.cand[leaf].inputs;
    const uint32_t key = (leaf + 1) << kContextBits | context.id;
    Choice &choice = choices_[place(bits, key)];
    if (choice.bits == bits && choice.key == key) [[likely]]
      return stencils_.at(choice.stencil);
    return choose(&choice, leaf, word, here, context);
  }
  const Stencil *undefined() const { return undefined_; }

  // What kind of instruction it is: null for none.
  const EncodingRec *encoding(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context);

 private:
  // A decision made before: direct-mapped by leaf of the decode tree and context (`key`), and the bits of the
  // word that decide.
  struct Choice {
    uint64_t bits;
    uint32_t key;
    uint32_t stencil;  // see Stencils::at
  };
  static constexpr uint32_t kChoiceBits = 11;
  static constexpr uint32_t kMaxLeaves = (1u << (32 - kContextBits)) - 1;
  // A unit's first look into the decode tree.
  struct Root {
    const uint32_t *children;
    uint64_t mask;
    uint32_t shift;
  };
  static constexpr uint32_t kMaxDepth = 64;  // of decode and shape trees: a deeper one is damaged

  static size_t place(uint64_t bits, uint32_t key) {
    const uint64_t mixed = bits + key * 0x9e3779b97f4a7c15u;
    return mixed * 0xff51afd7ed558ccdu >> (64 - kChoiceBits);
  }
  // The first candidate's number, or kNone.
  uint32_t find_leaf(uint64_t word, uint32_t unit) {
    const Root &root = roots_[unit];
    const uint32_t entry = root.children[(word >> root.shift) & root.mask];
    if (entry < tables_.cand.size()) [[likely]]
      return entry;
    return find_deeper(entry, word);
  }
  uint32_t find_deeper(uint32_t entry, uint64_t word);
  bool load_root(uint32_t unit);
  uint32_t damaged_tree();
  const Stencil *choose(Choice *choice, uint32_t leaf, uint64_t word, uint64_t here,
                        const DecodeContext &context);
  const EncodingRec *find_encoding(uint32_t leaf, uint64_t word, uint64_t here, const DecodeContext &context);
  const Stencil *walk_shapes(const EncodingRec &encoding, uint64_t word, uint64_t here,
                             const DecodeContext &context);
  bool value(uint32_t number, uint64_t word, uint64_t here, const DecodeContext &context, int64_t *value);

  const PackTables &tables_;
  Stencils &stencils_;
  const Stencil *undefined_ = nullptr;
  std::array<Root, 4> roots_ = {};
  ReservedArray<Choice> choices_;
};

}  // namespace pyqemu
