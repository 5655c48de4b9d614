// Threads in regions: interrupted, stopped, and running on while others change code and flush.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "check.hpp"
#include "test_archive_file.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

using namespace std::chrono_literals;

// A loop without an end, left at its poll, with the state stored.
void interrupted() {
  RegionMachine m;
  for (uint64_t turn = 1; turn <= 20; turn++) {
    reg(m.cpu, 1) = 0;
    std::thread other([&] {
      std::this_thread::sleep_for(2ms);
      m.engine->interrupt(m.cpu);
    });
    CHECK(m.run_at(m.code.address() + kForever) == StopKind::kInterrupted);
    other.join();
    CHECK(m.cpu->pc == m.code.address() + kForever && m.entered() == turn && reg(m.cpu, 1) != 0);
  }
}

void stopped_world() {
  RegionMachine m;
  std::atomic<bool> done = false;
  std::thread runner([&] {
    CHECK(m.run_at(m.code.address() + kForever) == StopKind::kInterrupted);
    done = true;
  });
  for (int turn = 0; turn < 20; turn++) {
    std::this_thread::sleep_for(1ms);
    m.engine->stop_world();
    const uint64_t before = reg(m.cpu, 1);
    std::this_thread::sleep_for(1ms);
    CHECK(reg(m.cpu, 1) == before);
    m.engine->resume_world();
  }
  m.engine->interrupt(m.cpu);
  runner.join();
  CHECK(done);
}

// Runs the loop again and again; the step must be one of two that the code has had.
void run_loops(RegionMachine &m, const std::atomic<bool> &stop, std::atomic<uint64_t> *entered) {
  CpuHeader *cpu = m.engine->clone_cpu(m.cpu);
  while (!stop) {
    reg(cpu, 1) = 10;
    reg(cpu, 2) = 0;
    reg(cpu, 6) = 20;
    cpu->pc = m.code.address() + kLoop;
    CHECK(m.engine->run(cpu) == StopKind::kException && cpu->pc == m.code.address() + kDone);
    CHECK(reg(cpu, 2) >= 600 && reg(cpu, 2) <= 800 && reg(cpu, 1) == 0);
  }
  *entered += reg(cpu, kMarker);
  m.engine->free_cpu(cpu);
}

// One thread changes the region's code there and back, adds archives, and flushes.
void changing() {
  EngineOptions options;
  options.code_cache_bytes = 1;
  RegionMachine m(options);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> entered = 0;
  std::vector<std::thread> runners;
  for (int i = 0; i < 3; i++) runners.emplace_back([&] { run_loops(m, stop, &entered); });
  constexpr size_t kWords = 16384;
  Pages filler(kWords * 4);
  for (size_t i = 0; i < kWords; i++) put(filler, i, {word(kAddi, 1, 1, 1)});
  const std::vector<uint8_t> archive = build_archive(m.code);
  for (int turn = 0; turn < 300; turn++) {
    for (int32_t step : {4, 3}) {
      __atomic_store_n(m.code.words(), word(kAddi, 2, 2, step), __ATOMIC_SEQ_CST);
      m.engine->invalidate(m.code.address(), 4);
      std::this_thread::sleep_for(100us);
    }
    if (turn % 20 == 0) CHECK(m.add(archive, m.code.address()) == nullptr);
    for (size_t i = 0; i < kWords && turn % 10 == 0; i += 64)
      m.engine->translate(m.cpu, filler.address() + 4 * i);
    m.engine->invalidate(filler.address(), filler.size());
  }
  stop = true;
  for (std::thread &runner : runners) runner.join();
  CHECK(entered > 1000 && m.engine->stats().flushes > 2 && m.engine->stats().regions > 10);
}

}  // namespace

int main() {
  interrupted();
  stopped_world();
  changing();
  return result();
}
