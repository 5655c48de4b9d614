// What exceptions mean, by the table.
#include "exceptions.hpp"

#include <time.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "../core/pack_file.hpp"
#include "dispatch.hpp"
#include "guest_memory.hpp"
#include "log.hpp"
#include "signals.hpp"
#include "undescribed.hpp"

namespace pyqemu::user {
namespace {

enum class Meaning : uint8_t { kUnread, kSyscall, kSignal, kCounter, kNothing };

struct Exception {
  std::atomic<Meaning> meaning = Meaning::kUnread;
  int signal = 0, code = 0;
  bool has_address = false;  // the first argument is si_addr; else it is the PC
};

constexpr size_t kMost = 32;
Exception g_exceptions[kMost];

struct Number {
  std::string_view name;
  int value;
};

int number_of(std::string_view name) {
  static constexpr Number kNumbers[] = {
      {"SIGILL", SIGILL},         {"SIGTRAP", SIGTRAP},         {"SIGFPE", SIGFPE},
      {"SIGBUS", SIGBUS},         {"SIGSEGV", SIGSEGV},         {"SIGSYS", SIGSYS},
      {"ILL_ILLOPC", ILL_ILLOPC}, {"ILL_ILLOPN", ILL_ILLOPN},   {"ILL_ILLTRP", ILL_ILLTRP},
      {"ILL_PRVOPC", ILL_PRVOPC}, {"TRAP_BRKPT", TRAP_BRKPT},   {"TRAP_TRACE", TRAP_TRACE},
      {"FPE_INTDIV", FPE_INTDIV}, {"FPE_INTOVF", FPE_INTOVF},   {"FPE_FLTINV", FPE_FLTINV},
      {"BUS_ADRALN", BUS_ADRALN}, {"SEGV_MAPERR", SEGV_MAPERR}, {"SEGV_ACCERR", SEGV_ACCERR}};
  for (const Number &number : kNumbers)
    if (number.name == name) return number.value;
  return 0;
}

void read_exception(const Abi &abi, uint32_t number, Exception *exception) {
  const PackTables &tables = static_cast<const PackFile *>(abi.pack)->tables();
  Meaning meaning = Meaning::kNothing;
  if (number < tables.exc.size()) {
    char key[80];
    snprintf(key, sizeof key, "exception.%s", tables.string(tables.exc[number].name));
    std::string_view text = abi.text(key);
    if (text == "syscall") meaning = Meaning::kSyscall;
    if (text == "counter") meaning = Meaning::kCounter;
    if (text.starts_with("signal ")) {
      meaning = Meaning::kSignal;
      text.remove_prefix(7);
      size_t space = text.find(' ');
      exception->signal = number_of(text.substr(0, space));
      std::string_view code = space == std::string_view::npos ? "" : text.substr(space + 1);
      exception->has_address = code.ends_with(" address");
      exception->code = number_of(code.substr(0, code.find(' ')));
    }
  }
  exception->meaning.store(meaning, std::memory_order_release);
}

// A read of the virtual counter: the host's monotonic clock, at the frequency that the guest sees.
void read_counter(Thread &thread) {
  const Abi &abi = thread.guest->abi;
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  RegRef frequency, target;
  uint64_t rate =
      abi.reg(abi.text("counter.frequency"), &frequency) ? get_reg(thread.cpu, frequency) : 1000000000;
  uint64_t ticks =
      static_cast<uint64_t>(now.tv_sec) * rate + static_cast<uint64_t>(now.tv_nsec) * (rate / 1000) / 1000000;
  uint32_t index = static_cast<uint32_t>(thread.cpu->exc_args[0]);
  if (index != abi.value("counter.none", kNone)) {
    std::optional<RegRef> reg = abi.pack->reg(abi.text("counter.file"), index);
    if (reg) set_reg(thread.cpu, *reg, ticks);
  }
  thread.cpu->pc += abi.value("counter.insn_bytes");
}

}  // namespace

void handle_exception(Thread &thread) {
  uint32_t number = thread.cpu->exception;
  const Abi &abi = thread.guest->abi;
  Exception &exception = g_exceptions[number % kMost];
  Meaning meaning = exception.meaning.load(std::memory_order_acquire);
  if (meaning == Meaning::kUnread) {
    read_exception(abi, number, &exception);
    meaning = exception.meaning.load(std::memory_order_acquire);
  }
  switch (meaning) {
    case Meaning::kSyscall:
      return do_syscall(thread);
    case Meaning::kCounter:
      return read_counter(thread);
    case Meaning::kSignal:
      if (number == abi.pack->header().undefined_exception &&
          (thread.guest->options->log & kLogUnimplemented))
        log_undescribed(thread);
      return raise_fault(thread, exception.signal, exception.code,
                         exception.has_address ? thread.cpu->exc_args[0] : thread.cpu->pc);
    case Meaning::kUnread:
    case Meaning::kNothing:
      complain("internal error: exception %u has no meaning in the pack's table", number);
      exit_now(kExitInternal);
  }
}

}  // namespace pyqemu::user
