// Counting: the guest instructions that blocks retire, exactly; and how often blocks are entered, until they
// are hot.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <thread>

#include "check.hpp"
#include "host_code.hpp"
#include "test_archive_file.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

EngineOptions counting() {
  EngineOptions options;
  options.count = true;
  return options;
}

uint64_t retired(Machine &m, uint64_t pc) {
  const uint64_t before = m.engine->stats().retired;
  m.run_at(pc);
  return m.engine->stats().retired - before;
}

void straight_and_loops() {
  Machine m(counting());
  Pages code(8192);
  put(code, 0,
      {word(kAddi, 1, 0, 1), word(kSubs, 2, 1, 1), word(kBz, 0, 0, 2), word(kAddi, 1, 0, 1), word(kSvc)});
  CHECK(retired(m, code.address()) == 4);
  put(code, 16, {word(kAddi, 1, 0, 100), word(kSubs, 1, 1, 1), word(kBnz, 0, 0, -1), word(kSvc)});
  CHECK(retired(m, code.address() + 64) == 1 + 200 + 1);
  // A jump out of the middle of a block.
  put(code, 32,
      {word(kAddi, 1, 1, 1), word(kSkip, 0, 0, 4), word(kAddi, 1, 1, 1), word(kSvc), 0, word(kSvc)});
  flag_z(m.cpu) = 1;
  CHECK(retired(m, code.address() + 128) == 3);
  flag_z(m.cpu) = 0;
  CHECK(retired(m, code.address() + 128) == 4);
  // Blocks that end because they are long enough, and at a page's end.
  for (size_t i = 0; i < 1500; i++) put(code, 100 + i, {word(kAddi, 1, 1, 1)});
  put(code, 1600, {word(kSvc)});
  CHECK(retired(m, code.address() + 400) == 1501);
}

// Regions are not counted: what is missing ran in them.
void with_regions() {
  RegionMachine m(counting());
  reg(m.cpu, 1) = 10;
  reg(m.cpu, 6) = 1;
  CHECK(retired(m, m.code.address() + kLoop) == 4 && m.entered() == 1);
  RegionMachine without(counting(), std::nullopt);
  reg(without.cpu, 1) = 10;
  reg(without.cpu, 6) = 1;
  CHECK(retired(without, without.code.address() + kLoop) == 30 + 1 + 4);
}

Machine *machine;

void handler(int, siginfo_t *, void *context) {
  uint64_t pc = 0;
  if (!machine->engine->guest_pc_of(machine->cpu, host::context_pc(context), &pc)) _exit(9);
  machine->engine->leave_from_handler(machine->cpu, context, pc);
}

// An instruction that faults is counted when it has succeeded.
void faults() {
  for (Op load : {kLd, kLdHelper}) {
    Machine m(counting());
    machine = &m;
    Pages code(4096);
    uint64_t memory[1] = {5};
    put(code, 0, {word(kAddi, 1, 0, 5), word(load, 3, 4, 0), word(kAddi, 1, 1, 1), word(kSvc)});
    CHECK(retired(m, code.address()) == 1 && m.cpu->pc == code.address() + 4);
    reg(m.cpu, 4) = reinterpret_cast<uint64_t>(memory);
    CHECK(retired(m, m.cpu->pc) == 3 && reg(m.cpu, 3) == 5);
  }
}

void threads_and_children() {
  Machine m(counting());
  Pages code(4096);
  put(code, 0, {word(kAddi, 1, 0, 1), word(kSvc)});
  CHECK(retired(m, code.address()) == 2);
  CpuHeader *other = m.engine->clone_cpu(m.cpu);
  CHECK(m.engine->stats().retired == 2);
  other->pc = code.address();
  CHECK(m.engine->run(other) == StopKind::kException && m.engine->stats().retired == 4);
  m.engine->free_cpu(other);
  CHECK(m.engine->stats().retired == 4);
  m.engine->before_fork();
  const pid_t child = fork();
  m.engine->after_fork(child == 0);
  if (child == 0) {
    CHECK(m.engine->stats().retired == 0 && retired(m, code.address()) == 2);
    _exit(result());
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0 && m.engine->stats().retired == 4);
}

// --- hot blocks ---

struct Reports {
  std::map<uint64_t, uint32_t> times;  // by address: how often a block there was reported
};

void note(void *context, const CpuHeader *, uint64_t pc) {
  static_cast<Reports *>(context)->times[pc]++;
}

// Each block is reported when it was entered so many times, once; what it does stays the same.
void hot_blocks() {
  EngineOptions options;
  options.hot_threshold = 50;
  Machine m(options);
  Reports reports;
  m.engine->set_hot(note, &reports);
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 1, 0, 49), word(kAddi, 2, 2, 1), word(kSubs, 1, 1, 1), word(kBnz, 0, 0, -2), word(kSvc)});
  CHECK(m.run_at(code.address()) == StopKind::kException && reports.times.empty() && reg(m.cpu, 2) == 49);
  for (int turn = 0; turn < 60; turn++) CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reg(m.cpu, 2) == 61 * 49);
  // The way into the loop, its head, and what follows it.
  const auto reported_once = [&] {
    return reports.times.size() == 3 && reports.times[code.address()] == 1 &&
           reports.times[code.address() + 4] == 1 && reports.times[code.address() + 16] == 1;
  };
  CHECK(reported_once());
  m.engine->invalidate(code.address(), 4096);  // does not begin anew
  for (int turn = 0; turn < 60; turn++) CHECK(m.run_at(code.address()) == StopKind::kException);
  CHECK(reported_once());
}

// A block that was hot and is made anew is not counted: who leaves it at its head has no counter that ran
// out.
void polled_when_not_counted() {
  EngineOptions options;
  options.hot_threshold = 5;
  Machine m(options);
  Reports reports;
  m.engine->set_hot(note, &reports);
  Pages code(4096);
  put(code, 0, {word(kB, 0, 0, 0)});
  const auto run_for_a_while = [&] {
    std::thread clock([&] {
      usleep(20000);
      m.engine->interrupt(m.cpu);
    });
    CHECK(m.run_at(code.address()) == StopKind::kInterrupted && m.cpu->pc == code.address());
    clock.join();
  };
  run_for_a_while();
  CHECK(reports.times[code.address()] == 1);
  const uint64_t run_out = m.engine->stats().counters_run_out;
  m.engine->invalidate(code.address(), 4096);
  for (int turn = 0; turn < 3; turn++) run_for_a_while();
  CHECK(reports.times[code.address()] == 1 && m.engine->stats().counters_run_out == run_out);
}

// A hot block is not counted any more, however often it goes round.
void counted_out() {
  EngineOptions options;
  options.hot_threshold = 1;
  Machine m(options);
  Reports reports;
  m.engine->set_hot(note, &reports);
  Pages code(4096);
  put(code, 0, {word(kSubs, 1, 1, 1), word(kBnz, 0, 0, -1), word(kSvc)});
  reg(m.cpu, 1) = 3000000;
  CHECK(m.run_at(code.address()) == StopKind::kException && reg(m.cpu, 1) == 0);
  CHECK(reports.times[code.address()] == 1);
  CHECK(m.engine->stats().counters_run_out <= 3);
}

}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  straight_and_loops();
  with_regions();
  faults();
  threads_and_children();
  hot_blocks();
  polled_when_not_counted();
  counted_out();
  return result();
}
