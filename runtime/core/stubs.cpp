// Translator: what it makes of the runtime's own stencils, heads of blocks and stubs of exits.
#include "chaining.hpp"
#include "host_code.hpp"
#include "translator.hpp"

namespace pyqemu {

const char *Translator::prepare() {
  const PackHeader &header = *tables_.header;
  const auto load = [&](FixedCode *code, uint32_t stencil, uint32_t values, uint32_t exits) {
    return code->load(tables_, stencils_, stencil, values, exits);
  };
  const bool heads =
      options_.count ? load(&head_, header.head_count, 1, 1) : load(&head_, header.head_poll, 0, 1);
  if (!heads || !load(&profiling_head_, header.head_profile, 1, 2) ||
      !load(&exit_direct_, header.exit_direct, 1, 0) || !load(&exit_here_, header.exit_here, 1, 0) ||
      !load(&exit_hot_, header.exit_hot, 1, 0))
    stencils_.set_damage("a stencil that every block needs is damaged");
  for (uint8_t number = 0; number < 4; number++)
    if (header.root[number] != kNone)
      units_[unit_count_++] = {number, header.unit_bytes[number], header.unit_big_endian[number] != 0};
  return stencils_.damage();
}

// Exits of a head go to stubs that leave for the block's own address; they are never chained.
void Translator::emit_head(uint64_t pc, uint32_t context) {
  const bool profiled = profile_.wants(pc, context);
  const FixedCode &head = profiled ? profiling_head_ : head_;
  const uint32_t block = blocks_.blocks.size();
  head.copy_roughly_to(cache_.writable(hot_));
  head.set_value(cache_.writable(hot_), profiled ? profile_.start(block, pc, context) : item_count_);
  set_rel32(hot_ + head.exit_field(0), emit_stub(exit_here_, pc));
  if (profiled) set_rel32(hot_ + head.exit_field(1), emit_stub(exit_hot_, block));
  hot_ += head.size();
}

bool Translator::room_for_exits(uint32_t count) const {
  return cache_.room() / exit_direct_.size() > count;
}

uint32_t Translator::add_exits(std::span<const uint64_t> targets, uint32_t table) {
  const uint32_t first = blocks_.slots.size();
  cold_ = cache_.cold();
  for (uint64_t target : targets) {
    const uint32_t stub = emit_stub(exit_direct_, blocks_.slots.size());
    blocks_.slots.push({target, table, stub, kNone, kNone});
    redirect_exit(cache_, table, stub);
    table += sizeof(uint64_t);
  }
  cache_.set_ends(cache_.hot(), cold_);
  return first;
}

// A copy among the cold code, with `value` in its field.
uint32_t Translator::emit_stub(const FixedCode &stub, uint64_t value) {
  cold_ -= stub.size();
  stub.copy_to(cache_.writable(cold_));
  stub.set_value(cache_.writable(cold_), value);
  return cold_;
}

}  // namespace pyqemu
