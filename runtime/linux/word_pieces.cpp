#include "word_pieces.hpp"

#include <algorithm>

namespace pyqemu::user {

bool parse_pieces(const Abi &abi, const char *text, std::vector<Piece> *pieces) {
  bool good = true;
  each_word(text, [&](std::string_view word) {
    const size_t at = word.find('@'), bracket = word.find('[');
    if (at == std::string_view::npos) return void(good = false);
    Piece piece = {{}, -1, 0, 1, 0};
    const char *number = word.data() + at + 1;
    piece.bit = static_cast<unsigned>(parse_number(number));
    if (bracket < at) {
      number = word.data() + bracket + 1;
      const auto high = static_cast<unsigned>(parse_number(number));
      piece.low = static_cast<unsigned>(parse_number(++number));
      piece.width = high - piece.low + 1;
    }
    const std::string_view name = word.substr(0, std::min(at, bracket));
    piece.context = abi.context(name);
    good &= piece.context >= 0 || abi.reg(name, &piece.reg);
    pieces->push_back(piece);
  });
  return good;
}

uint64_t get_pieces(const CpuHeader *cpu, const std::vector<Piece> &pieces) {
  uint64_t word = 0;
  for (const Piece &piece : pieces) {
    const uint64_t value = piece.context >= 0 ? cpu->context[piece.context] : get_reg(cpu, piece.reg);
    word |= (value >> piece.low & ((uint64_t{1} << piece.width) - 1)) << piece.bit;
  }
  return word;
}

void set_pieces(CpuHeader *cpu, const std::vector<Piece> &pieces, uint64_t word) {
  for (const Piece &piece : pieces) {
    const uint64_t mask = ((uint64_t{1} << piece.width) - 1) << piece.low;
    const uint64_t old = piece.context >= 0 ? cpu->context[piece.context] : get_reg(cpu, piece.reg);
    const uint64_t value = (old & ~mask) | (word >> piece.bit << piece.low & mask);
    if (piece.context >= 0)
      cpu->context[piece.context] = value;
    else
      set_reg(cpu, piece.reg, value);
  }
}

uint64_t piece_mask(const std::vector<Piece> &pieces) {
  uint64_t mask = 0;
  for (const Piece &piece : pieces) mask |= ((uint64_t{1} << piece.width) - 1) << piece.bit;
  return mask;
}

}  // namespace pyqemu::user
