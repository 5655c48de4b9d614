// Forms by hand: what each kind gives, and that damaged ones are refused. (tests/hostgen/test_value_form.py
// compares forms that the pack writer made with the expressions that they stand for.)
#include <vector>

#include "check.hpp"
#include "value_form.hpp"

using namespace pyqemu;

namespace {

constexpr TermRec kLow = {0xff, 0, 1, 0, 0}, kSigned = {0xf, 0x8, 10, 8, 0};

FormRec form(FormKind kind, uint32_t first = 0, uint32_t count = 0, uint32_t more = 0) {
  return {static_cast<uint8_t>(kind), 0, 0, first, count, more, {}, 0, 0};
}

ProgOp op(ProgOpCode code, uint16_t a = 0, uint16_t b = 0, int32_t imm = 0) {
  return {static_cast<uint8_t>(code), 0, a, b, 0, imm};
}

// A pack's tables, of which a test spoils one thing at a time.
struct Forms {
  PackHeader header = {};
  std::vector<FormRec> form;
  std::vector<TermRec> term = {kSigned, kLow};
  std::vector<int64_t> table = {100, 200, 300, 0};
  std::vector<ProgOp> prog = {op(ProgOpCode::kForm, 0, 0, 0), op(ProgOpCode::kContext),
                              op(ProgOpCode::kMul, 0, 1)};

  PackTables tables() const {
    PackTables t;
    t.header = &header, t.form = form, t.term = term, t.table = table, t.prog = prog;
    return t;
  }
  bool valid(uint32_t number) const { return valid_form(tables(), number); }
  int64_t value(uint32_t number, uint64_t word, uint64_t here = 0) const {
    const uint64_t context[4] = {3};
    REQUIRE(valid(number));
    return evaluate(tables(), form[number], {word, here, context});
  }
};

enum Number : uint32_t { kSum, kElement, kThen, kOtherwise, kChoice, kProgram, kNumbers };

Forms make() {
  Forms f;
  f.header.context_count = 1;
  f.form = {form(FormKind::kSum),
            form(FormKind::kSum, 1, 3),
            form(FormKind::kSum),
            form(FormKind::kSum),
            form(FormKind::kChoice, kThen, 0, kElement),
            form(FormKind::kProgram, 0, 3)};
  f.form[kSum].term = kLow;
  f.form[kSum].more_count = 1;
  f.form[kSum].add = -7;
  f.form[kSum].here_mask = ~uint64_t{0xfff};
  f.form[kElement].term = kLow;
  f.form[kThen].add = 1;
  f.form[kOtherwise].add = 2;
  return f;
}

void values() {
  const Forms f = make();
  CHECK(f.value(kSum, 0x705, 0x1234) == 5 + 70 - 7 + 0x1000);
  CHECK(f.value(kSum, 0xf05) == 5 - 10 - 7);
  CHECK(f.value(kElement, 0) == 200 && f.value(kElement, 2) == 0);
  CHECK(f.value(kElement, 3) == 3);  // beyond the table
  CHECK(f.value(kChoice, 1) == 1 && f.value(kChoice, 2) == 2);
  CHECK(f.value(kProgram, 0x005) == (5 - 7) * 3);
}

template <typename F>
void refused(Number number, F spoil) {
  Forms f = make();
  CHECK(f.valid(number));
  spoil(f);
  CHECK(!f.valid(number));
}

void damage() {
  CHECK(!make().valid(kNumbers) && !make().valid(kNone));
  refused(kSum, [](Forms &f) { f.form[kSum].kind = 3; });
  refused(kSum, [](Forms &f) { f.form[kSum].more_count = 3; });
  refused(kSum, [](Forms &f) { f.form[kSum].more = kNone; });
  refused(kSum, [](Forms &f) { f.form[kSum].term.from = 64; });
  refused(kSum, [](Forms &f) { f.term[0].from = 64; });
  refused(kElement, [](Forms &f) { f.form[kElement].count = 4; });
  refused(kElement, [](Forms &f) { f.form[kElement].first = kNone; });
  refused(kChoice, [](Forms &f) { f.form[kChoice].first = kNumbers - 1; });
  refused(kChoice, [](Forms &f) { f.form[kChoice].first = kNone; });
  refused(kChoice, [](Forms &f) { f.form[kChoice].more = kChoice; });  // none within another
  refused(kProgram, [](Forms &f) { f.form[kProgram].count = 0; });
  refused(kProgram, [](Forms &f) { f.form[kProgram].count = 4; });
  refused(kProgram, [](Forms &f) { f.prog[2].b = 2; });  // its own result
  refused(kProgram, [](Forms &f) { f.prog[2].op = 200; });
  refused(kProgram, [](Forms &f) { f.prog[0].imm = kProgram; });
  refused(kProgram, [](Forms &f) { f.prog[1].imm = 1; });
  refused(kProgram, [](Forms &f) {
    f.prog.assign(300, op(ProgOpCode::kConst));
    f.form[kProgram].count = 300;
  });
}

}  // namespace

int main() {
  values();
  damage();
  return result();
}
