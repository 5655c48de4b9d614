// From an instruction word to the stencil for it: decode tree, candidates, guards, shape tree.
#pragma once

#include <cstdint>
#include <memory>

#include "prepared.hpp"

namespace pyqemu {

// What decoding depends on besides the word: context variables and the CPU model's features. `id` stands for
// all of it.
struct DecodeContext {
  uint64_t values[4] = {};
  uint64_t features = 0;
  uint32_t id = 0;
};

// Used under the engine's lock.
class Decoder {
 public:
  Decoder(const PackTables &tables, Preparer &preparer) : tables_(tables), preparer_(preparer) {}
  // Memory for its tables, and the stencil for what is undefined; null, or what is wrong.
  const char *prepare();

  // The stencil for `word` of unit `unit` at guest address `here`; null if the unit has no such instruction,
  // or the pack is damaged.
  Prepared *decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context);
  Prepared *undefined() const { return undefined_; }

  // Fills `values` with a program's inputs and the results of `ops`; gives the array, which the next call
  // overwrites.
  const int64_t *run(std::span<const ProgOp> ops, const EncodingInfo *encoding, uint64_t word, uint64_t here,
                     const DecodeContext &context, int which);

 private:
  // A decision made before: direct-mapped by leaf of the decode tree, context and the bits of the word that
  // decide.
  struct Choice {
    uint64_t bits;
    uint32_t leaf;  // + 1
    uint32_t context;
    Prepared *stencil;
  };
  static constexpr uint32_t kChoiceBits = 12;

  // What decides among a leaf's candidates and their stencils.
  struct Leaf {
    bool known;
    Inputs inputs;
  };

  uint32_t find_leaf(uint64_t word, uint32_t unit);
  const Leaf &leaf_info(uint32_t leaf);
  const EncodingInfo *find_encoding(uint32_t leaf, uint64_t word, uint64_t here,
                                    const DecodeContext &context);
  bool matches(const Candidate &candidate, const EncodingInfo &encoding, uint64_t word, uint64_t here,
               const DecodeContext &context);
  Prepared *walk_shapes(const EncodingInfo &encoding, uint64_t word, uint64_t here,
                        const DecodeContext &context);

  const PackTables &tables_;
  Preparer &preparer_;
  Prepared *undefined_ = nullptr;
  ReservedArray<Choice> choices_;
  ReservedArray<Leaf> leaves_;  // by number of the first candidate
  ReservedArray<int64_t> values_[2];
};

}  // namespace pyqemu
