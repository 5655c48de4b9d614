// Host faults in generated code, in helpers and in the engine's own reading of guest code.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.hpp"
#include "host_code.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

Machine *machine;
uint64_t fault_pc;
int faults, recovered;

void handler(int, siginfo_t *, void *context) {
  if (machine->engine->recover_fetch(context)) {
    recovered++;
    return;
  }
  if (!machine->engine->guest_pc_of(machine->cpu, host::context_pc(context), &fault_pc)) _exit(9);
  faults++;
  machine->engine->leave_from_handler(machine->cpu, context, fault_pc);
}

void loads_and_stores(Op load) {
  Machine m;
  machine = &m;
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 1, 0, 5), word(kSubs, 2, 1, 5), word(load, 3, 4, 16), word(kAddi, 1, 1, 1),
       word(kSt, 1, 4, 8), word(kAddi, 1, 1, 1), word(kSvc)});
  uint64_t memory[4] = {1, 2, 3, 4};
  for (int turn = 0; turn < 1000; turn++) {
    faults = 0;
    reg(m.cpu, 4) = 0;
    flag_z(m.cpu) = 0;
    CHECK(m.run_at(code.address()) == StopKind::kInterrupted);
    CHECK(faults == 1 && fault_pc == code.address() + 8 && m.cpu->pc == fault_pc);
    CHECK(reg(m.cpu, 1) == 5 && flag_z(m.cpu) == 1);
    reg(m.cpu, 4) = reinterpret_cast<uint64_t>(memory);
    CHECK(m.engine->run(m.cpu) == StopKind::kException);
    CHECK(reg(m.cpu, 3) == 3 && memory[1] == 6 && reg(m.cpu, 1) == 7 && faults == 1);
    if (failures() != 0) return;
  }
  reg(m.cpu, 4) = 0x1000;
  CHECK(m.run_at(code.address() + 16) == StopKind::kInterrupted && fault_pc == code.address() + 16);
  uint64_t pc = 0;
  CHECK(!m.engine->guest_pc_of(m.cpu, reinterpret_cast<uintptr_t>(&handler), &pc));
}

// The instruction before makes the address, and hands it over in a register: the state is that after it.
void handed_over() {
  Machine m;
  machine = &m;
  Pages code(4096);
  put(code, 0,
      {word(kAddi, 2, 0, 5), word(kAddi, 1, 1, 8), word(kLd, 1, 1, 16), word(kAddi, 1, 1, 1), word(kSvc)});
  faults = 0;
  reg(m.cpu, 1) = 0x100;
  CHECK(m.run_at(code.address()) == StopKind::kInterrupted);
  CHECK(faults == 1 && fault_pc == code.address() + 8 && reg(m.cpu, 1) == 0x108 && reg(m.cpu, 2) == 5);
  uint64_t memory[4] = {1, 2, 3, 4};
  reg(m.cpu, 1) = reinterpret_cast<uint64_t>(memory);
  CHECK(m.run_at(code.address() + 4) == StopKind::kException && reg(m.cpu, 1) == 5);
}

void vanishing_code() {
  Machine m;
  machine = &m;
  Pages code(8192);
  for (size_t i = 0; i < 2048; i++) put(code, i, {word(kAddi, 1, 1, 1)});
  REQUIRE(mprotect(code.data() + 4096, 4096, PROT_NONE) == 0);
  recovered = 0;
  CHECK(m.run_at(code.address() + 4000) == StopKind::kBadFetch);
  CHECK(recovered > 0 && m.cpu->pc == code.address() + 4096 && reg(m.cpu, 1) == 24);
}

}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
  loads_and_stores(kLd);
  loads_and_stores(kLdHelper);
  handed_over();
  vanishing_code();
  return result();
}
