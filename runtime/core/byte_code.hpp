// The meaning of the operations of decode-time byte code (`.pq.prog`): total, wrapping arithmetic on int64,
// as translator/static.py has it on ints. `value_form` runs it.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

#include "pack_format.hpp"

namespace pyqemu {

// Number of operands (values) that an operation reads.
constexpr int operand_count(ProgOpCode op) {
  switch (op) {
    case ProgOpCode::kConst:
    case ProgOpCode::kConst64:
    case ProgOpCode::kForm:
    case ProgOpCode::kContext:
      return 0;
    case ProgOpCode::kNeg:
    case ProgOpCode::kInv:
    case ProgOpCode::kLog2:
    case ProgOpCode::kPopcount:
      return 1;
    case ProgOpCode::kSelect:
      return 3;
    default:
      return 2;
  }
}

inline int64_t table_element(std::span<const int64_t> table, int64_t base, int64_t index, int64_t count) {
  if (index < 0 || index >= count) return 0;
  uint64_t at = static_cast<uint64_t>(base) + static_cast<uint64_t>(index);
  return at < table.size() ? table[at] : 0;
}

inline int64_t floor_div(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return static_cast<int64_t>(0 - static_cast<uint64_t>(a));
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a ^ b) < 0);
}

inline int64_t low_bits(int64_t a, int64_t n) {
  if (n >= 64) return a;
  return n <= 0 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) & ((uint64_t{1} << n) - 1));
}

inline int64_t low_bits_signed(int64_t a, int64_t n) {
  if (n >= 64) return a;
  return n <= 0 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << (64 - n)) >> (64 - n);
}

// One operation on values a, b, c; what depends on the instruction (kForm, kContext) is none of them.
inline int64_t apply_op(const ProgOp &op, int64_t a, int64_t b, int64_t c, std::span<const int64_t> table) {
  const uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  switch (static_cast<ProgOpCode>(op.op)) {
    case ProgOpCode::kConst:
      return op.imm;
    case ProgOpCode::kConst64:
      return table_element(table, op.imm, 0, 1);
    case ProgOpCode::kAdd:
      return static_cast<int64_t>(x + y);
    case ProgOpCode::kSub:
      return static_cast<int64_t>(x - y);
    case ProgOpCode::kMul:
      return static_cast<int64_t>(x * y);
    case ProgOpCode::kDiv:
      return floor_div(a, b);
    case ProgOpCode::kMod:
      return b == 0 ? a : static_cast<int64_t>(x - static_cast<uint64_t>(floor_div(a, b)) * y);
    case ProgOpCode::kNeg:
      return static_cast<int64_t>(0 - x);
    case ProgOpCode::kInv:
      return ~a;
    case ProgOpCode::kAnd:
      return a & b;
    case ProgOpCode::kOr:
      return a | b;
    case ProgOpCode::kXor:
      return a ^ b;
    case ProgOpCode::kShl:
      return y < 64 ? static_cast<int64_t>(x << y) : 0;
    case ProgOpCode::kShr:
      return b < 0 ? 0 : a >> (b < 64 ? b : 63);
    case ProgOpCode::kUshr:
      return y < 64 ? static_cast<int64_t>(x >> y) : 0;
    case ProgOpCode::kEq:
      return a == b;
    case ProgOpCode::kNe:
      return a != b;
    case ProgOpCode::kLt:
      return a < b;
    case ProgOpCode::kLe:
      return a <= b;
    case ProgOpCode::kUlt:
      return x < y;
    case ProgOpCode::kUle:
      return x <= y;
    case ProgOpCode::kSelect:
      return a != 0 ? b : c;
    case ProgOpCode::kBits:
      return low_bits(a, b);
    case ProgOpCode::kSbits:
      return low_bits_signed(a, b);
    case ProgOpCode::kLog2:
      return int64_t{63} - std::countl_zero(a < 0 ? 0 - x : x);
    case ProgOpCode::kPopcount:
      return std::popcount(x);
    case ProgOpCode::kTable:
      return table_element(table, op.imm, a, b);
    case ProgOpCode::kForm:
    case ProgOpCode::kContext:
      break;
  }
  return 0;
}

}  // namespace pyqemu
