// Checks forms, and computes those that are no sums.
#include "value_form.hpp"

#include "byte_code.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxOperations = 256;

bool is_kind(const FormRec &form, FormKind kind) {
  return form.kind == static_cast<uint8_t>(kind);
}

bool valid_sum(const PackTables &tables, uint32_t number) {
  if (number >= tables.form.size()) return false;
  const FormRec &form = tables.form[number];
  if (!is_kind(form, FormKind::kSum) || form.term.from >= 64 ||
      !in_table(form.more, form.more_count, tables.term.size()) ||
      !in_table(form.first, form.count, tables.table.size()))
    return false;
  for (const TermRec &term : tables.term.subspan(form.more, form.more_count))
    if (term.from >= 64) return false;
  return true;
}

// Each operation is known and reads only results before its own.
bool valid_program(const PackTables &tables, std::span<const ProgOp> ops) {
  for (size_t i = 0; i < ops.size(); i++) {
    const auto code = static_cast<ProgOpCode>(ops[i].op);
    if (code > ProgOpCode::kContext) return false;
    const auto imm = static_cast<uint32_t>(ops[i].imm);
    if (code == ProgOpCode::kForm && !valid_sum(tables, imm)) return false;
    if (code == ProgOpCode::kContext && imm >= tables.header->context_count) return false;
    const uint16_t operands[3] = {ops[i].a, ops[i].b, ops[i].c};
    for (int k = 0; k < operand_count(code); k++)
      if (operands[k] >= i) return false;
  }
  return true;
}

int64_t run_program(const PackTables &tables, std::span<const ProgOp> ops, const DecodeInputs &inputs) {
  int64_t results[kMaxOperations];
  int64_t *result = results;
  for (const ProgOp &op : ops) {
    const auto code = static_cast<ProgOpCode>(op.op);
    if (code == ProgOpCode::kForm) {
      *result = evaluate_sum(tables, tables.form[static_cast<uint32_t>(op.imm)], inputs);
    } else if (code == ProgOpCode::kContext) {
      *result = static_cast<int64_t>(inputs.context[op.imm]);
    } else {
      const int operands = operand_count(code);
      *result = apply_op(op, operands > 0 ? results[op.a] : 0, operands > 1 ? results[op.b] : 0,
                         operands > 2 ? results[op.c] : 0, tables.table);
    }
    result++;
  }
  return result[-1];
}

}  // namespace

bool valid_form(const PackTables &tables, uint32_t number) {
  if (number >= tables.form.size()) return false;
  const FormRec &form = tables.form[number];
  if (is_kind(form, FormKind::kChoice))
    return valid_sum(tables, form.more) && valid_sum(tables, form.first) && valid_sum(tables, form.first + 1);
  if (is_kind(form, FormKind::kProgram))
    return form.count != 0 && form.count <= kMaxOperations &&
           in_table(form.first, form.count, tables.prog.size()) &&
           valid_program(tables, tables.prog.subspan(form.first, form.count));
  return valid_sum(tables, number);
}

int64_t evaluate_rare(const PackTables &tables, const FormRec &form, const DecodeInputs &inputs) {
  if (is_kind(form, FormKind::kChoice)) {
    const bool first = evaluate_sum(tables, tables.form[form.more], inputs) != 0;
    return evaluate_sum(tables, tables.form[form.first + (first ? 0 : 1)], inputs);
  }
  return run_program(tables, tables.prog.subspan(form.first, form.count), inputs);
}

}  // namespace pyqemu
