// Block forming and emission.
#include "translator.hpp"

#include <algorithm>
#include <cstring>

#include "block_log.hpp"
#include "chaining.hpp"
#include "host_code.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kBlockAlign = 16;
constexpr uint32_t kMaxHostBytes = kBlockRoom / 2;
constexpr uint32_t kItemOverhead = 160;  // of an instruction beside its stencil: padding, exits, stubs
constexpr uint32_t kAllFlags = 0xffffffff;

uint64_t load_word(const uint8_t *from, uint32_t bytes, bool big_endian) {
  uint64_t word = 0;
  memcpy(&word, from, bytes);
  return big_endian ? __builtin_bswap64(word) >> (64 - 8 * bytes) : word;
}

int64_t value_of(const PreparedReloc &reloc, const uint64_t word[2], const uint64_t here[2],
                 const int64_t *const values[2]) {
  const int insn = reloc.insn;
  return static_cast<int64_t>(static_cast<uint64_t>(reloc.form.of(word[insn], here[insn], values[insn])) +
                              static_cast<uint64_t>(int64_t{reloc.addend}));
}

}  // namespace

Translator::Translator(const PackTables &tables, const EngineOptions &options, CodeCache &cache,
                       BlockTable &blocks, Preparer &preparer, Decoder &decoder, Profile &profile)
    : tables_(tables),
      options_(options),
      cache_(cache),
      blocks_(blocks),
      preparer_(preparer),
      decoder_(decoder),
      profile_(profile) {}

bool Translator::room() const {
  return cache_.room() >= kBlockRoom && blocks_.room(kMaxBlockInsns, kMaxBlockInsns * kMaxExits + 1);
}

uint32_t Translator::translate(const Fetched &code, const DecodeContext &context) {
  if (decode_block(code, context) == 0) return kNone;
  if (!options_.count) fuse();
  drop_dead_flags();
  Block block;
  emit_block(code, context, &block);
  if (preparer_.damage() != nullptr) return kNone;
  cache_.set_ends(hot_, cold_);
  const uint32_t index = blocks_.add(block);
  if (options_.chain) link(block.first_slot, index);
  blocks_made_++;
  guest_bytes_ += block.guest_bytes;
  host_bytes_ += block.host_bytes;
  if (options_.log != 0 && options_.log_sink != nullptr) log_block(block);
  return index;
}

// Fills items_; gives their number.
uint32_t Translator::decode_block(const Fetched &code, const DecodeContext &context) {
  const uint32_t limit = std::clamp(options_.max_block_insns, 1u, kMaxBlockInsns);
  const uint64_t page = code.pc >> BlockTable::kPageBits;
  uint32_t at = 0, host = 0;
  item_count_ = 0;
  while (item_count_ < limit && (code.pc + at) >> BlockTable::kPageBits == page) {
    Item &item = items_[item_count_];
    uint32_t bytes = 0;
    Prepared *stencil = decode_one(code, at, context, &item, &bytes);
    if (stencil == nullptr) break;
    host += stencil->size + kItemOverhead;
    if (item_count_ != 0 && host > kMaxHostBytes) break;
    item.stencil = stencil;
    item.guest[0] = at;
    at += bytes;
    item_count_++;
    if (is_last(*stencil)) break;
  }
  guest_length_ = at;
  guest_insns_ += item_count_;
  return item_count_;
}

// While instructions are counted, a block that is entered retires all of its instructions: it ends where it
// could be left.
bool Translator::is_last(const Prepared &stencil) const {
  if ((stencil.attributes & kEndsBlock) != 0 || &stencil == decoder_.undefined()) return true;
  return options_.count && (stencil.exit_count != 0 || (stencil.attributes & kFaults) != 0);
}

