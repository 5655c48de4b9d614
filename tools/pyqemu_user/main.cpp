// pyqemu-user: runs one guest program. A static program that carries its packs, so that it needs nothing
// beside it.
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "elf_image.hpp"
#include "loader.hpp"
#include "log.hpp"
#include "options.hpp"
#include "pack_file.hpp"
#include "packs.hpp"

namespace pyqemu::user {
namespace {

#ifndef PYQEMU_VERSION
#define PYQEMU_VERSION "unknown"
#endif

// Which level the host has: 3 for what x86-64-v3 asks for, else 1.
int host_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
            __builtin_cpu_supports("movbe");
  return v3 ? 3 : 1;
#else
  return 1;
#endif
}

int level_of(const Pack &pack) {
  const char *level = pack.string(pack.header().host_level), *v = strrchr(level, 'v');
  return v ? v[1] - '0' : 1;
}

// e_machine of the program, or of a script's interpreter; 0 if there is none to be read.
uint16_t machine_of(const Options &options) {
  constexpr int kScriptDepth = 5, kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  int fd = options.exec_fd >= 0 ? options.exec_fd : open(options.program, kFlags);
  for (int depth = 0; fd >= 0 && depth <= kScriptDepth; depth++) {
    unsigned char start[20] = {};
    std::string interpreter, argument;
    const ssize_t got = pread(fd, start, sizeof start, 0);
    const bool script = read_script_line(fd, &interpreter, &argument);
    if (fd != options.exec_fd) close(fd);
    if (got == sizeof start && memcmp(start, "\177ELF", 4) == 0)
      return static_cast<uint16_t>(start[18] | start[19] << 8);
    fd = script ? open(prefixed(options, interpreter.c_str()).c_str(), kFlags) : -1;
  }
  return 0;
}

// The pack for the program's architecture (or the first one) at the best level that this host has.
std::unique_ptr<Pack> choose_pack(const Options &options, const char **error) {
  *error = "there is no pack in this program";
  std::unique_ptr<Pack> best;
  size_t count = 0;
  while (pyqemu_embedded_packs[count].data) count++;
  uint16_t machine = count > 1 && options.program ? machine_of(options) : 0;
  int level = host_level();
  for (size_t i = 0; i < count; i++) {
    const EmbeddedPack &embedded = pyqemu_embedded_packs[i];
    std::unique_ptr<Pack> pack = Pack::built_in({embedded.data, embedded.size}, error);
    if (!pack) return nullptr;
    if (level_of(*pack) > level) continue;
    auto suits = [&](const Pack &one) {
      Abi abi;
      abi.pack = &one;
      return abi.value("elf.machine") == machine;
    };
    bool better = !best || (suits(*pack) && !suits(*best)) ||
                  (suits(*pack) == suits(*best) && level_of(*pack) > level_of(*best) &&
                   pack->header().arch_name == best->header().arch_name);
    if (better) best = std::move(pack);
  }
  return best;
}

const char *default_model(const PackTables &tables) {
  return tables.cpu.empty() ? "" : tables.string(tables.cpu[0].name);
}

bool has_model(const PackTables &tables, const char *name) {
  for (const CpuRec &cpu : tables.cpu)
    if (strcmp(tables.string(cpu.name), name) == 0) return true;
  return false;
}

// The models of each architecture that there is a pack for.
void print_models() {
  std::string last;
  const char *error = nullptr;
  for (const EmbeddedPack *embedded = pyqemu_embedded_packs; embedded->data; embedded++) {
    std::unique_ptr<Pack> pack = Pack::built_in({embedded->data, embedded->size}, &error);
    if (!pack || last == pack->string(pack->header().arch_name)) continue;
    last = pack->string(pack->header().arch_name);
    const PackTables &tables = static_cast<const PackFile &>(*pack).tables();
    printf("%s:\n", last.c_str());
    for (const CpuRec &cpu : tables.cpu) printf("  %s\n", tables.string(cpu.name));
  }
}

int answer(Ask ask, const Pack &pack) {
  switch (ask) {
    case Ask::kHelp:
      print_help();
      break;
    case Ask::kLogHelp:
      print_log_help();
      break;
    case Ask::kVersion:
      printf("pyqemu-user version %s (%s, %s)\n", PYQEMU_VERSION, pack.string(pack.header().arch_name),
             pack.string(pack.header().host_level));
      break;
    case Ask::kCpuHelp:
      print_models();
      break;
    case Ask::kRun:
      break;
  }
  return fflush(stdout) == 0 ? 0 : 1;
}

int run(int count, char **words) {
  CommandLine line;
  parse_command_line(count, words, &line);
  if (line.mistake) return complain("%s %s", line.mistake, line.culprit), kExitInternal;
  const char *error = nullptr;
  std::unique_ptr<Pack> pack = choose_pack(line.options, &error);
  if (!pack) return complain("internal error: %s", error), kExitInternal;
  const PackTables &tables = static_cast<const PackFile &>(*pack).tables();
  if (line.ask != Ask::kRun) return answer(line.ask, *pack);
  if (line.options.guest_base) return complain("-B: 64-bit programs run at guest base 0 only"), kExitInternal;
  if (!line.options.cpu) line.options.cpu = default_model(tables);
  if (!has_model(tables, line.options.cpu))
    return complain("-cpu %s: no such model (-cpu help lists them)", line.options.cpu), kExitInternal;
  if (line.options.log_file) open_log(line.options.log_file);
  auto *execfn = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
  return run_program(line.options, *pack, line.options.cpu, execfn);
}

}  // namespace
}  // namespace pyqemu::user

int main(int count, char **words) {
  return pyqemu::user::run(count, words);
}
