// Quick forms of holes: they give what the pack's forms give, and exist only where every value fits.
#include <random>
#include <vector>

#include "check.hpp"
#include "holes.hpp"

using namespace pyqemu;

namespace {

// A pack with one form, and a relocation that is filled with it.
struct Case {
  FormRec form = {};
  RelocRec reloc = {
      .offset = 8, .kind = static_cast<uint8_t>(RelocKind::kAbs32S), .insn = 0, .value = 0, .addend = 0};
  std::vector<int64_t> table = {256, 264, -8, 1};

  PackTables tables() const {
    PackTables t;
    t.form = {&form, 1}, t.table = table;
    return t;
  }
  bool quick(Hole *hole) const {
    Range range;
    CHECK(valid_form(tables(), 0));
    return quick_range(tables(), form, &range) && make_hole(tables(), reloc, range, hole);
  }
  bool quick() const {
    Hole hole;
    return quick(&hole);
  }
};

Case field(uint32_t from, uint64_t mask, int64_t factor, int64_t add) {
  Case c;
  c.form.term = {mask, 0, factor, from, 0};
  c.form.add = add;
  return c;
}

// Each of many small forms is computed in both ways.
void same_values() {
  std::mt19937_64 random(5);
  int quick = 0;
  for (int round = 0; round < 20000; round++) {
    const auto width = static_cast<uint32_t>(random() % 20);
    Case c =
        field(static_cast<uint32_t>(random() % 64), (uint64_t{1} << width) - 1,
              static_cast<int64_t>(random() % 9000) - 4500, static_cast<int64_t>(random() % 9000) - 4500);
    if (width != 0 && random() % 2 != 0) c.form.term.sign = uint64_t{1} << (width - 1);
    if (random() % 2 != 0) c.form.first = random() % 2, c.form.count = 1 + random() % 3;
    if (random() % 2 != 0) c.form.term.factor = 1, c.form.add = 0;
    if (random() % 2 != 0) c.reloc.kind = static_cast<uint8_t>(RelocKind::kAbs32);
    c.reloc.addend = static_cast<int32_t>(random() % 32) - 16;
    c.reloc.insn = random() % 2;
    Hole hole;
    if (!c.quick(&hole)) continue;
    quick++;
    for (int turn = 0; turn < 20; turn++) {
      const uint64_t words[2] = {random(), random()};
      const int64_t value = evaluate(c.tables(), c.form, {words[c.reloc.insn]}) + c.reloc.addend;
      const uint32_t found = value_of(hole, c.table.data(), words);
      CHECK(found == static_cast<uint32_t>(value));
      CHECK(c.reloc.kind == static_cast<uint8_t>(RelocKind::kAbs32S)
                ? value == static_cast<int32_t>(found)
                : value >= INT32_MIN && value <= UINT32_MAX);
    }
  }
  CHECK(quick > 15000);
}

void filled() {
  Hole hole;
  REQUIRE(field(4, 0xf, 8, 100).quick(&hole));
  uint8_t code[16] = {};
  const uint64_t words[2] = {0x30, 0};
  const int64_t table[1] = {};
  fill(code, hole, value_of(hole, table, words));
  CHECK(code[7] == 0 && code[8] == 124 && code[9] == 0 && code[12] == 0);
}

void refused() {
  CHECK(field(0, 0xff, 1, 0).quick());
  CHECK(field(0, 0, 0, INT32_MAX).quick() && !field(0, 0, 0, int64_t{INT32_MAX} + 1).quick());
  CHECK(field(0, 1, 1, INT32_MAX - 1).quick() && !field(0, 1, 1, INT32_MAX).quick());
  CHECK(field(0, 1, -1, INT32_MIN + 1).quick() && !field(0, 1, -1, INT32_MIN).quick());
  Case c = field(0, 1, 1, INT32_MAX);
  c.reloc.kind = static_cast<uint8_t>(RelocKind::kAbs32);
  CHECK(c.quick());  // to be extended with zeros
  for (RelocKind kind : {RelocKind::kAbs64, RelocKind::kAbs8}) {
    c = field(0, 1, 1, 0);
    c.reloc.kind = static_cast<uint8_t>(kind);
    CHECK(!c.quick());
  }
  c = field(0, 1, 1, INT32_MAX - 1);
  c.reloc.addend = 1;
  CHECK(!c.quick());
  c = field(0, 1, 1, 0);
  c.form.here_mask = ~uint64_t{0};
  CHECK(!c.quick());
  CHECK(!field(0, 5, 1, 0).quick() && !field(0, ~uint64_t{0}, 1, 0).quick());  // no field, and too wide a one
  c = field(0, 3, 1, 0);
  c.form.count = 4;
  CHECK(c.quick());
  c.table[3] = int64_t{1} << 32;
  CHECK(!c.quick());
  c.form.count = 3;
  CHECK(c.quick());
}

}  // namespace

int main() {
  same_values();
  filled();
  refused();
  return result();
}
