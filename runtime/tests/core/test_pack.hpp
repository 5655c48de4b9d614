// A pack made by hand for a small architecture, so that the engine can be tested without the Python
// toolchain.
//
// Words are `op:8 rd:4 rs:4 imm:s16`. State: R[16], flag Z. One context variable, `mode`.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "pack_format.hpp"
#include "test_elf.hpp"

namespace pyqemu::test {

enum Op : uint8_t {
  kAddi = 1,  // R[rd] := R[rs] + imm
  kSubs,      // R[rd] := R[rs] - imm; Z
  kBz,        // if Z goto here + 4*imm
  kB,         // goto here + 4*imm
  kJr,        // goto R[rs]
  kLd,        // R[rd] := mem[R[rs] + imm, 8]
  kSt,        // mem[R[rs] + imm, 8] := R[rd]
  kSvc,       // raise 1(imm)
  kIsync,
  kMode,      // mode := imm
  kModal,     // R[rd] := mode ? -imm : imm
  kBsel,      // goto here + (Z ? 4*imm : 4), by two conditional jumps in the middle
  kXori,      // R[rd] := R[rs] + (imm ^ 0x55)
  kLdHelper,  // kLd in a helper that is called
  kGuarded,   // rd != 15: R[rd] := imm, else R[0] := -imm
  kStZ,       // R[rd] := Z
  kBnz,       // if !Z goto here + 4*imm
  kSkip,      // if Z goto here + 4*imm, in the middle of a block
  kAdd,       // R[rd] := R[rs] + R[rd]
  kAddLow,    // R[rd] := bits(R[rs] + imm, 32), in another host register
  kLow,       // R[rd] := bits(R[rs], 32) + imm
  kOverflow,  // a stencil whose value does not fit
};

constexpr uint32_t word(Op op, uint32_t rd = 0, uint32_t rs = 0, int32_t imm = 0) {
  return uint32_t{op} << 24 | rd << 20 | rs << 16 | (static_cast<uint32_t>(imm) & 0xffff);
}

inline constexpr uint32_t kRegisters = kStateOffset;
inline constexpr uint32_t kFlagZ = kStateOffset + 128;

inline uint64_t &reg(CpuHeader *cpu, uint32_t index) {
  return *reinterpret_cast<uint64_t *>(reinterpret_cast<char *>(cpu) + kRegisters + 8 * index);
}
inline uint8_t &flag_z(CpuHeader *cpu) {
  return *(reinterpret_cast<uint8_t *>(cpu) + kFlagZ);
}

struct PackOptions {
  bool dead_flags = true, fusion = true, coherent = false, handover = true;
};

// Says of a stencil that it starts with a load of R[rs], its first hole, and ends with a store of the same
// host register, its last; it may combine with the second one's place.
inline void set_edges(StencilRec *record, uint8_t reg, uint8_t lead_width, uint8_t flags) {
  record->tail = reg | kEdge;
  record->lead = static_cast<uint8_t>(reg | kEdge | (lead_width == 64 ? kLeadWhole : 0) | flags);
  record->lead_bytes = 7;
}

// The ELF file.
std::vector<uint8_t> build_pack(const PackOptions &options = {});

// Page-aligned memory that code and packs are put into.
class Pages {
 public:
  explicit Pages(size_t bytes);
  ~Pages();
  Pages(const Pages &) = delete;
  Pages &operator=(const Pages &) = delete;
  uint8_t *data() const { return data_; }
  uint32_t *words() const { return reinterpret_cast<uint32_t *>(data_); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }
  size_t size() const { return size_; }

 private:
  uint8_t *data_;
  size_t size_;
};

// A pack in memory, an engine and one CPU.
struct Machine {
  explicit Machine(EngineOptions options = {}, PackOptions pack_options = {});
  ~Machine();
  StopKind run_at(uint64_t pc);

  std::unique_ptr<Pages> file;
  std::unique_ptr<Pack> pack;
  std::unique_ptr<Engine> engine;
  CpuHeader *cpu = nullptr;
};

void put(Pages &pages, size_t at, std::initializer_list<uint32_t> words);

}  // namespace pyqemu::test
