// The Linux table: registers, layouts and flags by name.
#include "abi.hpp"
#include "check.hpp"
#include "fake_pack.hpp"

using namespace pyqemu::user;

int main() {
  FakePack pack;
  Abi abi;
  const char *error = nullptr;
  REQUIRE(Abi::load(pack, &abi, &error));
  CHECK(abi.elf_machine == FakePack::kMachine && abi.insn_bytes == 4 && abi.number.offset == 256 + 56);
  CHECK(abi.value("none", 17) == 17 && strcmp(abi.text("none"), "") == 0);
  const char *text = "0x1fz";
  CHECK(parse_number(text) == 31 && *text == 'z');

  static const char *const kFields[] = {"first", "second"};
  static StructLayout same("same", kFields, 2), other("other", kFields, 2);
  pack.values["struct.other.size"] = "12";
  pack.values["struct.other.first"] = "4:2";
  pack.values["struct.other.second"] = "8:4";
  same.load(abi);
  other.load(abi);
  CHECK(same.same() && !other.same() && other.size() == 12);
  uint8_t record[12] = {};
  other.put(record, 0, 0x12345678);
  CHECK(record[4] == 0x78 && record[5] == 0x56 && record[6] == 0 && other.get(record, 0) == 0x5678);

  static const FlagName kFlags[] = {{"A", 1}, {"B", 2}};
  static FlagMap flags(kFlags, 2);
  pack.values["flag.A"] = "2";
  pack.values["flag.B"] = "1";
  flags.load(abi);
  CHECK(flags.to_host(1 | 8) == (2 | 8) && flags.to_guest(1) == 2 && flags.to_host(flags.to_guest(3)) == 3);

  pack.values.erase("reg.sp");
  CHECK(!Abi::load(pack, &abi, &error) && error);
  return result();
}
