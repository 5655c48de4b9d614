// All that the engine has to know of x86-64 machine code and of Linux's signal frames on it.
#pragma once

#include <x86intrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace pyqemu::host {

inline constexpr uint16_t kElfMachine = 62;  // EM_X86_64
inline constexpr uint32_t kPatchAlign = 4;   // a rel32 aligned like this is replaced by one atomic store
inline constexpr uint32_t kJumpBytes = 5;    // e9 rel32
inline constexpr uint32_t kJumpField = 1;    // where its rel32 lies

// Whether this machine has what a pack of level `level` ("x86-64-v3") uses.
bool supports_level(std::string_view level);

// Before a function: it is compiled for vectors of 32 bytes, and called only where this machine has them.
#define PYQEMU_WIDE_VECTORS [[gnu::target("avx2")]]
bool has_wide_vectors();

// Fills fewer than kPatchAlign bytes with a no-operation; up to kPatchAlign are written, to be written over.
inline void emit_padding(uint8_t *at, uint32_t count) {
  static constexpr uint8_t kNops[kPatchAlign][kPatchAlign] = {{}, {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}};
  memcpy(at, kNops[count], kPatchAlign);
}

// A jump whose rel32 is still to be written.
inline void emit_jump(uint8_t *at) {
  *at = 0xe9;
}

inline constexpr uint32_t kMoveBytes = 3;

// Moves the low 64 or 32 bits of general register `from` to `to`; the upper half of 32 becomes 0.
inline void emit_move(uint8_t *at, uint8_t to, uint8_t from, bool wide) {
  at[0] = static_cast<uint8_t>(0x40 | (wide ? 8 : 0) | (from & 8) >> 1 | (to & 8) >> 3);
  at[1] = 0x89;
  at[2] = static_cast<uint8_t>(0xc0 | (from & 7) << 3 | (to & 7));
}

inline constexpr uint32_t kStoreBytes = 8;

// Stores `value`, widened to 64 bits, `offset` bytes from where the CPU state begins.
inline void emit_store(uint8_t *at, int8_t offset, int32_t value) {
  static constexpr uint8_t kCode[] = {0x49, 0xc7, 0x45};  // mov qword [r13 + offset], value
  memcpy(at, kCode, sizeof kCode);
  memcpy(at + 3, &offset, sizeof offset);
  memcpy(at + 4, &value, sizeof value);
}

// Leaves generated code for `enter`.
inline uint32_t emit_return(uint8_t *at) {
  *at = 0xc3;
  return 1;
}

inline void write_rel32(uint8_t *at, int32_t value) {
  memcpy(at, &value, sizeof value);
}

// Replaces the aligned rel32 of a jump that other threads may be running.
inline void patch_rel32(uint8_t *at, int32_t value) {
  __atomic_store_n(reinterpret_cast<int32_t *>(at), value, __ATOMIC_RELEASE);
}

// Makes fresh code at `at` visible to instruction fetch: the hardware does it here.
inline void publish_code(const void *, size_t) {}

// A clock of unknown but constant rate that costs a few nanoseconds.
inline uint64_t ticks() {
  return __rdtsc();
}

// The program counter in a ucontext_t.
uintptr_t context_pc(const void *ucontext);

// Makes the handler of `ucontext` return to `pc`, with all else as it is.
void go_on_at(void *ucontext, uintptr_t pc);

// Makes the handler of `ucontext` return to `pc` with stack pointer `sp`.
void leave_to(void *ucontext, uintptr_t pc, uintptr_t sp);

// Copies guest code, which another thread may unmap meanwhile; gives the number of bytes copied. A SIGSEGV or
// SIGBUS in it is recovered from by recover_fetch, which the signal handler has to ask first.
size_t fetch_copy(void *to, const void *from, size_t bytes);
bool recover_fetch(void *ucontext);

}  // namespace pyqemu::host
