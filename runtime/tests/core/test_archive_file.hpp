// An archive made by hand for the test pack: the guest code of a small module, and regions for it in machine
// code.
//
// Each region adds 1 to R15 when it is entered, which the guest's own code never touches: so a test sees what
// ran.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "archive_format.hpp"
#include "engine.hpp"
#include "test_pack.hpp"

namespace pyqemu::test {

inline constexpr uint64_t kModuleBytes = 8192;
// Module offsets. `loop`: R1 times R2 += 3, then goes to `after`. `load`: R1 += 5, R3 := mem[R4 + 16], R1 +=
// 1, then to `done`. `after`: R6 times R1 := 10 and to `loop`; then to `done`, which is an SVC. `forever`: R1
// += 1 for ever. `step`: R5 += 1, then to `loop`.
inline constexpr uint32_t kLoop = 0, kLoad = 0x40, kForever = 0x80, kStep = 0xc0, kAfter = 0x100,
                          kAgain = 0x10c, kDone = 0x1000;
inline constexpr uint32_t kMarker = 15;

void put_module(Pages &code);

// An archive's tables, before they are signed.
struct ArchiveTables {
  ArchiveHeader header = {};
  std::string text, bytes;
  std::vector<ContextRec> contexts;  // that of all regions, and another one
  std::vector<IndexRec> index;
  std::vector<RegionRec> regions;
  std::vector<EntryRec> entries;
  std::vector<RangeRec> ranges;
  std::vector<ExitRec> exits;
  std::vector<FaultRec> faults;
};

struct ArchiveOptions {
  ArchiveKey key = {1, 2, 3};
  uint8_t digest = 0;  // its first byte
  uint64_t features = 0, mode = 0;
  bool uses_support = false, bad_support = false;
  std::function<void(ArchiveTables &)> damage = nullptr;
  uint32_t loop_step = 3;  // what the region for `loop` adds: 3 is right
};

// The bytes of the file. `code`: the module as put_module makes it.
std::vector<uint8_t> build_archive(const Pages &code, const ArchiveOptions &options = {});

// A file without a name that holds `bytes`.
int file_of(const std::vector<uint8_t> &bytes);

// A machine with a module and, if one is wanted, its archive.
struct RegionMachine : Machine {
  explicit RegionMachine(EngineOptions options = {},
                         std::optional<ArchiveOptions> archive = ArchiveOptions());
  const char *add(const std::vector<uint8_t> &archive, uint64_t origin);
  uint64_t entered() { return reg(cpu, kMarker); }

  Pages code{kModuleBytes};
};

}  // namespace pyqemu::test
