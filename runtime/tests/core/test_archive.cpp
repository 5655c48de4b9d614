// Archives that are damaged, foreign or not archives at all: refused, or their regions are; the guest's
// program gives the same either way.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>

#include "check.hpp"
#include "test_archive_file.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

// Runs all of the module that ends; false if it gives anything but what it has to.
bool runs_well(RegionMachine &m) {
  uint64_t memory[3] = {7, 8, 9};
  reg(m.cpu, 1) = 4;
  reg(m.cpu, 2) = 0;
  reg(m.cpu, 6) = 3;
  if (m.run_at(m.code.address() + kLoop) != StopKind::kException || m.cpu->pc != m.code.address() + kDone)
    return false;
  if (reg(m.cpu, 1) != 0 || reg(m.cpu, 2) != 72 || reg(m.cpu, 6) != 0) return false;
  reg(m.cpu, 4) = reinterpret_cast<uint64_t>(memory);
  if (m.run_at(m.code.address() + kLoad) != StopKind::kException) return false;
  return reg(m.cpu, 1) == 6 && reg(m.cpu, 3) == 9 && m.cpu->pc == m.code.address() + kDone;
}

bool is_refused(const std::vector<uint8_t> &bytes) {
  RegionMachine m;
  Pages code(kModuleBytes);
  return m.add(bytes, code.address()) != nullptr;
}

void refused() {
  RegionMachine m;
  ArchiveOptions options;
  CHECK(!is_refused(build_archive(m.code)));
  options.key[31] = 1;
  CHECK(is_refused(build_archive(m.code, options)));
  options = {};
  options.digest = 1;
  CHECK(is_refused(build_archive(m.code, options)));
  CHECK(is_refused({}));
  CHECK(is_refused(std::vector<uint8_t>(10000)));
  CHECK(is_refused(build_pack()));
  const int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(m.engine->add_archive(folder, ArchiveOptions().key, 0) != nullptr);
  close(folder);
  CHECK(m.engine->add_archive(-1, ArchiveOptions().key, 0) != nullptr);
}

// Engines that show each instruction, or each block, do without regions.
void unwanted() {
  EngineOptions options;
  auto refuses = [](const EngineOptions &wish) {
    RegionMachine m(wish);
    return m.add(build_archive(m.code), m.code.address()) != nullptr && runs_well(m) && m.entered() == 0;
  };
  CHECK(!refuses(options));
  options.max_block_insns = 1;
  CHECK(refuses(options));
  options = {};
  options.chain = false;
  CHECK(refuses(options));
  options = {};
  options.log = kLogStencils;
  CHECK(refuses(options));
}

// Where an archive is put must not matter for what the machine does: gives whether it was accepted.
bool survives(const std::vector<uint8_t> &bytes, uint64_t *entered) {
  RegionMachine m({}, std::nullopt);
  const bool accepted = m.add(bytes, m.code.address()) == nullptr;
  CHECK(runs_well(m));
  *entered += m.entered();
  return accepted;
}

void cut() {
  RegionMachine m;
  const std::vector<uint8_t> bytes = build_archive(m.code);
  uint64_t entered = 0;
  for (size_t length = 0; length < bytes.size(); length += 41)
    CHECK(!survives({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length)}, &entered));
  CHECK(entered == 0);
  CHECK(survives(bytes, &entered) && entered == 4);
}

// Every byte of every table and of the code in turn.
void flipped() {
  RegionMachine m;
  const std::vector<uint8_t> bytes = build_archive(m.code);
  std::mt19937 random(3);
  uint64_t entered = 0, accepted = 0, rounds = 0;
  const size_t text_end = 8192;
  for (size_t at = 0; at < bytes.size(); at += at < 4096 || at > text_end - 3500 ? 7 : 1) {
    std::vector<uint8_t> changed = bytes;
    changed[at] ^= static_cast<uint8_t>(1u << random() % 8);
    accepted += survives(changed, &entered);
    rounds++;
    if (failures() != 0) return (void)fprintf(stderr, "at byte %zu\n", at);
  }
  CHECK(accepted > rounds / 4 && accepted < rounds && entered > 0 && entered < 4 * rounds);
}

// What is signed, but does not add up.
void inconsistent() {
  RegionMachine m;
  ArchiveOptions options;
  options.uses_support = true;
  uint64_t entered = 0;
  CHECK(survives(build_archive(m.code, options), &entered) && entered == 4);
  options.bad_support = true;
  entered = 0;
  CHECK(survives(build_archive(m.code, options), &entered) && entered == 0);
}

using Damage = void (*)(ArchiveTables &);

