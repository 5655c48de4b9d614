// Guest code that changes: by invalidate(), at an isync, under chains and jump caches; and a code cache that
// is too small.
#include "check.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

// A caller's loop that is chained to a callee which then changes; reached by a direct and by an indirect
// jump.
void chained() {
  Machine m;
  Pages caller(4096), callee(4096);
  for (bool indirect : {false, true}) {
    const int64_t distance = static_cast<int64_t>(callee.address() - caller.address()) / 4 - 1;
    if (!indirect && (distance > 32767 || distance < -32768)) continue;
    put(caller, 0,
        {word(kSubs, 1, 1, 1), indirect ? word(kJr, 0, 2) : word(kB, 0, 0, static_cast<int32_t>(distance))});
    put(caller, 4, {word(kSubs, 1, 1, 0), word(kBz, 0, 0, 2), word(kB, 0, 0, -6), word(kSvc)});
    reg(m.cpu, 2) = callee.address();
    reg(m.cpu, 3) = caller.address() + 16;
    reg(m.cpu, 4) = 0;
    m.engine->invalidate(caller.address(), 4096);
    for (int value = 1; value < 6; value++) {
      put(callee, 0, {word(kAddi, 4, 4, value), word(kJr, 0, 3)});
      m.engine->invalidate(callee.address(), 4);
      reg(m.cpu, 1) = 10;
      reg(m.cpu, 4) = 0;
      CHECK(m.run_at(caller.address()) == StopKind::kException);
      CHECK(reg(m.cpu, 4) == 10u * static_cast<uint64_t>(value));
    }
  }
}

// The guest writes its own code; nothing but an isync tells.
void at_isync() {
  Machine m;
  Pages code(4096);
  alignas(8) static uint64_t fresh;
  put(code, 0,
      {word(kAddi, 1, 0, 1), word(kAddi, 2, 2, 1), word(kSt, 3, 4, 0), word(kIsync), word(kB, 0, 0, 8)});
  put(code, 12, {word(kAddi, 1, 0, 7), word(kAddi, 9, 9, 1), word(kSvc)});
  reg(m.cpu, 3) = word(kAddi, 1, 0, 7) | uint64_t{word(kAddi, 9, 9, 1)} << 32;
  reg(m.cpu, 4) = code.address() + 48;
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reg(m.cpu, 1) == 7 && m.engine->stats().invalidations == 0);
  reg(m.cpu, 3) = word(kAddi, 1, 0, 8) | uint64_t{word(kAddi, 9, 9, 2)} << 32;
  CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reg(m.cpu, 1) == 8 && reg(m.cpu, 9) == 3 && m.engine->stats().invalidations == 1);
  // Code that cannot change silently is not compared.
  m.engine->set_change_check([](void *, uint64_t, size_t) -> size_t { return 0; }, nullptr);
  m.engine->invalidate(code.address(), 4096);
  CHECK(m.run_at(code.address()) == StopKind::kException);
  reg(m.cpu, 3) = fresh;
  const uint64_t before = m.engine->stats().invalidations;
  CHECK(m.run_at(code.address()) == StopKind::kException && reg(m.cpu, 1) == 8);
  CHECK(m.engine->stats().invalidations == before);
}

// Many blocks through a small cache: flushed several times, each time right.
void small_cache() {
  EngineOptions options;
  options.code_cache_bytes = 1;  // the smallest there is
  options.max_block_insns = 4;
  Machine m(options);
  constexpr size_t kWords = 40000;
  Pages code(kWords * 4 + 4);
  for (size_t i = 0; i < kWords; i++) put(code, i, {word(kAddi, 1, 1, 1)});
  put(code, kWords, {word(kSvc)});
  for (uint64_t turn = 1; turn <= 3; turn++) {
    CHECK(m.run_at(code.address()) == StopKind::kException);
    CHECK(reg(m.cpu, 1) == turn * kWords);
  }
  CHECK(m.engine->stats().flushes >= 3);
}

// Ranges: nothing but what shares a byte is dropped, in small ranges and in ones larger than all known pages.
void ranges() {
  Machine m;
  Pages code(3 * 4096);
  for (size_t page = 0; page < 3; page++)
    for (size_t i = 0; i < 8; i++) put(code, page * 1024 + i * 2, {word(kAddi, 1, 1, 1), word(kSvc)});
  auto translate_all = [&] {
    for (size_t page = 0; page < 3; page++)
      for (size_t i = 0; i < 8; i++) m.engine->translate(m.cpu, code.address() + page * 4096 + i * 8);
  };
  auto dropped_by = [&](uint64_t address, size_t bytes) {
    translate_all();
    const uint64_t before = m.engine->stats().invalidations;
    m.engine->invalidate(address, bytes);
    return m.engine->stats().invalidations - before;
  };
  CHECK(dropped_by(code.address(), 1) == 1);
  CHECK(dropped_by(code.address() + 7, 2) == 2);
  CHECK(dropped_by(code.address() + 64, 4096 - 64) == 0);
  CHECK(dropped_by(code.address() + 4096, 4096) == 8);
  CHECK(dropped_by(code.address() + 60, 4100) == 9);
  CHECK(dropped_by(0, ~size_t{0}) == 24);
  CHECK(dropped_by(code.address(), 0) == 0);
  CHECK(dropped_by(code.address() + 8192, ~uint64_t{0} - code.address() - 8192) == 8);
}

}  // namespace

int main() {
  chained();
  at_isync();
  small_cache();
  ranges();
  return result();
}
