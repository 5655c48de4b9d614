// The records of a pack and the part of the CPU state that generated code and the runtime share.
// docs/pack.md says what they mean; hostgen/pack_format.py is Python's copy (a test compares them).
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyqemu {

inline constexpr uint32_t kPackMagic = 0x314b5051;  // "QPK1"
inline constexpr uint32_t kPackVersion = 5;
inline constexpr uint32_t kNone = 0xffffffff;

struct PackHeader {
  uint32_t magic, version;
  uint8_t digest[32];     // of everything the pack was made from
  uint32_t arch_name;     // string
  uint32_t host_level;    // string, e.g. "x86-64-v3"
  uint32_t root[4];       // decode root by unit; kNone if there is no such unit
  uint8_t unit_bytes[4];  // width of each unit
  uint8_t unit_big_endian[4];
  uint32_t pc_shift;  // log2 of the smallest code unit
  uint32_t address_bits;
  uint32_t state_bytes;  // end of the architecture's registers, from the start of the CPU state
  uint32_t flag_count;   // flags lie at flag_offset, one byte each
  uint32_t flag_offset;
  uint32_t context_count;  // number of context variables, in order; names in context_name
  uint32_t context_name[4];
  uint32_t undefined_exception;
  uint32_t image_bytes;  // of .pq.image that matter
  uint32_t enter;        // offsets into the image
  uint32_t image_reserved[7];
  uint32_t head_poll, head_none, exit_direct, exit_head, undefined;  // stencil numbers
  uint32_t icache_coherent;         // 1: the architecture sees its own stores to code
  uint32_t head_count, count_down;  // stencil numbers
  uint8_t stencil_digest[32];       // of what the pack's contents depend on; for who makes packs
  uint32_t follows[4];    // forms: what context variables are for the next instruction; kNone: the same
  uint8_t unit_piece[4];  // width of what each unit is made of, first piece on top
  uint32_t reserved;
};

// index = (word >> shift) & ((1 << bits) - 1); child[first_child + index] in .pq.child: top bit set: node,
// else an the index of the first Candidate to try; kNone: no such instruction.
struct DecodeNode {
  uint8_t shift, bits;
  uint16_t reserved;
  uint32_t first_child;  // in .pq.child; entry: kNone, candidate index, or kNodeBit | node index
};
inline constexpr uint32_t kNodeBit = 0x80000000;

struct Candidate {
  uint64_t mask, value;  // word & mask == value
  uint64_t inputs;       // of the first of a leaf: bits of the word on which its choices depend
  uint32_t encoding;
  uint32_t guard;  // form that must not be 0, or kNone
  uint32_t last;   // 1: no further candidate in this leaf
  uint32_t here;   // of the first of a leaf: 1 if a choice depends on the instruction's address
};

struct EncodingRec {
  uint32_t name;        // string: the encoding's name
  uint32_t shape_root;  // kNodeBit | shape node, or a stencil number, or kNone for UNDEFINED
  uint64_t features;    // that the CPU model must have
  uint32_t guard_root;  // as shape_root, of the stencil that is asked first; kNone if there is none
  uint32_t next[4];  // forms: context variables for the next instruction; kNone: as PackHeader.follows says
  uint32_t guarded;  // 1: where it goes on with the next instruction, `next` has no say
};

// Some bits of the instruction word, as signed if `sign` is their top bit:
// ((((word >> from) & mask) ^ sign) - sign) * factor.
struct TermRec {
  uint64_t mask, sign;
  int64_t factor;
  uint32_t from, reserved;
};

enum class FormKind : uint8_t {
  kSum,      // .pq.table[first + s] if s < count, else s + (here & here_mask);
             // s is term + `more_count` terms from .pq.term[more] on + add
  kChoice,   // form `first` if form `more` is not 0, else form `first + 1`; all three are sums
  kProgram,  // the last result of the `count` operations from .pq.prog[first] on
};

// A decode-time value: what fills a hole, or decides.
struct FormRec {
  uint8_t kind, more_count;
  uint16_t reserved;
  uint32_t first, count, more;
  TermRec term;
  int64_t add;
  uint64_t here_mask;
};

enum class ProgOpCode : uint8_t {
  kConst,    // imm (sign-extended 32 bits)
  kConst64,  // i64 at .pq.table[imm]
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kNeg,
  kInv,
  kAnd,
  kOr,
  kXor,
  kShl,
  kShr,
  kUshr,
  kEq,
  kNe,
  kLt,
  kLe,
  kUlt,
  kUle,
  kSelect,  // a ? b : c
  kBits,
  kSbits,  // low b bits of a, unsigned or signed; b is a value
  kLog2,
  kPopcount,
  kTable,    // .pq.table[imm + a] if 0 <= a < value b, else 0
  kForm,     // form imm, which is a sum
  kContext,  // context variable imm
};

struct ProgOp {  // a, b, c: numbers of earlier operations of the program
  uint8_t op, reserved;
  uint16_t a, b, c;
  int32_t imm;
};

struct ShapeNode {
  uint32_t form;  // its value v picks child[first_child + (v - low)]
  int32_t low;
  uint32_t count;        // values outside low .. low+count-1: UNDEFINED
  uint32_t first_child;  // in .pq.child: kNodeBit | shape node, stencil number, or kNone for UNDEFINED
};

enum StencilAttributes : uint16_t {
  kEndsBlock = 1,     // no instruction follows in this block
  kFallsThrough = 2,  // ends by going on with the next stencil
  kFaults = 4,        // may fault or raise: all flags are live before and after
  kIndirect = 8,      // has an indirect exit
  kSyncs = 16,
  kHasExit = 32,        // exit_count is not 0
  kOnlyHoles = 64,      // nothing but holes in quick form is to be filled
  kGuard = 128,         // goes on, or skips the stencil that follows
  kHasGuard = 256,      // follows a guard: EncodingRec::guard_root
  kSaysNext = 512,      // EncodingRec::next has a say in the next instruction's context
  kRaises = 1024,       // may raise an exception
  kFallsByExit = 2048,  // the last exit goes to the next instruction
};

// How a direct exit leaves the copy of a stencil.
enum class ExitWay : uint8_t {
  kUnused,
  kField,       // one rel32 in the code, which is kept aligned and patched; no relocation speaks of it
  kTail,        // a jump behind the code, made when it is copied
  kTrampoline,  // by a jump outside the block, to which relocations lead
};

// A hole in quick form: a field of 32 bits. Its value is .pq.table[table + s] if s < count, else s; s is some
// bits of word `insn`, as signed if `sign` is their top bit, times `factor`, plus `add`, modulo 2^32.
struct HoleRec {
  uint32_t mask = 0, sign = 0, factor = 0, add = 0;
  uint16_t table = 0;
  uint16_t offset = 0;  // of the field in the stencil
  uint8_t from = 0;     // the lowest of the bits
  uint8_t count = 0;
  uint8_t insn = 0;  // 0, or 1 for the second instruction of a fused stencil
  uint8_t reserved = 0;
};

inline constexpr uint32_t kMaxExits = 2;   // of a stencil
inline constexpr uint32_t kMaxSkips = 8;   // jumps of a guard that skip
inline constexpr uint32_t kHoleGroup = 3;  // holes are filled by that many at a time; few stencils have more

// A stencil as it is copied. Its holes are made up to whole groups by some that write behind the code.
struct alignas(64) StencilRec {
  uint32_t code;            // in .text, without a last jump to NEXT or a kTail exit
  uint32_t first_hole;      // in .pq.hole: the groups but the first
  uint32_t first_reloc;     // in .pq.reloc: first `other_count` that are filled with forms, then `jump_count`
  uint32_t first_fuse;      // in .pq.fuse: the pairs that begin with this stencil
  uint32_t dead;            // stencil to use when the flags it writes are dead, or kNone
  uint32_t writes;          // flags
  uint32_t live_before;     // flags that are live before it whatever follows
  uint32_t exit_target[2];  // forms: guest addresses of direct exits, by the last instruction
  uint16_t size;            // of the code, bytes
  uint16_t exit_offset;     // of the rel32 of the exit that is a kField
  uint16_t fuse_count;
  uint16_t hole_count;  // without those that make up groups
  uint16_t attributes;
  uint8_t hole_groups;  // at least 1
  uint8_t other_count, jump_count;
  uint8_t exit_count;
  uint8_t insns;  // 1; 2 of a fused stencil
  uint8_t exit_way[2];
  uint8_t tail, lead;  // EdgeBits
  uint8_t lead_bytes;  // of the first instruction
  HoleRec holes[kHoleGroup];
};

// How values are handed over from stencil to stencil (docs/pack.md). `tail`: the code ends with a store of 64
// bits of a host register to the CPU state, whose place is a hole. `lead`: the first instruction loads a
// register from the CPU state, from the place that is hole 0.
enum EdgeBits : uint8_t {
  kEdgeRegister = 15,  // mask: the host register
  kEdge = 16,          // there is such a store, or load
  kLeadWhole = 32,     // 64 bits are loaded, else 32
  kLeadNarrowed =
      64,  // the next instruction reads no more bits of the register than were loaded, and replaces it
  kLeadCommutes = 128,  // ... by combining it with the place that is hole 1, in either order
};

enum class RelocKind : uint8_t {
  kAbs32S,  // 32 bits, sign-extended by the instruction
  kAbs32,   // 32 bits, zero-extended
  kAbs64,
  kAbs8,   // 8 bits, sign-extended
  kNext,   // rel32 to the code that follows
  kExit,   // rel32 to where exit `value` leaves
  kImage,  // rel32 to offset `value` of the image
  kSkip,   // rel32 to behind the stencil that follows
};

struct RelocRec {
  uint16_t offset;  // of the field in the stencil
  uint8_t kind;
  uint8_t insn;    // 0, or 1 for the second instruction of a fused stencil
  uint32_t value;  // form, exit number, or offset in the image
  int32_t addend;  // added (rel32: to target - address of the field)
};

struct FuseRec {
  uint32_t first, second, fused;
};

// `synced` does what `stencil` does, but its ends are kExitSync.
struct SyncRec {
  uint32_t stencil, synced;
};

struct RegRec {
  uint32_t name;
  uint32_t offset;  // from the start of the CPU state
  uint32_t count;   // 1 for a single register
  uint16_t width;   // bits
  uint16_t stride;  // bytes
};

struct ExcRec {
  uint32_t name;
  uint32_t argument_count;
};

// What a CPU model may have; its number is its bit in masks of features. `implies`: those that come with it;
// its resets are added to the model's.
struct FeatureRec {
  uint64_t implies;
  uint32_t name;
  uint32_t first_reset, reset_count;
  uint32_t reserved;
};

struct CpuRec {
  uint64_t features;
  uint32_t name;
  uint32_t separator;  // kNone: a model; else its name is how those of models begin that list features with
                       // this between them
  uint32_t first_reset, reset_count;
};

struct ResetRec {
  uint32_t reg;  // in .pq.reg
  uint32_t index;
  uint64_t value;
};

struct KvRec {
  uint32_t key, value;  // strings
};

enum ExitReason : uint32_t {
  kExitLookup = 0,     // cpu->pc is where to go on
  kExitDirect = 1,     // cpu->exit_slot is the exit that was taken; it may be chained
  kExitException = 2,  // cpu->exception, exc_args; cpu->pc is the instruction
  kExitSync = 3,       // code or context changed; cpu->pc is where to go on
  kExitLeft = 4,       // Engine::leave_from_handler; cpu->pc is where to go on
  kExitHead = 5,  // cpu->exit_slot is the block that was left at its head: polled, or its counter ran out
};

struct CpuHeader {
  uint32_t poll;         // 0: nonzero makes the next block head leave
  uint32_t exit_reason;  // 4
  uint64_t pc;           // 8
  uint64_t exit_slot;    // 16
  uint32_t exception;    // 24
  uint32_t host_fp;      // 28: MXCSR while guest code runs, sticky flags included
  uint64_t exc_args[4];  // 32
  uint64_t context[4];   // 64: values of the context variables
  uint32_t fp_extra;     // 96: sticky flags (as in fp_flags) that the host cannot hold
  uint32_t fp_mode;      // 100
  uint64_t owner;        // 104: the runtime's Thread
  uint64_t
      runtime[2];    // 112: [0] stack pointer at the entry of generated code, [1] return address of a thunk
  uint64_t retired;  // 128: guest instructions, as head_count counts them
  uint64_t reserved[15];
};
static_assert(sizeof(StencilRec) == 128);
static_assert(sizeof(CpuHeader) == 256);
static_assert(offsetof(CpuHeader, exc_args) == 32 && offsetof(CpuHeader, context) == 64);
static_assert(offsetof(CpuHeader, fp_extra) == 96 && offsetof(CpuHeader, owner) == 104 &&
              offsetof(CpuHeader, retired) == 128);

inline constexpr uint32_t kStateOffset = 256;
inline constexpr uint32_t kJumpCacheOffset = 8192;
inline constexpr uint32_t kJumpCacheEntries = 4096;

struct JumpCacheEntry {
  uint64_t pc, code;
};

}  // namespace pyqemu
