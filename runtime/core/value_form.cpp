// Abstract interpretation of decode-time byte code over sums of terms.
#include "value_form.hpp"

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#include "byte_code.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxTerms = 4;
constexpr size_t kMaxValues = 512;  // longer programs are run, not analysed

// What is known of a value: the sum of terms, a constant and masked `here`; an element of a table; or, for a
// choice, what ValueForm says with terms 1 and 2 in place of `more`.
struct Known {
  enum Kind : uint8_t { kOpaque, kSum, kElement, kChoice } kind = kOpaque;
  uint8_t count = 0;
  uint64_t add = 0, here_mask = 0;
  Term terms[kMaxTerms];
  const int64_t *table = nullptr;
  uint64_t table_count = 0;

  bool constant() const { return kind == kSum && count == 0 && here_mask == 0; }
  bool no_here() const { return kind == kSum && here_mask == 0; }
  int64_t number() const { return static_cast<int64_t>(add); }
  // Some bits of the word, unsigned, and nothing else.
  bool bare() const {
    return no_here() && count == 1 && add == 0 && terms[0].sign == 0 && terms[0].factor == 1;
  }
};

Known make_constant(int64_t value) {
  Known known;
  known.kind = Known::kSum;
  known.add = static_cast<uint64_t>(value);
  return known;
}

Known make_here() {
  Known known = make_constant(0);
  known.here_mask = ~uint64_t{0};
  return known;
}

Known make_field(const FieldRec &field, std::span<const SliceRec> slices) {
  if (field.slice_count > kMaxTerms) return {};
  Known known = make_constant(0);
  for (const SliceRec &slice : slices.subspan(field.first_slice, field.slice_count)) {
    Term &term = known.terms[known.count++];
    term.from = slice.from;
    term.mask = slice.width >= 64 ? ~uint64_t{0} : (uint64_t{1} << slice.width) - 1;
    if (field.is_signed && slice.to + slice.width == field.width)
      term.sign = uint64_t{1} << (slice.width - 1);
    term.factor = static_cast<int64_t>(uint64_t{1} << slice.to);
  }
  return known;
}

Known scaled(const Known &a, int64_t by) {
  if (!a.no_here()) return {};
  Known result = a;
  result.add *= static_cast<uint64_t>(by);
  for (uint32_t i = 0; i < a.count; i++)
    result.terms[i].factor =
        static_cast<int64_t>(static_cast<uint64_t>(a.terms[i].factor) * static_cast<uint64_t>(by));
  return result;
}

Known sum(const Known &a, const Known &b) {
  if (a.kind != Known::kSum || b.kind != Known::kSum || a.count + b.count > static_cast<int>(kMaxTerms) ||
      (a.here_mask != 0 && b.here_mask != 0))
    return {};
  Known result = a;
  result.add += b.add;
  result.here_mask |= b.here_mask;
  for (uint32_t i = 0; i < b.count; i++) result.terms[result.count++] = b.terms[i];
  return result;
}

// Whether the value is certainly in 0 … 2^bits-1, so that cutting it to that many bits changes nothing.
bool fits_unsigned(const Known &a, int64_t bits) {
  if (!a.no_here() || bits <= 0 || a.number() < 0) return false;
  uint64_t most = a.add;
  for (uint32_t i = 0; i < a.count; i++) {
    uint64_t product = 0;
    if (a.terms[i].sign != 0 || a.terms[i].factor < 0 ||
        __builtin_mul_overflow(a.terms[i].mask, static_cast<uint64_t>(a.terms[i].factor), &product) ||
        __builtin_add_overflow(most, product, &most))
      return false;
  }
  return bits >= 63 ? most >> 63 == 0 : most >> bits == 0;
}

Known cut(const Known &a, const Known &bits, bool is_signed) {
  if (!bits.constant()) return {};
  if (bits.number() >= 64 || fits_unsigned(a, bits.number() - (is_signed ? 1 : 0))) return a;
  if (!a.bare() || bits.number() <= 0) return {};
  Known result = a;
  result.terms[0].mask &= (uint64_t{1} << bits.number()) - 1;
  if (is_signed) result.terms[0].sign = uint64_t{1} << (bits.number() - 1);
  return result;
}

Known masked(const Known &a, const Known &b) {
  if (!b.constant()) return {};
  Known result = a;
  if (a.bare()) {
    result.terms[0].mask &= b.add;
    return result;
  }
  if (a.kind != Known::kSum || a.count != 0 || a.add != 0) return {};
  result.here_mask &= b.add;
  return result;
}

Known shifted_right(const Known &a, const Known &b) {
  if (!a.bare() || !b.constant() || b.add >= 64 || a.terms[0].from + b.add >= 64) return {};
  Known result = a;
  result.terms[0].from += static_cast<uint32_t>(b.add);
  result.terms[0].mask >>= b.add;
  return result;
}

Known choice(const Known &condition, const Known &then, const Known &otherwise) {
  if (condition.constant()) return condition.number() != 0 ? then : otherwise;
  if (!condition.no_here() || condition.count != 1 || condition.add != 0 || !then.no_here() ||
      !otherwise.no_here() || then.count > 1 || otherwise.count > 1)
    return {};
  const Term &flag = condition.terms[0];
  if (then.constant() && otherwise.constant() && flag.mask == 1 && flag.sign == 0 && flag.factor == 1)
    return sum(scaled(condition, static_cast<int64_t>(then.add - otherwise.add)), otherwise);
  if (then.add != otherwise.add) return {};
  Known result = otherwise;
  result.kind = Known::kChoice;
  result.count = 3;
  if (otherwise.count == 0) result.terms[0] = {};
  result.terms[1] = condition.terms[0];
  result.terms[2] = then.count != 0 ? then.terms[0] : Term{};
  return result;
}

