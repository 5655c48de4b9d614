// Translating and running on one thread: values, exits, chaining, contexts, flags, fusion, options.
#include <iterator>
#include <string>

#include "check.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

void straight_line() {
  Machine m;
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 1, 0, 5), word(kAddi, 2, 1, -7), word(kXori, 3, 2, 0x0f), word(kSubs, 4, 1, 5),
       word(kStZ, 5), word(kGuarded, 6, 0, 9), word(kGuarded, 15, 0, 9), word(kSvc, 0, 0, 77)});
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reg(m.cpu, 1) == 5 && reg(m.cpu, 2) == static_cast<uint64_t>(-2));
  CHECK(reg(m.cpu, 3) == static_cast<uint64_t>(-2 + (0x0f ^ 0x55)));
  CHECK(reg(m.cpu, 4) == 0 && flag_z(m.cpu) == 1 && reg(m.cpu, 5) == 1);
  CHECK(reg(m.cpu, 6) == 9 && reg(m.cpu, 15) == 0 && reg(m.cpu, 0) == static_cast<uint64_t>(-9));
  CHECK(m.cpu->exception == 1 && m.cpu->exc_args[0] == 77 && m.cpu->pc == code.address() + 28);
  EngineStats stats = m.engine->stats();
  CHECK(stats.blocks == 1 && stats.guest_insns == 8 && stats.guest_bytes == 32 && stats.host_bytes > 32);
}

// Random chains of instructions give the same whether values go from one to the next in registers or not.
void handover() {
  constexpr Op kOps[] = {kAddi, kAdd, kAdd, kAddLow, kLow, kXori, kSubs, kLd};
  Pages code(4096), data(4096);
  uint64_t seed = 88172645463325252;
  auto random = [&](uint32_t below) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return static_cast<uint32_t>(seed >> 32) % below;
  };
  for (uint32_t i = 0; i < 512; i++) data.words()[i] = random(~0u);
  for (int turn = 0; turn < 200; turn++) {
    Machine with({}, {}), without({}, {.handover = false});
    for (uint32_t i = 0; i < 100; i++) {
      const Op op = kOps[random(std::size(kOps))];
      const uint32_t rd = random(3), rs = op == kLd ? 5 : random(3);
      put(code, i, {word(op, rd, rs, static_cast<int32_t>(random(op == kLd ? 1000 : 65536)))});
    }
    put(code, 100, {word(kSvc)});
    for (Machine *m : {&with, &without}) {
      for (uint32_t i = 0; i < 3; i++) reg(m->cpu, i) = uint64_t{i + 1} * 0x9e3779b97f4a7c15;
      reg(m->cpu, 5) = data.address();
      CHECK(m->run_at(code.address()) == StopKind::kException);
    }
    for (uint32_t i = 0; i < 16; i++) CHECK(reg(with.cpu, i) == reg(without.cpu, i));
    CHECK(flag_z(with.cpu) == flag_z(without.cpu));
    CHECK(with.engine->stats().host_bytes < without.engine->stats().host_bytes);
  }
}

// R1 counts down; R2 counts turns. The loop has a chained conditional and a chained jump.
void loops(const EngineOptions &options, const PackOptions &pack_options) {
  Machine m(options, pack_options);
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 1, 0, 10000), word(kAddi, 2, 2, 1), word(kSubs, 1, 1, 1), word(kBz, 0, 0, 2),
       word(kB, 0, 0, -3), word(kSvc)});
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reg(m.cpu, 1) == 0 && reg(m.cpu, 2) == 10000 && flag_z(m.cpu) == 1);
  CHECK(m.engine->stats().blocks < 8);
}

// A subroutine called by way of a register from two places, and BSEL, whose exits are in its middle.
void jumps() {
  Machine m;
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 1, 0, 1000), word(kAddi, 14, 13, 12), word(kB, 0, 0, 100),  // R14: return address
       word(kAddi, 14, 13, 20), word(kB, 0, 0, 98), word(kSubs, 1, 1, 1), word(kBsel, 0, 0, 2),
       word(kB, 0, 0, -6), word(kSvc)});
  put(code, 102, {word(kAddi, 3, 3, 1), word(kJr, 0, 14)});
  reg(m.cpu, 13) = code.address();
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(m.cpu->pc == code.address() + 32);
  CHECK(reg(m.cpu, 1) == 0 && reg(m.cpu, 3) == 2000);
}

