// Translator: which instructions a block has, and which stencils they are made of.
#include <algorithm>
#include <cstring>

#include "translator.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxHostBytes = kBlockRoom / 2;
constexpr uint32_t kItemOverhead = 160;  // of an instruction beside its stencil: padding, exits, stubs

uint64_t load_piece(const uint8_t *from, uint32_t bytes, bool big_endian) {
  uint64_t word = 0;
  memcpy(&word, from, bytes);
  return big_endian ? __builtin_bswap64(word) >> (64 - 8 * bytes) : word;
}

// Attributes of which each stencil has one, if each instruction changes the context.
uint32_t any_if_changing(const DecodeContext &context) {
  return context.stays ? 0 : kEndsBlock | kFallsThrough;
}

}  // namespace

inline uint64_t Translator::load_word(const uint8_t *from, const Unit &unit) {
  uint64_t word = 0;
  if (unit.is_plain) [[likely]] {
    memcpy(&word, from, 4);
    return word;
  }
  for (uint32_t at = 0; at < unit.bytes; at += unit.piece)
    word = word << (8 * unit.piece & 63) | load_piece(from + at, unit.piece, unit.big_endian);
  return word;
}

// What is copied when the block is decoded; most of a short run is spent waiting for memory.
inline void Translator::prefetch(const StencilRec &stencil) const {
  __builtin_prefetch(&stencil.holes[1]);
  __builtin_prefetch(tables_.text.data() + stencil.code);
}

// The first unit that has a match gives the instruction.
inline const StencilRec *Translator::decode_one(GuestCode &code, uint32_t at, const DecodeContext &context,
                                                Item *item, uint32_t *bytes) {
  const Unit &unit = units_[0];
  *bytes = unit.bytes;
  if (code.reaches(at + unit.bytes)) [[likely]] {
    item->word[0] = load_word(code.bytes() + at, unit);
    item->unit[0] = unit.number;
    const StencilRec *stencil = decoder_.decode(item->word[0], unit.number, code.pc() + at, context);
    if (stencil != nullptr) [[likely]]
      return stencil;
  }
  return decode_rare(code, at, context, item, bytes);
}

// As decode_one, when the first unit has no match. Null if there are too few bytes.
const StencilRec *Translator::decode_rare(GuestCode &code, uint32_t at, const DecodeContext &context,
                                          Item *item, uint32_t *bytes) {
  bool cut = false;
  uint32_t smallest = 8;
  for (const Unit &unit : std::span(units_).first(unit_count_)) {
    smallest = std::min(smallest, unit.bytes);
    if (!code.reaches(at + unit.bytes)) {
      cut = true;
      continue;
    }
    item->word[0] = load_word(code.bytes() + at, unit);
    item->unit[0] = unit.number;
    *bytes = unit.bytes;
    if (const StencilRec *stencil = decoder_.decode(item->word[0], unit.number, code.pc() + at, context))
      return stencil;
  }
  if (cut) return nullptr;
  *bytes = smallest;
  return decoder_.undefined();
}

uint32_t Translator::look_at(GuestCode &code, const DecodeContext &context, const DecodeContext **after) {
  Item item = {};
  uint32_t bytes;
  item.stencil = decode_one(code, 0, context, &item, &bytes);
  if (item.stencil == nullptr) return 0;
  *after = this->after(item, code.pc(), context, false);
  return *after == nullptr ? 0 : bytes;
}

// Fills items_; gives their number.
uint32_t Translator::decode_block(GuestCode &code, const DecodeContext &context) {
  const uint32_t limit = std::clamp(options_.max_block_insns, 1u, kMaxBlockInsns);
  const auto in_page = static_cast<uint32_t>(BlockTable::kPageBytes - code.pc() % BlockTable::kPageBytes);
  // While instructions are counted, a block that is entered retires all of its instructions: it ends where it
  // could be left.
  const uint32_t lasts = options_.count ? kEndsBlock | kFaults | kHasExit : kEndsBlock;
  const uint32_t special = lasts | kHasGuard | kGuard | kSaysNext;
  const DecodeContext *now = &context;
  uint32_t looked_at = special | any_if_changing(*now);
  changing_ = false;
  change_count_ = 0;
  first_ = &context;
  uint32_t at = 0, host = 0, count = 0;
  guard_count_ = 0;
  while (count < limit + guard_count_ && count < kMaxBlockInsns && at < in_page) {
    Item &item = items_[count];
    uint32_t bytes;
    const StencilRec *stencil = decode_one(code, at, *now, &item, &bytes);
    if (stencil == nullptr) break;
    host += stencil->size + kItemOverhead;
    if (host > kMaxHostBytes && count != 0) break;
    prefetch(*stencil);
    item.stencil = stencil;
    item.guest[0] = static_cast<uint16_t>(at);
    at += bytes;
    count++;
    if ((stencil->attributes & looked_at) == 0) [[likely]]
      continue;
    if ((stencil->attributes & kGuard) != 0) item.stencil = decoder_.undefined();  // the pack is damaged
    if ((stencil->attributes & kHasGuard) != 0 && put_guard(&item, code.pc(), *now)) {
      host += item.stencil->size + kItemOverhead;
      count++;
    }
    now = change(items_[count - 1], code.pc() + items_[count - 1].guest[0], *now, at);
    if (now == nullptr) return 0;
    looked_at = special | any_if_changing(*now);
    if ((items_[count - 1].stencil->attributes & lasts) != 0) break;
  }
  item_count_ = count;
  guest_length_ = at;
  guest_insns_ += count - guard_count_;
  return count;
}

// Puts what is asked first before the item, which goes to the next place. False: the word is undefined after
// all.
bool Translator::put_guard(Item *item, uint64_t pc, const DecodeContext &context) {
  const StencilRec *guard = decoder_.guard(item->word[0], item->unit[0], pc + item->guest[0], context);
  const bool found = guard != nullptr && (guard->attributes & kGuard) != 0;
  if (found) item[1] = *item;
  item->stencil = found ? guard : decoder_.undefined();
  guard_count_ += found;
  return found;
}

// The stencil that does both, or null if there is none.
const StencilRec *Translator::fused(const StencilRec &first, const StencilRec &second) const {
  const std::span<const FuseRec> pairs = tables_.fuse.subspan(first.first_fuse, first.fuse_count);
  const uint32_t number = tables_.number(second);
  const auto found = std::ranges::lower_bound(pairs, number, {}, &FuseRec::second);
  return found == pairs.end() || found->second != number ? nullptr : &tables_.stencil[found->fused];
}

// Merges neighbours for which there is one stencil.
void Translator::fuse() {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < item_count_; i++, kept++) {
    if (kept != i) items_[kept] = items_[i];
    Item &item = items_[kept];
    if (item.stencil->fuse_count == 0 || i + 1 == item_count_) continue;
    const StencilRec *both = fused(*item.stencil, *items_[i + 1].stencil);
    if (both == nullptr) continue;
    if (changing_ && &context_of(item, *first_) != &context_of(items_[i + 1], *first_)) continue;
    item.stencil = both;
    item.word[1] = items_[i + 1].word[0];
    item.unit[1] = items_[i + 1].unit[0];
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
    const StencilRec *stencil = items_[i].stencil;
    const uint32_t writes = stencil->writes;
    if (stencil->exit_count != 0) live = kAllFlags;
    if ((writes & live) == 0 && stencil->dead != kNone)
      stencil = items_[i].stencil = &tables_.stencil[stencil->dead];
    live = (live & ~writes) | stencil->live_before;
  }
}

}  // namespace pyqemu
