// CPU models by name: test_pack.cpp's `plain`, `reset` and `isa…`, with features a, zab (implies a), za
// (implies a, zab).
#include "check.hpp"
#include "cpu_model.hpp"
#include "test_pack.hpp"

namespace {

using namespace pyqemu;

std::string g_error;

uint64_t features(const PackTables &tables, const char *name) {
  CpuModel model;
  return find_cpu_model(tables, name, &model, &g_error) ? model.features : ~uint64_t{0};
}

bool refused(const PackTables &tables, const char *name, const char *why) {
  return features(tables, name) == ~uint64_t{0} && g_error.find(why) != std::string::npos;
}

void names(const PackTables &tables) {
  CHECK(features(tables, "") == 0 && features(tables, "plain") == 0 && features(tables, "reset") == 1);
  CHECK(features(tables, "isaa") == 1 && features(tables, "isazab") == 3 && features(tables, "isaza_a") == 7);
  CHECK(features(tables, "plain,zab=on") == 3 && features(tables, "plain,+za") == 7);
  CHECK(features(tables, "isaza,zab=off") == 1 && features(tables, "isaza,-a") == 0);
}

void mistakes(const PackTables &tables) {
  CHECK(refused(tables, "z80", "z80: no such CPU model; there are plain, reset, isa…"));
  CHECK(refused(tables, "isa", "no such CPU model") && refused(tables, "isaab", "`b`"));
  CHECK(refused(tables, "plain,b=on", "`b`: no such feature; there are a, zab, za"));
  CHECK(refused(tables, "plain,a", "a=on or a=off") && refused(tables, "plain,a=2", "a=on or a=off"));
  CHECK(refused(tables, "plain,", "NAME=on"));
}

}  // namespace

int main() {
  test::Machine m;
  const PackTables &tables = static_cast<const PackFile &>(*m.pack).tables();
  names(tables);
  mistakes(tables);
  CpuHeader *cpu = m.engine->new_cpu("reset,za=on");  // the model's value, and 1 of each of its two features
  REQUIRE(cpu != nullptr);
  CHECK(*reinterpret_cast<uint64_t *>(reinterpret_cast<char *>(cpu) + test::kRegisters + 8 * 7) ==
        0x1234567890 + 2);
  m.engine->free_cpu(cpu);
  return result();
}
