// Translator: blocks in which the context changes from one instruction to the next, or that lead to another
// one.
//
// The variables that are stored are those of the block's context wherever it is entered or left to what it is
// chained to. Within it they are stored where somebody looks: before what raises an exception, and what
// leaves by a run-time address. Faults are told by marks (BlockTable::contexts); exits to other contexts are
// strays, which the runtime sees.
#include <algorithm>

#include "host_code.hpp"
#include "translator.hpp"

namespace pyqemu {

// The context behind an item; `falls`: it goes on with the next instruction. Null if there are too many.
const DecodeContext *Translator::after(const Item &item, uint64_t here, const DecodeContext &context,
                                       bool falls) {
  const uint32_t *next = nullptr;
  if ((item.stencil->attributes & kSaysNext) != 0) {
    const EncodingRec *encoding = decoder_.encoding(item.word[0], item.unit[0], here, context);
    if (encoding != nullptr && !(falls && encoding->guarded != 0)) next = encoding->next;
  }
  if (next == nullptr && context.stays) return &context;
  const DecodeContext *found = contexts_.after(context, next, item.word[0]);
  if (found == nullptr) problem_ = "the guest uses more contexts than the engine has room for";
  return found;
}

// Notes while the block is decoded what the context becomes behind an item that ends at `end`.
const DecodeContext *Translator::change(const Item &item, uint64_t here, const DecodeContext &context,
                                        uint32_t end) {
  changing_ |= !context.stays || (item.stencil->attributes & kSaysNext) != 0;
  if (!changing_) return &context;
  const DecodeContext *next = after(item, here, context, true);
  if (next != nullptr && next != &context) changes_[change_count_++] = {static_cast<uint16_t>(end), next};
  return next;
}

// An item's context, in a block that begins in `first`.
const DecodeContext &Translator::context_of(const Item &item, const DecodeContext &first) const {
  const DecodeContext *found = &first;
  for (uint32_t k = 0; k < change_count_ && changes_[k].guest <= item.guest[0]; k++)
    found = changes_[k].context;
  return *found;
}

// The instructions of a block, and the exit behind them.
void Translator::emit_changing(const GuestCode &code, const Block &block) {
  memory_ = first_;
  bool guarded = false;
  for (uint32_t i = 0; i < item_count_; i++) {
    Item &item = items_[i];
    const DecodeContext &context = context_of(item, *first_);
    const uint32_t insn = block.first_insn + i;
    blocks_.insns[insn] = {static_cast<uint16_t>(i == 0 ? 0 : hot_), item.guest[0]};
    const bool guards = (item.stencil->attributes & kGuard) != 0;
    if (!guarded) prepare_context(&items_[i + (guards ? 1 : 0)], code.pc() + item.guest[0], context);
    if (&context != first_ || memory_ != first_) blocks_.contexts.push({insn, context.id});
    const uint32_t slot = blocks_.slots.size();
    emit_item(code, item, context);
    mark_exits(*item.stencil, slot);
    guarded = guards;
  }
  if ((items_[item_count_ - 1].stencil->attributes & kEndsBlock) != 0) return;
  if (falls_ == first_) set_memory(*first_);
  emit_tail_jump(end_of_block(code));
  mark_exit(blocks_.slots.size() - 1, *falls_);
}

// Stores what has to be stored while an item is run. It is another stencil if it leaves by a run-time address
// to another context.
void Translator::prepare_context(Item *item, uint64_t here, const DecodeContext &context) {
  goes_ = after(*item, here, context, false);
  falls_ = after(*item, here, context, true);
  if (goes_ == nullptr || falls_ == nullptr) goes_ = falls_ = first_;  // there is a problem_
  const uint32_t attributes = item->stencil->attributes;
  if ((attributes & kIndirect) != 0 && goes_ != first_) {
    item->stencil = synced(*item->stencil);
    set_memory(*goes_);
  } else if ((attributes & kRaises) != 0) {
    set_memory(context);
  } else if ((attributes & kSyncs) != 0) {
    set_memory(*goes_);
  } else if ((attributes & (kIndirect | kHasExit)) != 0) {
    set_memory(*first_);
  }
}

const StencilRec *Translator::synced(const StencilRec &stencil) {
  const auto found = std::ranges::lower_bound(tables_.sync, tables_.number(stencil), {}, &SyncRec::stencil);
  if (found != tables_.sync.end() && found->stencil == tables_.number(stencil))
    return &tables_.stencil[found->synced];
  problem_ = "the pack lacks a stencil for a jump to another context";
  return &stencil;
}

void Translator::set_memory(const DecodeContext &context) {
  for (uint32_t k = 0; k < tables_.header->context_count; k++) {
    const uint64_t value = context.values[k];
    if (value == memory_->values[k]) continue;
    if (value > INT32_MAX) problem_ = "a context variable that changes is too wide";
    const auto offset = static_cast<int8_t>(offsetof(CpuHeader, context) + k * sizeof value);
    host::emit_store(staged(hot_), offset, static_cast<int32_t>(value));
    hot_ += host::kStoreBytes;
  }
  memory_ = &context;
}

// The exits of what was emitted last, which begin with `slot`; behind them, that of the guard before it.
void Translator::mark_exits(const StencilRec &stencil, uint32_t slot) {
  for (uint32_t k = 0; k < stencil.exit_count; k++) {
    if (stencil.exit_way[k] == static_cast<uint8_t>(ExitWay::kUnused)) continue;
    const bool falls = (stencil.attributes & kFallsByExit) != 0 && k + 1 == stencil.exit_count;
    mark_exit(slot++, falls ? *falls_ : *goes_);
  }
  if (slot < blocks_.slots.size()) mark_exit(slot, *falls_);
}

void Translator::mark_exit(uint32_t slot, const DecodeContext &context) {
  if (&context == first_ && memory_ == first_) return;
  blocks_.slots[slot].to = kStray;
  blocks_.slots[slot].next_incoming = context.id;
}

}  // namespace pyqemu
