// Decode-time values in a form that is quick to compute.
//
// Nearly every hole is a register's offset (a table indexed by a field), an immediate (a field times a
// constant plus another), or an address near the instruction. `analyse` finds out which; only what is none of
// these runs byte code for each instruction.
#pragma once

#include <cstdint>
#include <span>

#include "arena.hpp"
#include "pack_format.hpp"

namespace pyqemu {

// Some bits of the instruction word, read as signed if `sign` is their top bit, times `factor`.
struct Term {
  uint64_t mask = 0, sign = 0;
  int64_t factor = 0;
  uint32_t from = 0;

  int64_t of(uint64_t word) const {
    uint64_t bits = (((word >> from) & mask) ^ sign) - sign;
    return static_cast<int64_t>(bits * static_cast<uint64_t>(factor));
  }
};

struct ValueForm {
  enum Source : uint8_t {
    kTerm,     // term + add
    kElement,  // table[term + add], 0 outside 0 … count-1
    kSum,      // term + more terms + add + (here & here_mask)
    kChoice,   // (more[0] is nonzero ? more[1] : term) + add
    kProgram,  // value `value` of the stencil's program
  };
  Source source = kTerm;
  uint8_t more_count = 0;
  uint16_t value = 0;
  Term term;
  int64_t add = 0;
  uint64_t here_mask = 0;
  union {
    const int64_t *table = nullptr;
    const Term *more;
  };
  uint64_t count = 0;

  int64_t of(uint64_t word, uint64_t here, const int64_t *program_values) const {
    if (source == kChoice && more[0].of(word) != 0)
      return static_cast<int64_t>(static_cast<uint64_t>(more[1].of(word)) + static_cast<uint64_t>(add));
    uint64_t sum = static_cast<uint64_t>(term.of(word)) + static_cast<uint64_t>(add);
    if (source == kTerm || source == kChoice) return static_cast<int64_t>(sum);
    if (source == kElement) return sum < count ? table[sum] : 0;
    if (source == kProgram) return program_values[value];
    for (uint32_t i = 0; i < more_count; i++) sum += static_cast<uint64_t>(more[i].of(word));
    return static_cast<int64_t>(sum + (here & here_mask));
  }
};

// What a program's inputs are made of.
struct ProgramInputs {
  std::span<const FieldRec> fields;
  std::span<const SliceRec> slices;  // all of the pack's
  uint32_t context_count = 0;

  uint32_t count() const { return static_cast<uint32_t>(fields.size()) + 1 + context_count; }
};

// Forms of the program's values whose numbers `wanted` has; `forms` is as long. The program has to be valid.
void analyse(const ProgramInputs &inputs, std::span<const ProgOp> ops, std::span<const int64_t> table,
             std::span<const uint16_t> wanted, std::span<ValueForm> forms, Arena &arena);

}  // namespace pyqemu