// The first unit that has a match gives the instruction. Null if there are too few bytes, or the pack is
// damaged.
Prepared *Translator::decode_one(const Fetched &code, uint32_t at, const DecodeContext &context, Item *item,
                                 uint32_t *bytes) {
  const PackHeader &header = *tables_.header;
  bool cut = false;
  uint32_t smallest = 8;
  for (uint32_t unit = 0; unit < 4; unit++) {
    if (header.root[unit] == kNone) continue;
    const uint32_t width = header.unit_bytes[unit];
    smallest = std::min(smallest, width);
    if (at + width > code.bytes.size()) {
      cut = true;
      continue;
    }
    item->word[0] = load_word(code.bytes.data() + at, width, header.unit_big_endian[unit] != 0);
    *bytes = width;
    if (Prepared *stencil = decoder_.decode(item->word[0], unit, code.pc + at, context)) return stencil;
  }
  if (cut || preparer_.damage() != nullptr) return nullptr;
  *bytes = smallest;
  return decoder_.undefined();
}

// Merges neighbours for which there is one stencil.
void Translator::fuse() {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < item_count_; i++, kept++) {
    if (kept != i) items_[kept] = items_[i];
    Item &item = items_[kept];
    if (i + 1 == item_count_ || item.stencil->fuse_count == 0) continue;
    Prepared *both = preparer_.fused(item.stencil, items_[i + 1].stencil);
    if (both == nullptr) continue;
    item.stencil = both;
    item.word[1] = items_[i + 1].word[0];
    item.guest[1] = items_[i + 1].guest[0];
    i++;
  }
  item_count_ = kept;
}

// Backwards: where all flags that an instruction writes are written again before they are read or the guest
// could see them.
void Translator::drop_dead_flags() {
  uint32_t live = kAllFlags;
  for (uint32_t i = item_count_; i-- > 0;) {
    Prepared *&stencil = items_[i].stencil;
    const uint32_t writes = stencil->writes;
    if (stencil->exit_count != 0) live = kAllFlags;  // the exit may be in the middle of the block
    if (writes != 0 && (writes & live) == 0)
      if (Prepared *dead = preparer_.dead_variant(stencil)) stencil = dead;
    live = (live & ~writes) | stencil->reads;
    if ((stencil->attributes & kFaults) != 0) live = kAllFlags;
  }
}

void Translator::emit_block(const Fetched &code, const DecodeContext &context, Block *block) {
  cold_ = cache_.cold();
  hot_ = (cache_.hot() + kBlockAlign - 1) & ~(kBlockAlign - 1);
  block->guest_pc = code.pc;
  block->context = context.id;
  block->entry = block->host = hot_;
  block->guest_bytes = static_cast<uint16_t>(guest_length_);
  block->first_insn = blocks_.insns.size();
  block->insn_count = static_cast<uint16_t>(item_count_);
  block->first_slot = blocks_.slots.size();

  emit_head(code.pc, context.id);
  stored_.valid = false;
  for (uint32_t i = 0; i < item_count_; i++) {
    blocks_.insns.push(
        {static_cast<uint16_t>(i == 0 ? 0 : hot_ - block->host), static_cast<uint16_t>(items_[i].guest[0])});
    emit_item(code, items_[i], context);
  }
  const Prepared &last = *items_[item_count_ - 1].stencil;
  if ((last.attributes & kEndsBlock) == 0 && &last != decoder_.undefined()) {
    uint64_t mask = ~uint64_t{0} >> (64 - tables_.header->address_bits);
    emit_tail_jump((code.pc + guest_length_) & mask);
  }
  block->host_bytes = hot_ - block->host;
  block->slot_count = blocks_.slots.size() - block->first_slot;
  block->copy = kNone;
  if (code.changeable) {
    block->copy = blocks_.copies.extend(guest_length_);
    memcpy(&blocks_.copies[block->copy], code.bytes.data(), guest_length_);
  }
  host::publish_code(reinterpret_cast<void *>(cache_.address(block->host)), block->host_bytes);
}

