// Tells of translated blocks in text, for `-d in_asm,op,out_asm`.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine.hpp"

namespace pyqemu {

class BlockLog {
 public:
  explicit BlockLog(const EngineOptions &options) : options_(options) {}

  void begin(uint64_t guest_pc, uintptr_t host, uint32_t host_bytes);
  void instruction(uint64_t guest_pc, uint64_t word, const char *encoding, const char *stencil);
  void host_code(std::span<const uint8_t> code);
  void end();

 private:
  const EngineOptions &options_;
  std::string text_;
};

}  // namespace pyqemu
