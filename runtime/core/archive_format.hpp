// The records of an archive of optimised regions. docs/archive.md says what they mean;
// hostgen/archive_format.py is Python's copy (a test compares them).
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyqemu {

inline constexpr uint32_t kArchiveMagic = 0x31524151;  // "QAR1"
inline constexpr uint32_t kArchiveVersion = 3;
inline constexpr uint32_t kMacBytes = 16;

struct ArchiveHeader {
  uint32_t magic, version;
  uint8_t digest[32];      // of the pack whose runtime this is for
  uint8_t module_key[16];  // of the guest file
  uint64_t features;       // the CPU model's, as the decoder compares them
  uint64_t extent;         // module offsets lie below this
  uint32_t text_bytes;     // of .text: a multiple of 4096
  uint32_t support;        // bytes of support code at the start of .text
  uint32_t exit_count;     // elements 1 … exit_count of the table
  uint32_t reserved[3];
  uint8_t support_mac[16];
  uint8_t mac[16];
};

// What regions were made for besides the features.
struct ContextRec {
  uint64_t values[4];  // of the context variables
};

struct IndexRec {
  uint32_t guest;   // module offset
  uint32_t region;  // in .pq.region; kNoRegion: the record is free
};

inline constexpr uint32_t kNoRegion = 0xffffffff;

// Which of 2^bits records is the first one to look at for a module offset; the next ones follow, around the
// end.
inline uint32_t index_place(uint32_t guest, uint32_t bits) {
  return guest * 0x9e3779b1u >> (32 - bits);
}

enum RegionFlags : uint32_t {
  kUsesSupport = 1,  // calls support code
};

struct RegionRec {
  uint32_t name;               // string
  uint32_t flags;
  uint32_t code, code_bytes;   // in .text, constants included
  uint32_t first_entry, entry_count;
  uint32_t first_range, range_count;
  uint32_t first_byte, byte_count;  // in .pq.bytes
  uint32_t first_exit, exit_count;
  uint32_t first_fault, fault_count;
  uint32_t insn_count;         // guest instructions
  uint32_t context;            // in .pq.context
  uint8_t mac[16];
};

struct EntryRec {
  uint32_t guest;  // module offset
  uint32_t code;   // in .text
};

struct RangeRec {
  uint32_t guest, bytes;  // module offset
};

struct ExitRec {
  int64_t target;  // module offset; may lie outside of the module
  uint32_t kind;   // 0 plain 1 call 2 return
  uint32_t reserved;
};

struct FaultRec {
  uint32_t access, landing;  // in .text
  uint32_t guest;            // module offset of the instruction
};

// What the writer of archives needs to link a region anew; nothing to the runtime.
struct PatchRec {
  uint32_t region;
  uint32_t offset;  // of a relative field, from the region's code on
  uint32_t symbol;  // string: `origin`, `exits`, or one of the support code
  int32_t addend;
};

}  // namespace pyqemu