void Translator::emit_item(const Fetched &code, const Item &item, const DecodeContext &context) {
  const Prepared &stencil = *item.stencil;
  const uint64_t here[2] = {code.pc + item.guest[0], code.pc + item.guest[1]};
  const int64_t *values[2] = {};
  for (int k = 0; k < (stencil.fused ? 2 : 1); k++)
    if (stencil.program[k].needed)
      values[k] = decoder_.run(stencil.program[k].ops, stencil.program[k].encoding, item.word[k], here[k],
                               context, k);

  if (stencil.align > 1) {
    uint32_t aligned = (hot_ + stencil.align - 1) & ~(uint32_t{stencil.align} - 1);
    host::emit_nops(cache_.writable(hot_), aligned - hot_);
    hot_ = aligned;
  }
  const Handover handover = hand_over(stencil, item, here, values);
  const uint32_t saved = handover.skip - (handover.move ? host::kMoveBytes : 0);
  if (stencil.patch_field != kNoField) align_for_patch(stencil.exits[stencil.patch_field].offset - saved);
  const uint32_t at = hot_ - saved;  // where the stencil would start if all of it were there
  if (handover.move)
    host::emit_move(cache_.writable(hot_), stencil.lead.reg, stored_.reg, stencil.lead.width == 64);
  copy(at, stencil, handover.skip);
  hot_ = at + stencil.size;

  uint32_t jumps[kMaxExits] = {};
  for (uint32_t k = 0; k < stencil.exit_count; k++) {
    const PreparedExit &exit = stencil.exits[k];
    if (exit.way == PreparedExit::kUnused) continue;
    const auto target =
        static_cast<uint64_t>(exit.target.of(item.word[exit.insn], here[exit.insn], values[exit.insn]));
    if (exit.way == PreparedExit::kTail) {
      align_for_patch(host::kJumpField);
      jumps[k] = hot_;
      emit_tail_jump(target);
    } else if (exit.way == PreparedExit::kTrampoline) {
      jumps[k] = emit_trampoline();
      emit_exit(target, jumps[k] + host::kJumpField);
    } else {
      emit_exit(target, at + exit.offset);
    }
  }
  emit_relocs(stencil, at, hot_, item.word, here, values, jumps, handover.skip);
  if (handover.swapped) {
    const int64_t place = value_of(*stencil.lead.place, item.word, here, values);
    if (place != static_cast<int32_t>(place))
      preparer_.set_damage("a value does not fit its place in a stencil");
    memcpy(cache_.writable(at + stencil.lead.partner->offset), &place, 4);
  }
  stored_.valid = stencil.tail.width != 0;
  if (stored_.valid) {
    stored_.reg = stencil.tail.reg;
    stored_.place = value_of(*stencil.tail.place, item.word, here, values);
  }
}

// Whether the store before hot_ is to a place that `stencil` begins by loading. The store stays, so that the
// state is exact; but waiting for the value to come back out of memory is most of what a chain of simple
// instructions costs.
Translator::Handover Translator::hand_over(const Prepared &stencil, const Item &item, const uint64_t here[2],
                                           const int64_t *const values[2]) const {
  const PreparedMove &lead = stencil.lead;
  if (!stored_.valid || lead.width == 0) return {};
  Handover made;
  if (value_of(*lead.place, item.word, here, values) != stored_.place) {
    if (lead.partner == nullptr || value_of(*lead.partner, item.word, here, values) != stored_.place)
      return {};
    made.swapped = true;
  }
  made.skip = lead.bytes;
  // All of the register was stored; a narrower load clears the rest of it.
  const bool fits = lead.width == 64 || (lead.flags & kLeadNarrowed) != 0;
  made.move = lead.reg != stored_.reg || !fits;
  return made;
}

