// A pack with a table and registers for an architecture that does not exist, and nothing to run it with.
#pragma once

#include <cstring>
#include <map>
#include <string>

#include "abi.hpp"
#include "pack.hpp"

class FakePack final : public pyqemu::Pack {
 public:
  static constexpr uint32_t kMachine = 4711;

  std::map<std::string, std::string, std::less<>> values = {
      {"elf.machine", "4711"},     {"reg.args", "R[0] R[1] R[2] R[3] R[4] R[5]"},
      {"reg.syscall", "R[7]"},     {"reg.result", "R[0]"},
      {"reg.sp", "R[14]"},         {"reg.tls", "T"},
      {"syscall_insn_bytes", "4"}, {"page_size", "4096"},
      {"platform", "fake"},
  };

  const pyqemu::PackHeader &header() const override { return header_; }
  const char *string(uint32_t) const override { return ""; }
  std::optional<pyqemu::RegRef> reg(std::string_view name, uint32_t index) const override {
    if (name == "R" && index < 16) return pyqemu::RegRef{256 + 8 * index, 64};
    if (name == "T") return pyqemu::RegRef{256 + 8 * 16, 64};
    if (name == "C") return pyqemu::RegRef{256 + 8 * 17, 1};
    return std::nullopt;
  }
  std::optional<uint32_t> exception(std::string_view) const override { return std::nullopt; }
  const char *value(std::string_view key) const override {
    auto it = values.find(key);
    return it == values.end() ? nullptr : it->second.c_str();
  }

 private:
  static pyqemu::PackHeader header_of_fake() {
    pyqemu::PackHeader header = {};
    for (uint32_t &form : header.follows) form = pyqemu::kNone;
    return header;
  }

  pyqemu::PackHeader header_ = header_of_fake();
};
