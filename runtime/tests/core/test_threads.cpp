// Several guest threads in one engine: translation, flushes of a small cache, code that changes under running
// threads, stopping the world.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "check.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

constexpr int kThreads = 4;

template <typename F>
void in_threads(int count, F f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) threads.emplace_back(f, i);
  for (std::thread &thread : threads) thread.join();
}

// All threads run the same long code through a cache that holds a part of it.
void flushes() {
  EngineOptions options;
  options.code_cache_bytes = 1;
  options.max_block_insns = 3;
  Machine m(options);
  constexpr size_t kWords = 15000;
  Pages code(kWords * 4 + 4);
  for (size_t i = 0; i < kWords; i++)
    put(code, i, {i % 7 == 3 ? word(kB, 0, 0, 1) : i % 5 == 2 ? word(kSubs, 2, 1, 1) : word(kAddi, 1, 1, 1)});
  put(code, kWords, {word(kSvc)});
  uint64_t expected = 0;
  for (size_t i = 0; i < kWords; i++) expected += i % 7 != 3 && i % 5 != 2;
  in_threads(kThreads, [&](int) {
    CpuHeader *cpu = m.engine->new_cpu("");
    for (uint64_t turn = 1; turn <= 8; turn++) {
      cpu->pc = code.address();
      CHECK(m.engine->run(cpu) == StopKind::kException);
      CHECK(reg(cpu, 1) == turn * expected);
    }
    m.engine->free_cpu(cpu);
  });
  CHECK(m.engine->stats().flushes > 2);
}

// Runners loop through a function that one thread keeps rewriting; after each change they must see the new
// one soon, and only whole ones.
void changing_code() {
  Machine m;
  Pages code(8192);
  Pages function(4096);
  std::atomic<bool> stop{false};
  // R5 += 1; call; R5 := R4; loop until R6 is nonzero (checked at svc)
  put(code, 0, {word(kAddi, 4, 0, 0), word(kJr, 0, 2)});
  put(code, 16, {word(kSubs, 6, 4, 0), word(kSvc)});
  auto write = [&](int32_t value) {
    // Two instructions that have to be seen together or not: one 8-byte store.
    const uint64_t both = word(kAddi, 4, 4, value) | uint64_t{word(kAddi, 4, 4, value)} << 32;
    __atomic_store_n(reinterpret_cast<uint64_t *>(function.data()), both, __ATOMIC_SEQ_CST);
    m.engine->invalidate(function.address(), 8);
  };
  put(function, 2, {word(kJr, 0, 3)});
  write(1);
  std::atomic<int32_t> current{1};
  std::atomic<uint64_t> turns{0};
  std::thread writer([&] {
    for (int32_t value = 2; value < 3000; value++) {
      write(value);
      current.store(value);
      if (value % 16 == 0) {
        m.engine->stop_world();
        const uint64_t before = turns.load();
        std::this_thread::yield();
        CHECK(turns.load() - before <= kThreads);
        m.engine->resume_world();
      }
    }
    stop.store(true);
  });
  in_threads(kThreads, [&](int) {
    CpuHeader *cpu = m.engine->new_cpu("");
    uint64_t last = 0;
    while (!stop.load()) {
      reg(cpu, 2) = function.address();
      reg(cpu, 3) = code.address() + 64;
      cpu->pc = code.address();
      const auto least = static_cast<uint64_t>(current.load());
      CHECK(m.engine->run(cpu) == StopKind::kException);
      const uint64_t seen = reg(cpu, 4);
      CHECK(seen % 2 == 0 && seen >= last && seen >= 2 * least);
      last = seen;
      turns.fetch_add(1);
      if (failures() != 0) break;
    }
    m.engine->free_cpu(cpu);
  });
  writer.join();
}

// Threads that never leave generated code by themselves: they are stopped, go on, and are interrupted.
void endless() {
  Machine m;
  Pages code(4096);
  put(code, 0, {word(kAddi, 1, 1, 1), word(kBz, 0, 0, 2), word(kB, 0, 0, -2), word(kSvc)});
  std::vector<CpuHeader *> cpus;
  for (int i = 0; i < kThreads; i++) cpus.push_back(m.engine->new_cpu(""));
  std::thread controller([&] {
    for (int i = 0; i < 50; i++) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      m.engine->stop_world();
      std::vector<uint64_t> before;
      for (CpuHeader *cpu : cpus) before.push_back(__atomic_load_n(&reg(cpu, 1), __ATOMIC_SEQ_CST));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      for (int k = 0; k < kThreads; k++)
        CHECK(__atomic_load_n(&reg(cpus[static_cast<size_t>(k)], 1), __ATOMIC_SEQ_CST) ==
              before[static_cast<size_t>(k)]);
      m.engine->resume_world();
      m.engine->invalidate(code.address(), 12);
    }
    for (CpuHeader *cpu : cpus) m.engine->interrupt(cpu);
  });
  in_threads(kThreads, [&](int i) {
    CpuHeader *cpu = cpus[static_cast<size_t>(i)];
    cpu->pc = code.address();
    CHECK(m.engine->run(cpu) == StopKind::kInterrupted);
    CHECK(cpu->pc >= code.address() && cpu->pc <= code.address() + 12);
  });
  controller.join();
  for (CpuHeader *cpu : cpus) m.engine->free_cpu(cpu);
}

}  // namespace

int main() {
  flushes();
  changing_code();
  endless();
  return result();
}
