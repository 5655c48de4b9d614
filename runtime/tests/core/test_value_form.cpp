// Quick forms give what the byte code gives: random programs, random words.
#include <random>
#include <vector>

#include "byte_code.hpp"
#include "check.hpp"
#include "value_form.hpp"

using namespace pyqemu;

namespace {

constexpr uint32_t kFields = 3, kInputs = 4;
const SliceRec kSlices[] = {{5, 5, 0, 0}, {29, 2, 0, 0}, {5, 19, 2, 0}, {10, 12, 0, 0}};
const FieldRec kFieldRecs[] = {{0, 0, 1, 5, 0, 0}, {0, 1, 2, 21, 1, 0}, {0, 3, 1, 12, 0, 0}};

int64_t field(const FieldRec &record, uint64_t word) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < record.slice_count; i++) {
    const SliceRec &slice = kSlices[record.first_slice + i];
    value |= (word >> slice.from & ((uint64_t{1} << slice.width) - 1)) << slice.to;
  }
  return record.is_signed ? low_bits_signed(static_cast<int64_t>(value), record.width)
                          : static_cast<int64_t>(value);
}

}  // namespace

int main() {
  std::mt19937_64 random(1);
  auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  std::vector<int64_t> table(64);
  for (int64_t &entry : table) entry = static_cast<int64_t>(random());
  uint32_t quick = 0, slow = 0;
  for (int round = 0; round < 3000; round++) {
    std::vector<ProgOp> ops;
    const uint32_t count = 1 + below(10);
    for (uint32_t i = 0; i < count; i++) {
      ProgOp op = {};
      // Favour what has quick forms.
      op.op = static_cast<uint8_t>(below(2) ? below(28) : below(5));
      if (op.op > static_cast<uint8_t>(ProgOpCode::kTable)) op.op = static_cast<uint8_t>(ProgOpCode::kTable);
      op.a = static_cast<uint16_t>(below(kInputs + i));
      op.b = static_cast<uint16_t>(below(kInputs + i));
      op.c = static_cast<uint16_t>(below(kInputs + i));
      op.imm = static_cast<ProgOpCode>(op.op) == ProgOpCode::kConst ? static_cast<int32_t>(below(140)) - 20
                                                                    : static_cast<int32_t>(below(70));
      ops.push_back(op);
    }
    std::vector<uint16_t> wanted;
    for (uint32_t i = 0; i < kInputs + count; i++) wanted.push_back(static_cast<uint16_t>(i));
    std::vector<ValueForm> forms(wanted.size());
    Arena arena;
    analyse({kFieldRecs, kSlices, 0}, ops, table, wanted, forms, arena);
    for (int k = 0; k < 20; k++) {
      const uint64_t word = random() & 0xffffffff, here = random();
      std::vector<int64_t> values(wanted.size());
      for (uint32_t i = 0; i < kFields; i++) values[i] = field(kFieldRecs[i], word);
      values[kFields] = static_cast<int64_t>(here);
      run_program(ops, values.data(), kInputs, table);
      for (size_t i = 0; i < wanted.size(); i++) {
        CHECK(forms[i].of(word, here, values.data()) == values[i]);
        (forms[i].source == ValueForm::kProgram ? slow : quick)++;
      }
    }
    if (failures() != 0) break;
  }
  CHECK(quick > slow);
  return result();
}
