// From an instruction word to the stencil for it: decode tree, candidates, guards, shape tree.
#pragma once

#include <cstdint>

#include "pack_file.hpp"
#include "reserved_array.hpp"
#include "stencils.hpp"

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
  Decoder(const PackTables &tables, Stencils &stencils) : tables_(tables), stencils_(stencils) {}
  // Memory for its tables, and the stencil for what is undefined; null, or what is wrong.
  const char *prepare();

  // The stencil for `word` of unit `unit` at guest address `here`; null if the unit has no such instruction,
  // or the pack is damaged.
  const StencilRec *decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context);
  const StencilRec *undefined() const { return undefined_; }

  // What kind of instruction it is: null for none.
  const EncodingRec *encoding(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context);

 private:
  // A decision made before: direct-mapped by leaf of the decode tree, context and the bits of the word that
  // decide.
  struct Choice {
    uint64_t bits;
    uint32_t leaf;  // + 1
    uint32_t context;
    const StencilRec *stencil;
  };
  static constexpr uint32_t kChoiceBits = 12;

  uint32_t find_leaf(uint64_t word, uint32_t unit);
  const EncodingRec *find_encoding(uint32_t leaf, uint64_t word, uint64_t here, const DecodeContext &context);
  const StencilRec *walk_shapes(const EncodingRec &encoding, uint64_t word, uint64_t here,
                                const DecodeContext &context);
  bool value(uint32_t number, uint64_t word, uint64_t here, const DecodeContext &context, int64_t *value);

  const PackTables &tables_;
  Stencils &stencils_;
  const StencilRec *undefined_ = nullptr;
  ReservedArray<Choice> choices_;
};

}  // namespace pyqemu
