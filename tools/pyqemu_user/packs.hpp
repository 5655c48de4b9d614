// The packs inside this program: one per architecture and host level, put there by the build (packs.S).
#pragma once

#include <cstdint>
#include <span>

namespace pyqemu::user {

// In pairs of address and size, ended by a null address. Page-aligned.
extern "C" const struct EmbeddedPack {
  const uint8_t *data;
  uint64_t size;
} pyqemu_embedded_packs[];

}  // namespace pyqemu::user
