// Optimised regions: entered, left, chained, left at faults, dropped when the guest's code changes, and
// installed again.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"
#include "host_code.hpp"
#include "test_archive_file.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

constexpr uint64_t kUntouched = 0x123456789;

void change_at(RegionMachine &m, uint32_t offset, uint32_t value) {
  m.code.words()[offset / 4] = value;
  m.engine->invalidate(m.code.address() + offset, 4);
}

// Runs `loop` and what follows it `turns` times; gives how often the region was entered. Checks the result.
uint64_t loop_turns(RegionMachine &m, uint64_t turns, uint64_t step = 3) {
  reg(m.cpu, 1) = 10;
  reg(m.cpu, 2) = 0;
  reg(m.cpu, 6) = turns;
  reg(m.cpu, kMarker) = 0;
  CHECK(m.run_at(m.code.address() + kLoop) == StopKind::kException);
  CHECK(m.cpu->pc == m.code.address() + kDone && reg(m.cpu, 2) == 10 * step * turns && reg(m.cpu, 1) == 0);
  return m.entered();
}

bool ran_chained(RegionMachine &m) {
  loop_turns(m, 3);
  m.cpu->exit_slot = kUntouched;
  loop_turns(m, 100);
  return m.cpu->exit_slot == kUntouched;
}

void enter_and_leave() {
  RegionMachine m;
  CHECK(loop_turns(m, 5) == 5);
  CHECK(ran_chained(m));
  CHECK(m.engine->stats().regions == 1 && m.engine->stats().regions_refused == 0);
  // A place that the index names and the region does not have is baseline code.
  reg(m.cpu, 1) = 1;
  reg(m.cpu, 6) = 1;
  reg(m.cpu, kMarker) = 0;
  CHECK(m.run_at(m.code.address() + kLoop + 4) == StopKind::kException && reg(m.cpu, 1) == 0);
  CHECK(m.entered() == 0);
}

// From one region straight to the next, and not any more when that one has changed.
void region_to_region() {
  RegionMachine m;
  auto run = [&](uint64_t step) {
    reg(m.cpu, 1) = 10;
    reg(m.cpu, 2) = 0;
    reg(m.cpu, 6) = 1;
    reg(m.cpu, kMarker) = 0;
    m.cpu->exit_slot = kUntouched;
    CHECK(m.run_at(m.code.address() + kStep) == StopKind::kException && reg(m.cpu, 2) == 10 * step);
    return m.entered();
  };
  CHECK(run(3) == 2 && run(3) == 2 && m.cpu->exit_slot == kUntouched && reg(m.cpu, 5) == 2);
  change_at(m, kLoop, word(kAddi, 2, 2, 4));
  CHECK(run(4) == 1 && run(4) == 1 && m.cpu->exit_slot == kUntouched);
  change_at(m, kLoop, word(kAddi, 2, 2, 3));
  CHECK(run(3) == 2 && run(3) == 2 && m.cpu->exit_slot == kUntouched);
}

// Blocks that were there before the archive make way, also where others are chained to them.
void late_archive() {
  RegionMachine m({}, std::nullopt);
  CHECK(loop_turns(m, 5) == 0 && ran_chained(m));
  CHECK(m.add(build_archive(m.code), m.code.address()) == nullptr);
  CHECK(loop_turns(m, 5) == 5 && ran_chained(m));
  // A newer archive is preferred to one that is there; this one is wrong on purpose, so that it shows.
  ArchiveOptions wrong;
  wrong.loop_step = 4;
  CHECK(m.add(build_archive(m.code, wrong), m.code.address()) == nullptr);
  CHECK(loop_turns(m, 5, 4) == 5);
}

// Jump caches that lead to what was there before are emptied.
void late_archive_behind_jump() {
  RegionMachine m({}, std::nullopt);
  Pages caller(4096);
  put(caller, 0, {word(kJr, 0, 7)});
  auto entered = [&] {
    reg(m.cpu, 1) = 1;  // not back to `loop`, which would find the region
    reg(m.cpu, 6) = 1;
    reg(m.cpu, 7) = m.code.address() + kLoop;
    reg(m.cpu, kMarker) = 0;
    CHECK(m.run_at(caller.address()) == StopKind::kException && m.cpu->pc == m.code.address() + kDone);
    return m.entered();
  };
  CHECK(entered() == 0 && entered() == 0);
  CHECK(m.add(build_archive(m.code), m.code.address()) == nullptr);
  CHECK(entered() == 1 && entered() == 1);
}