Known element(const Known &index, const Known &count, int32_t base, std::span<const int64_t> table) {
  if (!index.no_here() || index.count > 1 || !count.constant() || base < 0) return {};
  uint64_t entries = count.number() < 0 ? 0 : count.add;
  if (static_cast<uint64_t>(base) + entries > table.size() || entries > table.size()) return {};
  Known result = index;
  result.kind = Known::kElement;
  result.table = table.data() + base;
  result.table_count = entries;
  return result;
}

Known step(const ProgOp &op, const Known &a, const Known &b, const Known &c, std::span<const int64_t> table) {
  const auto code = static_cast<ProgOpCode>(op.op);
  const int operands = operand_count(code);
  if ((operands < 1 || a.constant()) && (operands < 2 || b.constant()) && (operands < 3 || c.constant()))
    return make_constant(apply_op(op, a.number(), b.number(), c.number(), table));
  switch (code) {
    case ProgOpCode::kAdd:
      return sum(a, b);
    case ProgOpCode::kSub:
      return sum(a, scaled(b, -1));
    case ProgOpCode::kNeg:
      return scaled(a, -1);
    case ProgOpCode::kInv:
      return sum(scaled(a, -1), make_constant(-1));
    case ProgOpCode::kMul:
      return b.constant() ? scaled(a, b.number()) : a.constant() ? scaled(b, a.number()) : Known{};
    case ProgOpCode::kShl:
      return b.constant() && b.add < 64 ? scaled(a, static_cast<int64_t>(uint64_t{1} << b.add)) : Known{};
    case ProgOpCode::kAnd:
      return b.constant() ? masked(a, b) : a.constant() ? masked(b, a) : Known{};
    case ProgOpCode::kShr:
    case ProgOpCode::kUshr:
      return shifted_right(a, b);
    case ProgOpCode::kSelect:
      return choice(a, b, c);
    case ProgOpCode::kBits:
      return cut(a, b, false);
    case ProgOpCode::kSbits:
      return cut(a, b, true);
    case ProgOpCode::kTable:
      return element(a, b, op.imm, table);
    default:
      return {};
  }
}

ValueForm make_form(const Known &known, uint16_t number, Arena &arena) {
  ValueForm form;
  form.value = number;
  if (known.kind == Known::kOpaque) {
    form.source = ValueForm::kProgram;
    return form;
  }
  if (known.count > 0) form.term = known.terms[0];
  form.add = known.number();
  if (known.kind == Known::kElement) {
    form.source = ValueForm::kElement;
    form.table = known.table;
    form.count = known.table_count;
  } else if (known.count > 1 || known.here_mask != 0) {
    form.source = known.kind == Known::kChoice ? ValueForm::kChoice : ValueForm::kSum;
    form.here_mask = known.here_mask;
    form.more_count = known.count > 1 ? static_cast<uint8_t>(known.count - 1) : 0;
    Term *more = arena.make<Term>(form.more_count);
    for (uint32_t i = 0; i < form.more_count; i++) more[i] = known.terms[i + 1];
    form.more = more;
  }
  return form;
}

// Marks in `needed` what the wanted values are computed from.
void mark(std::span<const ProgOp> ops, uint32_t first, std::span<const uint16_t> wanted, bool *needed) {
  for (uint16_t value : wanted) needed[value] = true;
  for (size_t i = ops.size(); i-- > 0;) {
    if (!needed[first + i]) continue;
    const uint16_t operands[3] = {ops[i].a, ops[i].b, ops[i].c};
    for (int k = 0; k < operand_count(static_cast<ProgOpCode>(ops[i].op)); k++) needed[operands[k]] = true;
  }
}

}  // namespace

void analyse(const ProgramInputs &inputs, std::span<const ProgOp> ops, std::span<const int64_t> table,
             std::span<const uint16_t> wanted, std::span<ValueForm> forms, Arena &arena) {
  const uint32_t first = inputs.count();
  const size_t values = first + ops.size();
  if (values > kMaxValues) {
    for (size_t i = 0; i < wanted.size(); i++) forms[i] = make_form({}, wanted[i], arena);
    return;
  }
  bool needed[kMaxValues] = {};
  mark(ops, first, wanted, needed);
  // Elements come to life when they are known: most of a program's values are not needed.
  static_assert(std::is_trivially_destructible_v<Known>);
  const std::unique_ptr<std::byte[]> memory(new std::byte[values * sizeof(Known)]);
  Known *known = reinterpret_cast<Known *>(memory.get());
  for (size_t i = 0; i < first; i++) {
    if (!needed[i]) continue;
    new (known + i) Known(i < inputs.fields.size()    ? make_field(inputs.fields[i], inputs.slices)
                          : i == inputs.fields.size() ? make_here()
                                                      : Known{});
  }
  for (size_t i = 0; i < ops.size(); i++) {
    if (!needed[first + i]) continue;
    const int operands = operand_count(static_cast<ProgOpCode>(ops[i].op));
    static constexpr Known none;
    new (known + first + i)
        Known(step(ops[i], operands > 0 ? known[ops[i].a] : none, operands > 1 ? known[ops[i].b] : none,
                   operands > 2 ? known[ops[i].c] : none, table));
  }
  for (size_t i = 0; i < wanted.size(); i++) forms[i] = make_form(known[wanted[i]], wanted[i], arena);
}

}  // namespace pyqemu