// Region 1 is the one with two ranges and an access.
constexpr Damage kSpoilsAll[] = {
    [](ArchiveTables &t) { t.header.version++; },
    [](ArchiveTables &t) { t.header.magic ^= 1; },
    [](ArchiveTables &t) { t.header.text_bytes += 4096; },
    [](ArchiveTables &t) { t.header.text_bytes = 0; },
    [](ArchiveTables &t) { t.header.support = t.header.text_bytes + 1; },
    [](ArchiveTables &t) { t.header.support = t.regions[0].code + 1; },
    [](ArchiveTables &t) { t.header.exit_count++; },
    [](ArchiveTables &t) { t.header.exit_count = ~0u; },
    [](ArchiveTables &t) { t.header.extent = 0; },
    [](ArchiveTables &t) { t.header.extent = (uint64_t{1} << 32) + 1; },
    [](ArchiveTables &t) { t.regions[1].code = ~0u; },
    [](ArchiveTables &t) { t.regions[1].code -= 16; },
    [](ArchiveTables &t) { t.regions[1].code_bytes = ~0u; },
    [](ArchiveTables &t) { t.regions[1].code_bytes += 16; },
    [](ArchiveTables &t) { t.regions[3].code_bytes = 8192; },
    [](ArchiveTables &t) { t.regions[1].first_entry = 0; },
    [](ArchiveTables &t) { t.regions[1].entry_count = ~0u; },
    [](ArchiveTables &t) { t.regions[1].first_range = ~0u; },
    [](ArchiveTables &t) { t.regions[1].range_count = 1; },
    [](ArchiveTables &t) { t.regions[1].first_byte += 1; },
    [](ArchiveTables &t) { t.regions[1].byte_count -= 8; },
    [](ArchiveTables &t) { t.regions[1].first_exit = 0; },
    [](ArchiveTables &t) { t.regions[1].exit_count = 2; },
    [](ArchiveTables &t) { t.regions[3].exit_count = 0; },
    [](ArchiveTables &t) { t.regions[1].first_fault = 1; },
    [](ArchiveTables &t) { t.regions[1].fault_count = 0; },
    [](ArchiveTables &t) { t.exits.push_back(t.exits[0]), t.header.exit_count++; },
    [](ArchiveTables &t) { std::swap(t.regions[0], t.regions[1]); },
    [](ArchiveTables &t) { t.regions.pop_back(); },
};
constexpr Damage kSpoilsOne[] = {
    [](ArchiveTables &t) { t.regions[1].flags = 2; },
    [](ArchiveTables &t) { t.regions[1].context = 1; },
    [](ArchiveTables &t) { t.regions[1].context = 2; },
    [](ArchiveTables &t) { t.regions[1].context = ~0u; },
    [](ArchiveTables &t) { t.entries[1].code = t.regions[0].code; },
    [](ArchiveTables &t) { t.entries[1].code = t.regions[1].code + t.regions[1].code_bytes; },
    [](ArchiveTables &t) { t.entries[1].guest = kLoop; },
    [](ArchiveTables &t) { t.entries[1].guest = ~0u; },
    [](ArchiveTables &t) { std::swap(t.ranges[1], t.ranges[2]); },
    [](ArchiveTables &t) { t.ranges[2].guest -= 4; },
    [](ArchiveTables &t) { t.ranges[2].bytes += 4; },
    [](ArchiveTables &t) { t.ranges[2].bytes = 0; },
    [](ArchiveTables &t) { t.ranges[2].guest = kModuleBytes - 4; },
    [](ArchiveTables &t) { t.ranges[2].guest = ~0u; },
    [](ArchiveTables &t) { t.bytes[20] ^= 1; },
    [](ArchiveTables &t) { t.faults[0].access = t.regions[2].code; },
    [](ArchiveTables &t) { t.faults[0].landing = t.regions[0].code; },
    [](ArchiveTables &t) { t.faults[0].landing = ~0u; },
    [](ArchiveTables &t) { t.faults[0].guest = kLoop; },
    [](ArchiveTables &t) {
      t.index[2] = {kLoad, 0};
    },
    [](ArchiveTables &t) {
      t.index[2] = {kLoad, 77};
    },
};

// What is signed, and could not have been made: refused as a whole, or in one region.
void impossible() {
  RegionMachine m;
  int number = 0;
  for (bool all : {true, false}) {
    for (Damage damage : all ? std::span<const Damage>(kSpoilsAll) : std::span<const Damage>(kSpoilsOne)) {
      ArchiveOptions options;
      options.damage = damage;
      uint64_t entered = 0;
      CHECK(survives(build_archive(m.code, options), &entered) != all);
      CHECK(all ? entered == 0 : entered == 3);
      if (failures() != 0) return (void)fprintf(stderr, "damage %d of %s\n", number, all ? "all" : "one");
      number++;
    }
  }
}

// A region is for one context; an archive has regions for several, but for one set of features.
void other_context() {
  ArchiveOptions options;
  options.mode = 1;
  RegionMachine m({}, options);
  CHECK(runs_well(m) && m.entered() == 0);
  m.cpu->context[0] = 1;
  CHECK(runs_well(m) && m.entered() == 4);
  options = {};
  options.damage = [](ArchiveTables &t) { t.regions[1].context = 1; };
  RegionMachine both({}, options);
  CHECK(runs_well(both) && both.entered() == 3);
  both.cpu->context[0] = 1;
  CHECK(runs_well(both) && both.entered() == 4);
  options = {};
  options.features = 1;
  RegionMachine other({}, options);
  CHECK(runs_well(other) && other.entered() == 0);
}

}  // namespace

int main() {
  refused();
  unwanted();
  cut();
  flipped();
  inconsistent();
  impossible();
  other_context();
  return result();
}