// One that is there already changes nothing.
void same_archive() {
  RegionMachine m({}, std::nullopt);
  const int fd = file_of(build_archive(m.code));
  CHECK(m.engine->add_archive(fd, ArchiveOptions().key, m.code.address()) == nullptr &&
        loop_turns(m, 5) == 5);
  CHECK(m.engine->add_archive(fd, ArchiveOptions().key, m.code.address()) == nullptr &&
        loop_turns(m, 5) == 5);
  CHECK(m.engine->stats().regions == 1);
  m.engine->invalidate(m.code.address(), kModuleBytes);
  CHECK(m.engine->add_archive(fd, ArchiveOptions().key, m.code.address()) == nullptr &&
        loop_turns(m, 5) == 5);
  CHECK(m.engine->stats().regions == 2);
  close(fd);
}

void two_places() {
  RegionMachine m;
  Pages other(kModuleBytes);
  put_module(other);
  CHECK(m.add(build_archive(m.code), other.address()) == nullptr);
  CHECK(loop_turns(m, 5) == 5);
  reg(m.cpu, 1) = 10;
  reg(m.cpu, 6) = 2;
  CHECK(m.run_at(other.address() + kLoop) == StopKind::kException && m.cpu->pc == other.address() + kDone);
  CHECK(m.entered() == 7 && m.engine->stats().regions == 2);
}

// --- faults ---

RegionMachine *machine;
uint64_t fault_pc;
uintptr_t fault_host_pc;
int faults;

void handler(int, siginfo_t *, void *context) {
  if (machine->engine->recover_fetch(context)) return;
  fault_host_pc = host::context_pc(context);
  if (!machine->engine->guest_pc_of(machine->cpu, fault_host_pc, &fault_pc)) _exit(9);
  faults++;
  machine->engine->leave_from_handler(machine->cpu, context, fault_pc);
}

void fault_landing() {
  RegionMachine m;
  machine = &m;
  uint64_t memory[3] = {7, 8, 9};
  for (uint64_t turn = 1; turn <= 100; turn++) {
    faults = 0;
    reg(m.cpu, 1) = turn;
    reg(m.cpu, 3) = 0;
    reg(m.cpu, 4) = 0;
    CHECK(m.run_at(m.code.address() + kLoad) == StopKind::kInterrupted);
    CHECK(faults == 1 && fault_pc == m.code.address() + kLoad + 4 && m.cpu->pc == fault_pc);
    CHECK(reg(m.cpu, 1) == turn + 5 && reg(m.cpu, 3) == 0 && m.entered() == turn);
    reg(m.cpu, 4) = reinterpret_cast<uint64_t>(memory);
    CHECK(m.engine->run(m.cpu) == StopKind::kException);  // goes on in baseline code, at the load
    CHECK(reg(m.cpu, 1) == turn + 6 && reg(m.cpu, 3) == 9 && m.entered() == turn && faults == 1);
    if (failures() != 0) return;
  }
}

// Any other address in a region's code is not a guest instruction.
void no_record() {
  RegionMachine m;
  machine = &m;
  reg(m.cpu, 4) = 0;
  CHECK(m.run_at(m.code.address() + kLoad) == StopKind::kInterrupted);
  uint64_t pc = 0;
  CHECK(m.engine->guest_pc_of(m.cpu, fault_host_pc, &pc) && pc == m.code.address() + kLoad + 4);
  CHECK(!m.engine->guest_pc_of(m.cpu, fault_host_pc + 1, &pc));
  CHECK(!m.engine->guest_pc_of(m.cpu, fault_host_pc + (1u << 20), &pc));
}

// --- changes ---

// The region is dropped by a change of any of its bytes, and is back when these are as they were.
void changed_code() {
  RegionMachine m;
  CHECK(ran_chained(m));
  for (int turn = 0; turn < 3; turn++) {
    change_at(m, kLoop, word(kAddi, 2, 2, 4));
    CHECK(loop_turns(m, 5, 4) == 0);
    change_at(m, kLoop, word(kAddi, 2, 2, 3));
    CHECK(loop_turns(m, 5) == 5);
    change_at(m, kLoop + 12, word(kSvc));
    CHECK(m.run_at(m.code.address() + kLoop + 12) == StopKind::kException &&
          m.cpu->pc == m.code.address() + kLoop + 12);
    reg(m.cpu, 1) = 1;
    CHECK(m.run_at(m.code.address() + kLoop) == StopKind::kException &&
          m.cpu->pc == m.code.address() + kLoop + 12);
    put_module(m.code);
    m.engine->invalidate(m.code.address() + kLoop, 16);
    CHECK(ran_chained(m));
  }
  CHECK(loop_turns(m, 5) == 5);
  CHECK(m.engine->stats().regions_refused == 6);
}

