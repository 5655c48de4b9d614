// From an instruction word to the stencil for it: decode tree, candidates, guards, shape tree.
#pragma once

#include <array>
#include <cstdint>

#include "contexts.hpp"
#include "pack_file.hpp"
#include "reserved_array.hpp"

namespace pyqemu {

// Used under the engine's lock.
class Decoder {
 public:
  static constexpr uint32_t kContextBits = Contexts::kBits;
  static constexpr uint32_t kMaxLeaves = (1u << (32 - kContextBits)) - 1;

  explicit Decoder(const PackTables &tables) : tables_(tables) {}
  // Memory for its tables; null, or what is wrong.
  const char *prepare();

  // The stencil for `word` of unit `unit` at guest address `here`; null if the unit has no such instruction.
  const StencilRec *decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
    const uint32_t leaf = find_leaf(word, unit);
    if (leaf == kNone) [[unlikely]]
      return nullptr;
    const uint64_t bits = word & tables_.cand[leaf].inputs;
    const uint32_t key = (leaf + 1) << kContextBits | context.id;
    Choice &choice = choices_[place(bits, key)];
    if (choice.bits == bits && choice.key == key) [[likely]]
      return at(choice.stencil);
    return choose(&choice, leaf, word, here, context);
  }
  const StencilRec *undefined() const { return at(tables_.header->undefined); }

  // What kind of instruction it is: null for none.
  const EncodingRec *encoding(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context);
  // What is asked before an instruction whose stencil is kGuarded.
  const StencilRec *guard(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context);

 private:
  // A decision made before: direct-mapped by leaf of the decode tree and context (`key`), and the bits of the
  // word that decide.
  struct Choice {
    uint64_t bits;
    uint32_t key;
    uint32_t stencil;  // its number, or kNone
  };
  static constexpr uint32_t kChoiceBits = 11;
  // A unit's first look into the decode tree.
  struct Root {
    const uint32_t *children;
    uint64_t mask;
    uint32_t shift;
  };

  static size_t place(uint64_t bits, uint32_t key) {
    const uint64_t mixed = bits + key * 0x9e3779b97f4a7c15u;
    return mixed * 0xff51afd7ed558ccdu >> (64 - kChoiceBits);
  }
  // The first candidate's number, or kNone.
  uint32_t find_leaf(uint64_t word, uint32_t unit) {
    const Root &root = roots_[unit];
    uint32_t entry = root.children[(word >> root.shift) & root.mask];
    while ((entry & kNodeBit) != 0 && entry != kNone) {
      const DecodeNode &node = tables_.node[entry & ~kNodeBit];
      entry = tables_.child[node.first_child + ((word >> node.shift) & ((uint64_t{1} << node.bits) - 1))];
    }
    return entry;
  }
  const StencilRec *at(uint32_t number) const { return number == kNone ? nullptr : &tables_.stencil[number]; }
  const StencilRec *choose(Choice *choice, uint32_t leaf, uint64_t word, uint64_t here,
                           const DecodeContext &context);
  const EncodingRec *find_encoding(uint32_t leaf, uint64_t word, uint64_t here, const DecodeContext &context);
  // The stencil that an entry of .pq.child leads to.
  uint32_t walk(uint32_t entry, uint64_t word, uint64_t here, const DecodeContext &context) const;
  int64_t value(uint32_t form, uint64_t word, uint64_t here, const DecodeContext &context) const;

  const PackTables &tables_;
  std::array<Root, 4> roots_ = {};
  ReservedArray<Choice> choices_;
};

}  // namespace pyqemu