// Exits whose conditional jump stands over the last jump, at the end and in the middle of a block.
void turned_jumps() {
  Machine m;
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 1, 0, 500), word(kAddi, 2, 2, 1), word(kSubs, 1, 1, 1), word(kSubs, 3, 1, 250),
       word(kSkip, 0, 0, 4), word(kSubs, 1, 1, 0), word(kBnz, 0, 0, -5), word(kSvc), word(kAddi, 4, 4, 1),
       word(kB, 0, 0, -4)});
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(m.cpu->pc == code.address() + 28);
  CHECK(reg(m.cpu, 1) == 0 && reg(m.cpu, 2) == 500 && reg(m.cpu, 4) == 1);
}

void contexts() {
  Machine m;
  Pages code(4096);
  put(code, 0,
      {word(kModal, 1, 0, 3), word(kMode, 0, 0, 1), word(kModal, 2, 0, 3), word(kMode, 0, 0, 0),
       word(kModal, 3, 0, 3), word(kMode, 0, 0, 2), word(kModal, 4, 0, 3)});
  for (int turn = 0; turn < 3; turn++) {
    m.cpu->context[0] = 0;
    CHECK(m.run_at(code.address()) == StopKind::kException);
    CHECK(m.cpu->exception == 0 && m.cpu->pc == code.address() + 24);  // mode 2 is UNDEFINED
    CHECK(reg(m.cpu, 1) == 3 && reg(m.cpu, 2) == static_cast<uint64_t>(-3) && reg(m.cpu, 3) == 3);
  }
  // The same address in two contexts, set from outside, by way of the jump cache.
  Pages other(4096);
  put(other, 0, {word(kAddi, 2, 2, 1), word(kJr, 0, 1)});
  put(other, 16, {word(kModal, 5, 0, 8), word(kSvc)});
  reg(m.cpu, 1) = other.address() + 64;
  for (uint64_t mode = 0; mode < 8; mode++) {
    m.cpu->context[0] = mode & 1;
    CHECK(m.run_at(other.address()) == StopKind::kException);
    CHECK(reg(m.cpu, 5) == ((mode & 1) != 0 ? static_cast<uint64_t>(-8) : 8u));
  }
  // Few and many targets between two changes of the context, each in the jump cache.
  Pages chains[2] = {Pages(4096), Pages(4096)};
  for (int hops : {3, 100}) {
    Pages &chain = chains[hops == 100];
    for (int i = 0; i < hops; i++)
      put(chain, 3 * i, {word(kAddi, 1, 1, 12), word(kModal, 5, 0, i + 1), word(kJr, 0, 1)});
    put(chain, 3 * hops, {word(kSvc)});
    for (uint64_t mode = 0; mode < 8; mode++) {
      m.cpu->context[0] = mode >> 1 & 1;
      reg(m.cpu, 1) = chain.address();
      CHECK(m.run_at(chain.address()) == StopKind::kException);
      CHECK(reg(m.cpu, 5) == static_cast<uint64_t>(m.cpu->context[0] != 0 ? -hops : hops));
    }
  }
}

void flags_stay_visible() {
  Machine m;
  Pages code(4096);
  // The first SUBS is dead, the second is read, the third is the last of the block.
  put(code, 0,
      {word(kSubs, 1, 1, 1), word(kSubs, 2, 2, 0), word(kStZ, 3), word(kSubs, 4, 4, 1), word(kB, 0, 0, 1),
       word(kSvc)});
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reg(m.cpu, 3) == 1 && flag_z(m.cpu) == 0);
  std::string text;
  EngineOptions options;
  options.log = kLogGuestCode | kLogStencils | kLogHostCode;
  options.log_context = &text;
  options.log_sink = [](void *context, const char *more) { *static_cast<std::string *>(context) += more; };
  Machine logged(options);
  put(code, 8,
      {word(kSubs, 1, 1, 1), word(kLd, 2, 9), word(kSubs, 2, 2, 0), word(kSubs, 2, 2, 0), word(kSvc)});
  logged.engine->translate(logged.cpu, code.address());
  logged.engine->translate(logged.cpu, code.address() + 32);
  CHECK(text.find("SUBS  SUB\n") < text.find("SUBS  SUBS\n"));
  size_t second = text.find("block 0x", 8);
  REQUIRE(second != std::string::npos);
  const std::string block = text.substr(second);  // SUBS before a load that can fault keeps its flags
  CHECK(block.find("SUBS  SUBS\n") < block.find("LD  LD\n"));
  CHECK(block.find("SUBS  SUB\n") > block.find("LD  LD\n") && block.find("SUBS  SUB\n") != std::string::npos);
}