// What a region is chained to changes.
void changed_target() {
  RegionMachine m;
  CHECK(ran_chained(m));
  change_at(m, kAfter, word(kSubs, 6, 6, 1));
  m.cpu->exit_slot = kUntouched;
  CHECK(loop_turns(m, 5) == 5);
  CHECK(m.cpu->exit_slot != kUntouched && ran_chained(m));
}

size_t executable_bytes = ~size_t{0};
uint64_t module_address;

size_t may_execute(void *, uint64_t address, size_t bytes) {
  const uint64_t offset = address - module_address;
  return offset >= executable_bytes          ? 0
         : bytes < executable_bytes - offset ? bytes
                                             : executable_bytes - offset;
}

// All of a region has to be executable and unable to change; asked again after an invalidation.
void permission() {
  RegionMachine m;
  module_address = m.code.address();
  m.engine->set_fetch_check(may_execute, nullptr);
  executable_bytes = kLoad + 8;
  reg(m.cpu, 4) = 0;
  machine = &m;
  CHECK(m.run_at(m.code.address() + kLoad) == StopKind::kInterrupted && m.entered() == 0);
  executable_bytes = ~size_t{0};
  CHECK(m.run_at(m.code.address() + kLoad) == StopKind::kInterrupted && m.entered() == 0);
  m.engine->invalidate(m.code.address(), 4096);
  CHECK(m.run_at(m.code.address() + kLoad) == StopKind::kInterrupted && m.entered() == 1);

  static uint64_t changeable;
  changeable = m.code.address() & ~uint64_t{4095};
  m.engine->set_change_check(
      [](void *, uint64_t address, size_t bytes) { return address >> 12 == changeable >> 12 ? bytes : 0; },
      nullptr);
  m.engine->invalidate(m.code.address(), 4096);
  CHECK(loop_turns(m, 5) == 0);
  changeable = 0;
  m.engine->invalidate(m.code.address(), 4096);
  CHECK(loop_turns(m, 5) == 5);
}

// When all of the module's addresses are given up, its archive is forgotten; it may be added again.
void unmapped() {
  RegionMachine m;
  for (int turn = 0; turn < 50; turn++) {
    CHECK(loop_turns(m, 5) == 5);
    m.engine->invalidate(m.code.address(), kModuleBytes);
    CHECK(loop_turns(m, 5) == 0);
    CHECK(m.add(build_archive(m.code), m.code.address()) == nullptr);
  }
}

// --- flushes ---

// Fills the code cache with other code until it is flushed.
void fill(RegionMachine &m, Pages &filler, size_t words) {
  const uint64_t before = m.engine->stats().flushes;
  while (m.engine->stats().flushes == before)
    for (size_t i = 0; i < words; i += 64) m.engine->translate(m.cpu, filler.address() + 4 * i);
}

void flushed() {
  EngineOptions options;
  options.code_cache_bytes = 1;
  RegionMachine m(options);
  constexpr size_t kWords = 32768;
  Pages filler(kWords * 4);
  for (size_t i = 0; i < kWords; i++) put(filler, i, {word(kAddi, 1, 1, 1)});
  for (uint64_t turn = 1; turn < 6; turn++) {
    CHECK(ran_chained(m) && loop_turns(m, 5) == 5);
    fill(m, filler, kWords);
    m.engine->invalidate(filler.address(), filler.size());
    CHECK(m.engine->stats().regions >= turn);
  }
  // Archives that are forgotten give their places back at a flush: far more of them than there is room for.
  m.engine->invalidate(m.code.address(), kModuleBytes);
  fill(m, filler, kWords);
  for (int turn = 0; turn < 900; turn++) {
    CHECK(m.add(build_archive(m.code), m.code.address()) == nullptr);
    CHECK(loop_turns(m, 2) == 2);
    m.engine->invalidate(m.code.address(), kModuleBytes);
    if (turn % 300 == 299) fill(m, filler, kWords);
  }
}

void forked() {
  RegionMachine m;
  CHECK(ran_chained(m));
  for (int turn = 0; turn < 2; turn++) {
    m.engine->before_fork();
    const pid_t child = fork();
    m.engine->after_fork(child == 0);
    if (child == 0) {
      CHECK(loop_turns(m, 5) == 5);
      change_at(m, kAfter, word(kSubs, 6, 6, 1));
      change_at(m, kLoop, word(kAddi, 2, 2, 4));
      CHECK(loop_turns(m, 5, 4) == 0);
      _exit(result());
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(loop_turns(m, 5) == 5 && ran_chained(m));
  }
}

}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  enter_and_leave();
  region_to_region();
  late_archive();
  late_archive_behind_jump();
  same_archive();
  two_places();
  fault_landing();
  no_record();
  changed_code();
  changed_target();
  permission();
  unmapped();
  flushed();
  forked();
  return result();
}
