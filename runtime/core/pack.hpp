// A mapped pack: typed access to its tables, and registers by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "pack_format.hpp"

namespace pyqemu {

// A register (or one element of a file) in the CPU state.
struct RegRef {
  uint32_t offset = 0;  // from the start of the CPU state, bytes
  uint16_t width = 0;   // bits
};

class Pack {
 public:
  // Maps a pack from a file, or uses one that is in memory already (page-aligned, stays there); looks through
  // all of its records, since code is made from them without further checks. Null and *error on failure.
  static std::unique_ptr<Pack> open(const char *path, const char **error);
  static std::unique_ptr<Pack> from_memory(std::span<const uint8_t> bytes, const char **error);
  // As from_memory, of a pack that is a part of this program: its records are taken as they are.
  static std::unique_ptr<Pack> built_in(std::span<const uint8_t> bytes, const char **error);
  virtual ~Pack() = default;

  virtual const PackHeader &header() const = 0;
  virtual const char *string(uint32_t offset) const = 0;

  // Register NAME, or element `index` of a file.
  virtual std::optional<RegRef> reg(std::string_view name, uint32_t index = 0) const = 0;
  // Number of the exception `name`.
  virtual std::optional<uint32_t> exception(std::string_view name) const = 0;
  // The Linux personality's table: value of `key`, or null. Binary search.
  virtual const char *value(std::string_view key) const = 0;
};

}  // namespace pyqemu
