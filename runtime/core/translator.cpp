// Block forming and emission.
#include "translator.hpp"

#include <algorithm>
#include <cstring>

#include "block_log.hpp"
#include "chaining.hpp"
#include "holes.hpp"
#include "host_code.hpp"
#include "value_form.hpp"

namespace pyqemu {
namespace {

// What the field of a relocation can hold, by RelocKind.
struct Field {
  uint64_t mask;  // of its bits
  int64_t low, high;
};
constexpr Field kFields[] = {{UINT32_MAX, INT32_MIN, INT32_MAX},   // kAbs32S
                             {UINT32_MAX, INT32_MIN, UINT32_MAX},  // kAbs32
                             {UINT64_MAX, INT64_MIN, INT64_MAX},   // kAbs64
                             {UINT8_MAX, INT8_MIN, UINT8_MAX}};    // kAbs8

bool leaves_by(const StencilRec &stencil, uint32_t exit, ExitWay way) {
  return stencil.exit_way[exit] == static_cast<uint8_t>(way);
}

}  // namespace

Translator::Translator(const PackTables &tables, const EngineOptions &options, CodeCache &cache,
                       BlockTable &blocks, Decoder &decoder, Contexts &contexts, Profile &profile)
    : tables_(tables),
      options_(options),
      cache_(cache),
      blocks_(blocks),
      decoder_(decoder),
      contexts_(contexts),
      profile_(profile) {}

bool Translator::room() const {
  return cache_.room() >= kBlockRoom && blocks_.room(kMaxItems, kMaxBlockInsns * kMaxExits + 2);
}

uint32_t Translator::translate(GuestCode &code, const DecodeContext &context) {
  if (decode_block(code, context) == 0) return kNone;
  if (!options_.count) fuse();
  drop_dead_flags();
  Block block;
  emit_block(code, context, &block);
  if (problem_ != nullptr) return kNone;
  const uint32_t index = blocks_.add(block);
  if (options_.chain) link(block.first_slot, index);
  blocks_made_++;
  guest_bytes_ += block.guest_bytes;
  host_bytes_ += block.host_bytes;
  if (options_.log != 0 && options_.log_sink != nullptr) log_block(block, context);
  return index;
}

// Copies the stencil and fills its holes, of which `values` are the first; gives where it starts.
inline uint32_t Translator::emit_whole(const Item &item, const uint32_t *values) {
  const StencilRec &stencil = *item.stencil;
  if (stencil.exit_count != 0) align_exits(stencil, 0);
  copy(hot_, stencil);
  uint8_t *const to = staged(hot_);
  for (uint32_t k = 0; k < kHoleGroup; k++) fill(to, stencil.holes[k], values[k]);
  if (stencil.hole_groups != 1) fill_more(to, item);
  return hot_;
}

// Fills the holes of all groups but the first.
void Translator::fill_more(uint8_t *copy, const Item &item) {
  for (const HoleRec &hole : tables_.more_holes(*item.stencil))
    fill(copy, hole, value_of(hole, tables_.table.data(), item.word));
}

// Where the code before hot_ ends by storing what this stencil begins by loading: does without the load. The
// store stays, so that the state is exact; but waiting for the value to come back out of memory is most of
// what a chain of simple instructions costs. Gives where the stencil would start if all of it were there.
uint32_t Translator::emit_without_load(const Item &item, const uint32_t *values) {
  const StencilRec &stencil = *item.stencil;
  // If it is the second operand, the two places are exchanged.
  const bool swapped = values[0] != stored_.place;
  // All of the register was stored; a narrower load clears the rest of it.
  const bool fits = (stencil.lead & (kLeadWhole | kLeadNarrowed)) != 0;
  const uint8_t reg = stencil.lead & kEdgeRegister;
  const bool move = reg != stored_.reg || !fits;
  const uint32_t saved = stencil.lead_bytes - (move ? host::kMoveBytes : 0);
  align_exits(stencil, saved);
  const uint32_t at = hot_ - saved;
  if (move) host::emit_move(staged(hot_), reg, stored_.reg, (stencil.lead & kLeadWhole) != 0);
  copy(at, stencil, stencil.lead_bytes);
  uint8_t *const to = staged(at);
  fill(to, stencil.holes[1], swapped ? values[0] : values[1]);
  fill(to, stencil.holes[2], values[2]);
  if (stencil.hole_groups != 1) fill_more(to, item);
  return at;
}

// Copies a stencil and fills in all that it has of its own.
void Translator::emit_item(const GuestCode &code, const Item &item, const DecodeContext &context) {
  const StencilRec &stencil = *item.stencil;
  uint32_t values[kHoleGroup];
  for (uint32_t k = 0; k < kHoleGroup; k++)
    values[k] = value_of(stencil.holes[k], tables_.table.data(), item.word);
  const bool same = values[0] == stored_.place, other = values[1] == stored_.place;
  const bool commutes = (stencil.lead & kLeadCommutes) != 0;
  const bool handed_over = ((stencil.lead & kEdge) != 0) & (same | (other & commutes));
  const uint32_t at = handed_over ? emit_without_load(item, values) : emit_whole(item, values);
  hot_ = at + stencil.size;
  uint32_t place;
  memcpy(&place, staged(hot_ - 4), 4);
  stored_.place = (stencil.tail & kEdge) != 0 ? place : kNowhere;
  stored_.reg = stencil.tail & kEdgeRegister;
  if ((stencil.attributes & kOnlyHoles) == 0) emit_rest(code, item, context, at);
}

void Translator::emit_block(const GuestCode &code, const DecodeContext &context, Block *block) {
  hot_ = 0;
  outside_.clear();
  block->guest_pc = code.pc();
  block->context = context.id;
  block->guest_bytes = static_cast<uint16_t>(guest_length_);
  block->first_insn = blocks_.insns.size();
  block->insn_count = static_cast<uint16_t>(item_count_);
  block->first_slot = blocks_.slots.size();

  emit_head(code.pc(), context.id);
  stored_.place = kNowhere;
  InsnMark *mark = &blocks_.insns[blocks_.insns.extend(item_count_)];
  if (changing_) [[unlikely]] {
    emit_changing(code, *block);
  } else {
    for (uint32_t i = 0; i < item_count_; i++) {
      *mark++ = {static_cast<uint16_t>(i == 0 ? 0 : hot_), items_[i].guest[0]};
      emit_item(code, items_[i], context);
    }
    if ((items_[item_count_ - 1].stencil->attributes & kEndsBlock) == 0) emit_tail_jump(end_of_block(code));
  }
  block->entry = block->host = place();
  block->host_bytes = hot_;
  block->slot_count = blocks_.slots.size() - block->first_slot;
  block->copy = kNone;
  if (code.changeable()) {
    block->copy = blocks_.copies.extend(guest_length_);
    memcpy(&blocks_.copies[block->copy], code.bytes(), guest_length_);
  }
  host::publish_code(reinterpret_cast<void *>(cache_.address(block->host)), block->host_bytes);
}

// Moves the block into the code cache; gives where it is.
uint32_t Translator::place() {
  const uint32_t at = cache_.take(hot_);
  for (const Outside &jump : outside_) {
    const uint32_t field = at + jump.field;
    host::write_rel32(staged(jump.field), static_cast<int32_t>(jump.target - field) + jump.addend);
    if (jump.slot != kNone) blocks_.slots[jump.slot].patch = field;
  }
  memcpy(cache_.writable(at), staged(0), hot_);
  return at;
}

// What is in the stencil's copy at `at` beside quick holes, and what follows it.
void Translator::emit_rest(const GuestCode &code, const Item &item, const DecodeContext &context,
                           uint32_t at) {
  const StencilRec &stencil = *item.stencil;
  const DecodeInputs inputs[2] = {{item.word[0], code.pc() + item.guest[0], context.values},
                                  {item.word[1], code.pc() + item.guest[1], context.values}};
  emit_others(stencil, at, inputs);
  emit_exits(stencil, at, inputs[stencil.insns - 1]);
  if ((stencil.attributes & kHasGuard) != 0) emit_landing(code, (stencil.attributes & kEndsBlock) != 0);
}

// Lets the guard before what was emitted last skip it: to what comes next in the block, or where it ends, to
// the next instruction.
void Translator::emit_landing(const GuestCode &code, bool ends_block) {
  for (uint32_t k = 0; k < skip_count_; k++) set_rel32(skips_[k], hot_);
  skip_count_ = 0;
  stored_.place = kNowhere;
  if (ends_block) emit_tail_jump(end_of_block(code));
}

// The guest address behind the block's last instruction.
uint64_t Translator::end_of_block(const GuestCode &code) const {
  return (code.pc() + guest_length_) & ~uint64_t{0} >> (64 - tables_.header->address_bits);
}

// Fills the holes that have no quick form in the copy at `at`. As behind the code, more is written than the
// field: it is what was there.
void Translator::emit_others(const StencilRec &stencil, uint32_t at, const DecodeInputs inputs[2]) {
  for (const RelocRec &reloc : tables_.others(stencil)) {
    const FormRec &form = tables_.form[reloc.value];
    const int64_t value =
        static_cast<int64_t>(static_cast<uint64_t>(evaluate(tables_, form, inputs[reloc.insn])) +
                             static_cast<uint64_t>(int64_t{reloc.addend}));
    const Field &field = kFields[reloc.kind];
    uint8_t *const to = staged(at + reloc.offset);
    uint64_t word;
    memcpy(&word, to, sizeof word);
    word = (word & ~field.mask) | (static_cast<uint64_t>(value) & field.mask);
    memcpy(to, &word, sizeof word);
    if (value < field.low || value > field.high) [[unlikely]]
      problem_ = "a value does not fit its place in a stencil";
  }
}

// The exits' jumps and stubs, and what leads to them and to the code that follows.
void Translator::emit_exits(const StencilRec &stencil, uint32_t at, const DecodeInputs &inputs) {
  Jump jumps[kMaxExits];
  for (uint32_t k = 0; k < stencil.exit_count; k++) {
    if (leaves_by(stencil, k, ExitWay::kUnused)) continue;
    const auto target =
        static_cast<uint64_t>(evaluate(tables_, tables_.form[stencil.exit_target[k]], inputs));
    if (leaves_by(stencil, k, ExitWay::kTail)) {
      align_for_patch(host::kJumpField);
      jumps[k] = {hot_, false};
      emit_tail_jump(target);
    } else if (leaves_by(stencil, k, ExitWay::kTrampoline)) {
      jumps[k] = {emit_trampoline(target), true};
    } else {
      emit_exit(target, at + stencil.exit_offset);
    }
  }
  emit_jumps(stencil, at, hot_, jumps);
}

// Lets the copy at `at` go on at `next`, by its exits, and to the image.
void Translator::emit_jumps(const StencilRec &stencil, uint32_t at, uint32_t next, const Jump *exits) {
  for (const RelocRec &reloc : tables_.jumps(stencil)) {
    const uint32_t field = at + reloc.offset;
    const auto kind = static_cast<RelocKind>(reloc.kind);
    if (kind == RelocKind::kSkip)
      skips_[skip_count_++] = field;
    else if (kind == RelocKind::kImage)
      lead_outside(field, reloc.value, kNone, reloc.addend);
    else if (kind == RelocKind::kNext)
      set_rel32(field, next);
    else if (const Jump &exit = exits[reloc.value]; exit.outside)
      lead_outside(field, exit.target);
    else
      set_rel32(field, exit.target);
  }
}

// A direct exit whose aligned rel32 lies at `field` of the block: lets it go to its stub.
void Translator::emit_exit(uint64_t target, uint32_t field) {
  const uint32_t slot = blocks_.slots.size();
  lead_outside(field, add_slot(target, kNone), slot);
}

// A direct exit by a jump outside the block; gives where that is.
uint32_t Translator::emit_trampoline(uint64_t target) {
  uint32_t jump = cache_.take(host::kJumpBytes + host::kPatchAlign - 1);
  jump += (0 - (jump + host::kJumpField)) % host::kPatchAlign;
  const uint32_t field = jump + host::kJumpField;
  host::emit_jump(cache_.writable(jump));
  host::write_rel32(cache_.writable(field), static_cast<int32_t>(add_slot(target, field) - field) - 4);
  return jump;
}

void Translator::emit_tail_jump(uint64_t target) {
  align_for_patch(host::kJumpField);
  const uint32_t jump = hot_;
  host::emit_jump(staged(jump));
  hot_ += host::kJumpBytes;
  emit_exit(target, jump + host::kJumpField);
}

// Pads so that the field of an exit of `stencil`, of which the first `saved` bytes will be left out, is
// aligned.
void Translator::align_exits(const StencilRec &stencil, uint32_t saved) {
  for (uint32_t k = 0; k < stencil.exit_count; k++)
    if (leaves_by(stencil, k, ExitWay::kField)) align_for_patch(stencil.exit_offset - saved);
}

// Pads so that the field at `field` of what comes next is aligned.
void Translator::align_for_patch(uint32_t field) {
  const uint32_t padding = (0 - (hot_ + field)) % host::kPatchAlign;
  host::emit_padding(staged(hot_), padding);
  hot_ += padding;
}

// Copies the bytes after `from`, in whole 64: what is written too much is written over by what follows.
inline void Translator::copy(uint32_t at, const StencilRec &stencil, uint32_t from) {
  const uint8_t *code = tables_.text.data() + stencil.code;
  uint8_t *to = staged(at);
  memcpy(to + from, code + from, kCopyBytes);  // mostly that is all
  for (uint32_t done = from + kCopyBytes; done < stencil.size; done += kCopyBytes)
    memcpy(to + done, code + done, kCopyBytes);
}

// Within the block.
void Translator::set_rel32(uint32_t field, uint32_t target) {
  host::write_rel32(staged(field), static_cast<int32_t>(target) - static_cast<int32_t>(field) - 4);
}

// See Outside. `addend` is added to the distance from the field.
void Translator::lead_outside(uint32_t field, uint32_t target, uint32_t slot, int32_t addend) {
  outside_.push_back({field, target, slot, addend});
}

// Chains the exits of a new block whose targets are there already.
void Translator::link(uint32_t first_slot, uint32_t block) {
  for (uint32_t slot = first_slot; slot < blocks_.slots.size(); slot++) {
    if (blocks_.slots[slot].to == kStray) continue;
    uint32_t to = blocks_.find(blocks_.slots[slot].target, blocks_.blocks[block].context);
    if (to != kNone) chain_exit(cache_, blocks_, slot, to);
  }
}

void Translator::log_block(const Block &block, const DecodeContext &context) {
  BlockLog log(options_);
  log.begin(block.guest_pc, cache_.address(block.host), block.host_bytes);
  for (uint32_t i = 0; i < item_count_; i++) {
    const Item &item = items_[i];
    const uint32_t guards = (item.stencil->attributes & kGuard) != 0;  // the instruction itself comes next
    for (uint32_t k = 0; k < item.stencil->insns - guards; k++) {
      const uint64_t here = block.guest_pc + item.guest[k];
      const EncodingRec *encoding =
          decoder_.encoding(item.word[k], item.unit[k], here, context_of(item, context));
      log.instruction(here, item.word[k], encoding != nullptr ? tables_.string(encoding->name) : "undefined",
                      tables_.string(tables_.label[tables_.number(*item.stencil)]));
    }
  }
  log.host_code({cache_.writable(block.host), block.host_bytes});
  log.end();
}

}  // namespace pyqemu