// Fills the holes of the copy at `at`, of which what is before `from` is left out. Exits go to
// `exit_targets`, NEXT to `next`.
void Translator::emit_relocs(const Prepared &stencil, uint32_t at, uint32_t next, const uint64_t word[2],
                             const uint64_t here[2], const int64_t *const values[2],
                             const uint32_t *exit_targets, uint32_t from) {
  for (const PreparedReloc &reloc : std::span(stencil.relocs, stencil.reloc_count)) {
    if (reloc.offset < from) continue;
    const uint32_t place = at + reloc.offset;
    uint8_t *field = cache_.writable(place);
    switch (reloc.kind) {
      case RelocKind::kNext:
        set_rel32(place, next);
        continue;
      case RelocKind::kExit:
        set_rel32(place, exit_targets[reloc.exit]);
        continue;
      case RelocKind::kImage:
        host::write_rel32(field,
                          static_cast<int32_t>(reloc.image) - static_cast<int32_t>(place) + reloc.addend);
        continue;
      default:
        break;
    }
    const int64_t value = value_of(reloc, word, here, values);
    bool fits = true;
    if (reloc.kind == RelocKind::kAbs32S) {
      fits = value == static_cast<int32_t>(value);
      memcpy(field, &value, 4);
    } else if (reloc.kind == RelocKind::kAbs32) {
      fits = value >= INT32_MIN && value <= int64_t{UINT32_MAX};
      memcpy(field, &value, 4);
    } else if (reloc.kind == RelocKind::kAbs8) {
      fits = value >= INT8_MIN && value <= UINT8_MAX;
      memcpy(field, &value, 1);
    } else {
      memcpy(field, &value, 8);
    }
    if (!fits) [[unlikely]]
      preparer_.set_damage("a value does not fit its place in a stencil");
  }
}

// A direct exit whose aligned rel32 lies at `patch`: makes its stub and lets it go there. Gives the slot.
uint32_t Translator::emit_exit(uint64_t target, uint32_t patch) {
  const uint32_t stub = emit_cold(*exit_direct_, blocks_.slots.size());
  set_rel32(patch, stub);
  return blocks_.slots.push({target, patch, stub, kNone, kNone});
}

uint32_t Translator::emit_trampoline() {
  cold_ -= host::kJumpBytes;
  cold_ -= (cold_ + host::kJumpField) % host::kPatchAlign;
  host::emit_jump(cache_.writable(cold_));
  return cold_;
}

void Translator::emit_tail_jump(uint64_t target) {
  align_for_patch(host::kJumpField);
  const uint32_t jump = hot_;
  host::emit_jump(cache_.writable(jump));
  hot_ += host::kJumpBytes;
  emit_exit(target, jump + host::kJumpField);
}

// Pads so that the field at `field` of what comes next is aligned.
void Translator::align_for_patch(uint32_t field) {
  const uint32_t padding = (0 - (hot_ + field)) % host::kPatchAlign;
  host::emit_nops(cache_.writable(hot_), padding);
  hot_ += padding;
}

// Copies the bytes after `from`, in whole 16: what is written too much is written over by what follows.
void Translator::copy(uint32_t at, const Prepared &stencil, uint32_t from) {
  uint8_t *to = cache_.writable(at);
  for (uint32_t done = from; done < stencil.size; done += 16) memcpy(to + done, stencil.code + done, 16);
  if (stencil.inverted != 0) host::invert_jump(to + stencil.inverted);
}

void Translator::set_rel32(uint32_t field, uint32_t target) {
  host::write_rel32(cache_.writable(field), static_cast<int32_t>(target) - static_cast<int32_t>(field) - 4);
}

// Chains the exits of a new block whose targets are there already.
void Translator::link(uint32_t first_slot, uint32_t block) {
  for (uint32_t slot = first_slot; slot < blocks_.slots.size(); slot++) {
    uint32_t to = blocks_.find(blocks_.slots[slot].target, blocks_.blocks[block].context);
    if (to != kNone) chain_exit(cache_, blocks_, slot, to);
  }
}

void Translator::log_block(const Block &block) {
  BlockLog log(options_);
  log.begin(block.guest_pc, cache_.address(block.host), block.host_bytes);
  for (uint32_t i = 0; i < item_count_; i++) {
    const Item &item = items_[i];
    for (int k = 0; k < (item.stencil->fused ? 2 : 1); k++) {
      const EncodingInfo *encoding = item.stencil->program[k].encoding;
      log.instruction(block.guest_pc + item.guest[k], item.word[k],
                      encoding != nullptr ? tables_.string(encoding->record->name) : "undefined",
                      tables_.string(tables_.stencil[item.stencil->stencil].name));
    }
  }
  log.host_code({cache_.writable(block.host), block.host_bytes});
  log.end();
}

}  // namespace pyqemu
