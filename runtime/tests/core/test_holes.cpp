// Holes in quick form give what their description says. (tests/hostgen/test_holes.py compares those that the
// pack writer makes with the forms that they stand for.)
#include <random>
#include <vector>

#include "check.hpp"
#include "holes.hpp"

using namespace pyqemu;

namespace {

// Step by step, and in 64 bits.
uint32_t by_the_book(const HoleRec &hole, const std::vector<int64_t> &table, uint64_t word) {
  int64_t bits = static_cast<int64_t>((word >> hole.from) & hole.mask);
  if (hole.sign != 0 && (bits & hole.sign) != 0) bits -= int64_t{hole.mask} + 1;
  const auto sum = static_cast<uint32_t>(bits * static_cast<int32_t>(hole.factor) + hole.add);
  return sum < hole.count ? static_cast<uint32_t>(table[hole.table + sum]) : sum;
}

void values() {
  const std::vector<int64_t> table = {256, 264, -8, 1, 5};
  std::mt19937_64 random(5);
  int from_table = 0;
  for (int round = 0; round < 200000; round++) {
    const uint32_t width = random() % 20;
    HoleRec hole = {};
    hole.mask = (1u << width) - 1;
    hole.sign = width != 0 && random() % 2 != 0 ? 1u << (width - 1) : 0;
    hole.factor = random() % 2 != 0 ? 1 : static_cast<uint32_t>(random() % 9000 - 4500);
    hole.add = random() % 2 != 0 ? 0 : static_cast<uint32_t>(random());
    hole.from = random() % 64;
    hole.insn = random() % 2;
    if (random() % 2 != 0) hole.table = random() % 2, hole.count = random() % 5;
    const uint64_t words[2] = {random(), random()};
    const uint32_t expected = by_the_book(hole, table, words[hole.insn]);
    CHECK(value_of(hole, table.data(), words) == expected);
    from_table += hole.count != 0 && expected == 264;
  }
  CHECK(from_table > 100);
}

void filled() {
  const HoleRec hole = {.mask = 0xf, .factor = 8, .add = 100, .offset = 8, .from = 4};
  uint8_t code[16] = {};
  const uint64_t words[2] = {0x30, 0};
  const int64_t table[1] = {};
  fill(code, hole, value_of(hole, table, words));
  CHECK(code[7] == 0 && code[8] == 124 && code[9] == 0 && code[12] == 0);
}

}  // namespace

int main() {
  values();
  filled();
  return result();
}
