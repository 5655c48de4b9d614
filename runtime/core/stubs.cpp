// Translator: what it makes of the runtime's own stencils, heads of blocks and stubs of exits.
#include "chaining.hpp"
#include "host_code.hpp"
#include "translator.hpp"

namespace pyqemu {

const char *Translator::prepare() {
  const PackHeader &header = *tables_.header;
  const auto load = [&](FixedCode *code, uint32_t stencil, uint32_t values, uint32_t exits) {
    return code->load(tables_, stencil, values, exits);
  };
  const bool heads =
      options_.count ? load(&head_, header.head_count, 1, 1) : load(&head_, header.head_poll, 0, 1);
  if (!heads || !load(&count_down_, header.count_down, 1, 1) ||
      !load(&exit_direct_.code, header.exit_direct, 1, 0) || !load(&exit_head_.code, header.exit_head, 1, 0))
    return "a stencil that every block needs is damaged";
  for (uint8_t number = 0; number < 4; number++)
    if (header.root[number] != kNone) add_unit(number);
  return nullptr;
}

void Translator::add_unit(uint8_t number) {
  const uint8_t bytes = tables_.header->unit_bytes[number], piece = tables_.header->unit_piece[number];
  const bool big_endian = tables_.header->unit_big_endian[number] != 0;
  units_[unit_count_++] = {number, bytes == 4 && piece == 4 && !big_endian, big_endian, piece, bytes};
}

// A counter, if the block is to be counted, and the head. Their exits go to a stub that leaves with the
// block's number; they are never chained. One stub serves both: whoever gets there can see if the counter has
// run out. In a context that does not stay nothing is counted: regions are entered where others begin.
void Translator::emit_head(uint64_t pc, uint32_t context) {
  const uint32_t block = blocks_.blocks.size(), stub = exit_head_.get(cache_, block);
  if (contexts_[context].stays && profile_.wants(pc, context)) {
    count_down_.copy_roughly_to(staged(0));
    count_down_.set_value(staged(0), profile_.start(block));
    lead_outside(count_down_.exit_field(0), stub);
    hot_ = count_down_.size();
  } else {
    profile_.leave_out(block);
  }
  head_.copy_roughly_to(staged(hot_));
  head_.set_value(staged(hot_), item_count_ - guard_count_);
  lead_outside(hot_ + head_.exit_field(0), stub);
  hot_ += head_.size();
}

void Translator::stop_counting(uint32_t block) {
  const Block &counted = blocks_.blocks[block];
  if (counted.entry == counted.host) move_entry(cache_, blocks_, block, counted.host + count_down_.size());
}

bool Translator::room_for_exits(uint32_t count) const {
  return exit_direct_.room_for(cache_, count);
}

uint32_t Translator::add_exits(std::span<const uint64_t> targets, uint32_t table) {
  const uint32_t first = blocks_.slots.size();
  for (uint64_t target : targets) {
    redirect_exit(cache_, table, add_slot(target, table));
    table += sizeof(uint64_t);
  }
  return first;
}

// A direct exit that is patched at `patch`; gives its stub.
uint32_t Translator::add_slot(uint64_t target, uint32_t patch) {
  const uint32_t stub = exit_direct_.get(cache_, blocks_.slots.size());
  blocks_.slots.push({target, patch, stub, kNone, kNone});
  return stub;
}

void Translator::forget_stubs() {
  exit_direct_.forget();
  exit_head_.forget();
}

}  // namespace pyqemu
