// The signal handler of the Python module. It passes on what is not a fault of guest code.
#include "faults.hpp"

#include <signal.h>

#include <mutex>

#include "host_code.hpp"
#include "wild_access.hpp"

namespace pyqemu::binding {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE};

struct Running {
  Engine *engine = nullptr;
  CpuHeader *cpu = nullptr;
  int signal = 0;
  uint64_t address = 0;
};

thread_local Running running;
struct sigaction before[64];

void handle(int signal, siginfo_t *info, void *context) {
  uint64_t guest_pc = 0;
  if (running.engine != nullptr) {
    if (running.engine->recover_fetch(context)) return;
    if (running.engine->guest_pc_of(running.cpu, host::context_pc(context), &guest_pc)) {
      tell_wild_access(info, context);
      running.signal = info->si_signo;
      running.address = reinterpret_cast<uint64_t>(info->si_addr);
      running.engine->leave_from_handler(running.cpu, context, guest_pc);
      return;
    }
  }
  sigaction(signal, &before[signal], nullptr);  // happens again, and goes to whoever was there before
}

void install() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int signal : kSignals) sigaction(signal, &action, &before[signal]);
}

}  // namespace

StopKind run_guarded(Engine &engine, CpuHeader *cpu, int *signal, uint64_t *address) {
  static std::once_flag once;
  std::call_once(once, install);
  running = {&engine, cpu, 0, 0};
  StopKind stop = engine.run(cpu);
  *signal = running.signal;
  *address = running.address;
  running = {};
  return stop;
}

}  // namespace pyqemu::binding
