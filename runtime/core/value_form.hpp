// Decode-time values, ready-made in the pack: what fills holes, and what decides which stencil it is.
//
// Nearly every value is a register's offset (an element of a table), an immediate (bits of the word times a
// constant, plus another), or an address near the instruction; the rest is byte code.
#pragma once

#include <cstdint>

#include "pack_file.hpp"

namespace pyqemu {

// What decode-time values are computed from.
struct DecodeInputs {
  uint64_t word = 0, here = 0;
  const uint64_t *context = nullptr;  // values of the context variables
};

// Whether a form can be computed: everything that it refers to is there.
bool valid_form(const PackTables &tables, uint32_t number);

// Of a kChoice or kProgram.
int64_t evaluate_rare(const PackTables &tables, const FormRec &form, const DecodeInputs &inputs);

inline uint64_t evaluate(const TermRec &term, uint64_t word) {
  return ((((word >> term.from) & term.mask) ^ term.sign) - term.sign) * static_cast<uint64_t>(term.factor);
}

// The value of a valid kSum. Which instruction comes next is nothing that a host foresees: so there are few
// branches.
inline int64_t evaluate_sum(const PackTables &tables, const FormRec &form, const DecodeInputs &inputs) {
  uint64_t sum = evaluate(form.term, inputs.word) + static_cast<uint64_t>(form.add);
  for (uint32_t i = 0; i < form.more_count; i++) sum += evaluate(tables.term[form.more + i], inputs.word);
  const int64_t number = static_cast<int64_t>(sum + (inputs.here & form.here_mask));
  return *(sum < form.count ? &tables.table[form.first + sum] : &number);
}

// The value of a valid form.
inline int64_t evaluate(const PackTables &tables, const FormRec &form, const DecodeInputs &inputs) {
  if (form.kind != static_cast<uint8_t>(FormKind::kSum)) [[unlikely]]
    return evaluate_rare(tables, form, inputs);
  return evaluate_sum(tables, form, inputs);
}

}  // namespace pyqemu
