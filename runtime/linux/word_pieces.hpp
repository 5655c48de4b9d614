// Words that the kernel puts together of the bits of several registers and context variables, as a status
// register is.
#pragma once

#include <cstdint>
#include <vector>

#include "abi.hpp"

namespace pyqemu::user {

// Bits of such a word.
struct Piece {
  RegRef reg;
  int context;  // or -1: `reg` counts
  unsigned low, width, bit;
};

// Words of the table: `NAME@BIT`, bit 0 of a register or context variable; `NAME[HIGH:LOW]@BIT`, more bits of
// it. False if there is no such name.
bool parse_pieces(const Abi &abi, const char *text, std::vector<Piece> *pieces);
uint64_t get_pieces(const CpuHeader *cpu, const std::vector<Piece> &pieces);
void set_pieces(CpuHeader *cpu, const std::vector<Piece> &pieces, uint64_t word);
// The bits of the word that pieces are for.
uint64_t piece_mask(const std::vector<Piece> &pieces);

}  // namespace pyqemu::user