size_t no_fetch(void *context, uint64_t address, size_t bytes) {
  const auto *pages = static_cast<const Pages *>(context);
  if (address < pages->address() || address >= pages->address() + pages->size()) return 0;
  size_t left = pages->address() + pages->size() - address;
  return left < bytes ? left : bytes;
}

void fetch_errors() {
  Machine m;
  Pages code(8192);
  m.engine->set_fetch_check(no_fetch, &code);
  put(code, 0, {word(kB, 0, 0, 2047)});
  put(code, 2047, {word(kAddi, 1, 1, 1)});
  CHECK(m.run_at(code.address()) == StopKind::kBadFetch);
  CHECK(m.cpu->pc == code.address() + 8192 && reg(m.cpu, 1) == 1);
  CHECK(m.run_at(code.address() + 2) == StopKind::kBadFetch);
  CHECK(m.run_at(0) == StopKind::kBadFetch);
  put(code, 1, {0xff000000});
  CHECK(m.run_at(code.address() + 4) == StopKind::kException);
  CHECK(m.cpu->exception == 0 && m.cpu->pc == code.address() + 4);
  put(code, 2, {word(kOverflow)});
  CHECK(m.run_at(code.address() + 8) == StopKind::kFailed && m.engine->error() != nullptr);
}

// Blocks end at the page's end, though code goes on; and the engine finds them again by invalidate.
void page_ends() {
  Machine m;
  Pages code(8192);
  for (size_t i = 1000; i < 1100; i++) put(code, i, {word(kAddi, 1, 1, 1)});
  put(code, 1100, {word(kSvc)});
  CHECK(m.run_at(code.address() + 4000) == StopKind::kException);
  CHECK(reg(m.cpu, 1) == 100);
  const uint64_t blocks = m.engine->stats().blocks;
  m.engine->invalidate(code.address() + 4096, 4);
  CHECK(m.engine->stats().invalidations == 1);
  CHECK(m.run_at(code.address() + 4000) == StopKind::kException);
  CHECK(reg(m.cpu, 1) == 200 && m.engine->stats().blocks == blocks + 1);
}

void interrupts() {
  Machine m;
  Pages code(4096);
  put(code, 0, {word(kAddi, 1, 1, 1), word(kSvc)});
  m.cpu->pc = code.address();
  m.engine->interrupt(m.cpu);
  CHECK(m.engine->run(m.cpu) == StopKind::kInterrupted && m.cpu->pc == code.address() && reg(m.cpu, 1) == 0);
  CHECK(m.engine->run(m.cpu) == StopKind::kException && reg(m.cpu, 1) == 1);
}

void cpus() {
  Machine m;
  CpuHeader *reset = m.engine->new_cpu("reset");
  REQUIRE(reset != nullptr);
  CHECK(reg(reset, 7) == 0x1234567890 && m.engine->new_cpu("nonsense") == nullptr);
  reg(reset, 3) = 42;
  reset->context[0] = 1;
  CpuHeader *clone = m.engine->clone_cpu(reset);
  CHECK(reg(clone, 3) == 42 && clone->context[0] == 1 && clone->owner != reset->owner);
  m.engine->free_cpu(clone);
  m.engine->free_cpu(reset);
}

}  // namespace

int main() {
  straight_line();
  handover();
  EngineOptions plain, one, unchained;
  one.max_block_insns = 1;
  unchained.chain = false;
  for (const EngineOptions &options : {plain, one, unchained})
    for (bool dead : {false, true})
      for (bool fusion : {false, true}) loops(options, {dead, fusion, false});
  jumps();
  turned_jumps();
  contexts();
  flags_stay_visible();
  fetch_errors();
  page_ends();
  interrupts();
  cpus();
  return result();
}
