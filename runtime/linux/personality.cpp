// The run loop: guest code until it stops, then what it stopped for.
#include "personality.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "../core/cpu_model.hpp"
#include "../core/pack_file.hpp"
#include "dispatch.hpp"
#include "exceptions.hpp"
#include "exec.hpp"
#include "guest_memory.hpp"
#include "loader.hpp"
#include "log.hpp"
#include "signals.hpp"

namespace pyqemu::user {
namespace {

void bad_fetch(Thread &thread) {
  uint64_t pc = thread.cpu->pc;
  int prot = thread.guest->space.protection(pc);
  uint64_t unit = uint64_t{1} << thread.guest->abi.pack->header().pc_shift;
  if (prot >= 0 && (prot & PROT_EXEC) && pc % unit) return raise_fault(thread, SIGBUS, BUS_ADRALN, pc);
  raise_fault(thread, SIGSEGV, prot < 0 ? SEGV_MAPERR : SEGV_ACCERR, pc);
}

size_t may_execute(void *guest, uint64_t address, size_t bytes) {
  return static_cast<Guest *>(guest)->space.executable(address, bytes);
}

size_t may_change(void *guest, uint64_t address, size_t bytes) {
  return static_cast<Guest *>(guest)->space.changeable(address, bytes);
}

void engine_log(void *, const char *text) {
  log_line("%s", text);
}

// Not where each instruction or block is to be seen.
bool uses_regions(const Options &options) {
  constexpr uint32_t kShowing = kLogNoChain | kLogInAsm | kLogOp | kLogOutAsm;
  return options.jit != Jit::kOff && !options.one_insn_per_block && !(options.log & kShowing);
}

void hot_block(void *guest, const CpuHeader *cpu, uint64_t pc) {
  static_cast<Guest *>(guest)->requests.hot(cpu, pc);
}

EngineOptions engine_options(const Guest &guest) {
  const Options &options = *guest.options;
  EngineOptions result;
  if (options.code_cache_bytes) result.code_cache_bytes = options.code_cache_bytes;
  if (options.one_insn_per_block) result.max_block_insns = 1;
  result.chain = !(options.log & kLogNoChain);
  result.regions = guest.modules.folder.wanted();
  if (guest.requests.possible()) result.hot_threshold = options.jit_threshold;
  result.count = options.log & kLogCount;
  result.log = (options.log & kLogInAsm ? pyqemu::kLogGuestCode : 0u) |
               (options.log & kLogOp ? pyqemu::kLogStencils : 0u) |
               (options.log & kLogOutAsm ? pyqemu::kLogHostCode : 0u);
  if (result.log) result.log_sink = engine_log;
  return result;
}

void note_features(Guest *guest, const PackTables &tables, uint64_t features) {
  for (size_t i = 0; i < tables.feature.size(); i++)
    if (features >> i & 1) guest->features.push_back(tables.string(tables.feature[i].name));
}

int internal_error(const char *what) {
  complain("internal error: %s", what);
  return kExitInternal;
}

void read_table(Guest *guest) {
  const Abi &abi = guest->abi;
  guest->syndrome_base = abi.value("syndrome.base");
  guest->syndrome_write = abi.value("syndrome.write");
  guest->syndrome_unmapped = abi.value("syndrome.unmapped");
  guest->syndrome_protected = abi.value("syndrome.protected");
  guest->tag_context = abi.context(abi.text("tagged.context"));
}

// The page of code that a kernel shows its programs, beyond what these can map; where the table has one.
bool map_code_page(Guest *guest, const PackTables &tables) {
  const uint64_t address = guest->abi.value("code_page.address");
  if (!address) return true;
  std::vector<uint32_t> page(guest->abi.page_size / sizeof(uint32_t));
  put_code(guest->abi.text("code_page.code"), &page);
  for (const FeatureRec &feature : tables.feature) {
    const std::string_view name = tables.string(feature.name);
    const bool has = std::ranges::find(guest->features, name) != guest->features.end();
    if (!has) put_code(guest->abi.text("code_page.without." + std::string(name)), &page);
  }
  return guest->space.provide_code(address, page.data(), page.size() * sizeof page[0]);
}

// What the guest's program is called in ps and top.
void set_process_name(const char *path) {
  const char *slash = strrchr(path, '/');
  prctl(PR_SET_NAME, slash ? slash + 1 : path);
}

}  // namespace

void run_thread(Thread &thread) {
  Engine &engine = *thread.guest->engine;
  while (!thread.exiting) {
    switch (engine.run(thread.cpu)) {
      case StopKind::kInterrupted:
        break;
      case StopKind::kException:
        handle_exception(thread);
        break;
      case StopKind::kBadFetch:
        bad_fetch(thread);
        break;
      case StopKind::kFailed:
        complain("internal error: %s", engine.error());
        exit_now(kExitInternal);
    }
    if (thread.pending && !thread.exiting) process_signals(thread);
  }
}

int run_program(const Options &options, const Pack &pack, const char *execfn) {
  // Never freed: exit is by a system call, from any thread.
  auto *guest = new Guest;
  auto *process = new Process;
  auto *thread = new Thread;
  const char *error = nullptr;
  guest->options = &options;
  const PackTables &tables = static_cast<const PackFile &>(pack).tables();
  const char *named = options.cpu ? options.cpu : "";
  CpuModel model;
  std::string mistake;
  if (!find_cpu_model(tables, named, &model, &mistake)) {
    complain("-cpu %s", mistake.c_str());
    return kExitInternal;
  }
  note_features(guest, tables, model.features);
  if (!Abi::load(pack, &guest->abi, &error)) return internal_error(error);
  if (uses_regions(options)) guest->modules.folder.choose(options, pack, model.features);
  guest->requests.start(options, &guest->modules);
  LoadedProgram program;
  LoadFailure failure;
  if (!load_program(*guest, &program, &failure)) {
    complain("%s", failure.text.c_str());
    return failure.exit_code;
  }
  read_table(guest);
  guest->engine = Engine::create(pack, engine_options(*guest), &error).release();
  if (!guest->engine) return internal_error(error);
  guest->engine->set_fetch_check(may_execute, guest);
  guest->engine->set_change_check(may_change, guest);
  guest->engine->set_hot(hot_block, guest);
  guest->space.set_engine(guest->engine);
  if (!map_code_page(guest, tables)) return internal_error("no memory for the kernel's page of code");
  guest->modules.set_engine(guest->engine);
  process->self_fd = open_self(execfn);
  thread->guest = guest;
  thread->process = process;
  thread->tid = static_cast<int>(host::system_call(SYS_gettid));
  thread->cpu = guest->engine->new_cpu(named);
  if (!thread->cpu) return internal_error("no memory for a CPU");
  host::system_call(SYS_rt_sigprocmask, 0, 0, reinterpret_cast<uint64_t>(&thread->mask), sizeof thread->mask);
  if (host_mask(thread->mask) != thread->mask) set_host_mask(host_mask(thread->mask));
  current_thread = thread;
  install_handlers(*process);
  set_process_name(program.path.c_str());
  guest->abi.enter_function(thread->cpu, program.start);
  set_reg(thread->cpu, guest->abi.sp, program.stack_pointer);
  run_thread(*thread);
  return kExitInternal;  // the first thread leaves by a system call
}

}  // namespace pyqemu::user
