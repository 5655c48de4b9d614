// Translator: what it makes of the runtime's own stencils, heads of blocks and stubs of exits.
#include "chaining.hpp"
#include "host_code.hpp"
#include "translator.hpp"

namespace pyqemu {

const char *Translator::prepare() {
  const PackHeader &header = *tables_.header;
  head_ = preparer_.stencil(options_.count ? header.head_count : header.head_poll, nullptr);
  profiling_head_ = preparer_.stencil(header.head_profile, nullptr);
  exit_direct_ = preparer_.stencil(header.exit_direct, nullptr);
  exit_here_ = preparer_.stencil(header.exit_here, nullptr);
  exit_hot_ = preparer_.stencil(header.exit_hot, nullptr);
  return preparer_.damage();
}

// Exits of a head go to stubs that leave for the block's own address; they are never chained.
void Translator::emit_head(uint64_t pc, uint32_t context) {
  const bool profiled = profile_.wants(pc, context);
  const Prepared &head = profiled ? *profiling_head_ : *head_;
  const uint32_t block = blocks_.blocks.size();
  const uint32_t leave = emit_cold(*exit_here_, pc);
  const uint32_t stubs[kMaxExits] = {leave, profiled ? emit_cold(*exit_hot_, block) : leave};
  const uint64_t value = profiled ? profile_.start(block, pc, context) : item_count_;
  const uint64_t no_word[2] = {}, here[2] = {value, value};
  const int64_t *const no_values[2] = {};
  const uint32_t at = hot_;
  copy(at, head);
  hot_ += head.size;
  for (uint32_t k = 0; k < head.exit_count; k++) {
    if (head.exits[k].way == PreparedExit::kField) {
      set_rel32(at + head.exits[k].offset, stubs[k]);
    } else if (head.exits[k].way == PreparedExit::kTail) {
      host::emit_jump(cache_.writable(hot_));
      set_rel32(hot_ + host::kJumpField, stubs[k]);
      hot_ += host::kJumpBytes;
    }
  }
  emit_relocs(head, at, hot_, no_word, here, no_values, stubs);
}

bool Translator::room_for_exits(uint32_t count) const {
  return cache_.room() / exit_direct_->size > count;
}

uint32_t Translator::add_exits(std::span<const uint64_t> targets, uint32_t table) {
  const uint32_t first = blocks_.slots.size();
  cold_ = cache_.cold();
  for (uint64_t target : targets) {
    const uint32_t stub = emit_cold(*exit_direct_, blocks_.slots.size());
    blocks_.slots.push({target, table, stub, kNone, kNone});
    redirect_exit(cache_, table, stub);
    table += sizeof(uint64_t);
  }
  cache_.set_ends(cache_.hot(), cold_);
  return first;
}

// A copy of a stencil without exits among the cold code; its hole is `hole`.
uint32_t Translator::emit_cold(const Prepared &stencil, uint64_t hole) {
  cold_ -= stencil.size;
  memcpy(cache_.writable(cold_), stencil.code, stencil.size);
  const uint64_t no_word[2] = {}, holes[2] = {hole, hole};
  const int64_t *const no_values[2] = {};
  const uint32_t no_exits[kMaxExits] = {};
  emit_relocs(stencil, cold_, cold_ + stencil.size, no_word, holes, no_values, no_exits);
  return cold_;
}

}  // namespace pyqemu
