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

// What a program is for; all 0 if there is none to be read.
struct ProgramKind {
  uint32_t machine = 0, word_bytes = 0;
};

// Of the program, or of a script's interpreter.
ProgramKind kind_of(const Options &options) {
  constexpr int kScriptDepth = 5, kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  int fd = options.exec_fd >= 0 ? options.exec_fd : open(options.program, kFlags);
  for (int depth = 0; fd >= 0 && depth <= kScriptDepth; depth++) {
    unsigned char start[20] = {};
    std::string interpreter, argument;
    const ssize_t got = pread(fd, start, sizeof start, 0);
    const bool script = read_script_line(fd, &interpreter, &argument);
    if (fd != options.exec_fd) close(fd);
    if (got == sizeof start && memcmp(start, "\177ELF", 4) == 0)
      return {start[18] | uint32_t{start[19]} << 8, start[EI_CLASS] == ELFCLASS32 ? 4u : 8u};
    fd = script ? open(prefixed(options, interpreter.c_str()).c_str(), kFlags) : -1;
  }
  return {};
}

// The pack for the program's architecture (or the first one) at the best level that this host has.
std::unique_ptr<Pack> choose_pack(const Options &options, const char **error) {
  *error = "there is no pack in this program";
  std::unique_ptr<Pack> best;
  size_t count = 0;
  while (pyqemu_embedded_packs[count].data) count++;
  const ProgramKind kind = count > 1 && options.program ? kind_of(options) : ProgramKind{};
  int level = host_level();
  for (size_t i = 0; i < count; i++) {
    const EmbeddedPack &embedded = pyqemu_embedded_packs[i];
    std::unique_ptr<Pack> pack = Pack::built_in({embedded.data, embedded.size}, error);
    if (!pack) return nullptr;
    if (level_of(*pack) > level) continue;
    // A program of the other class is not run by it, but told what it is.
    auto suits = [&](const Pack &one) {
      Abi abi;
      abi.pack = &one;
      if (abi.value("elf.machine") != kind.machine) return 0;
      return abi.value("word_bytes", 8) == kind.word_bytes ? 2 : 1;
    };
    bool better =
        !best || suits(*pack) > suits(*best) ||
        (suits(*pack) == suits(*best) && level_of(*pack) > level_of(*best) &&
         strcmp(pack->string(pack->header().arch_name), best->string(best->header().arch_name)) == 0);
    if (better) best = std::move(pack);
  }
  return best;
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
    for (const CpuRec &cpu : tables.cpu)
      printf("  %s%s\n", tables.string(cpu.name), cpu.separator == kNone ? "" : "FEATURES");
    printf("  features:");
    for (const FeatureRec &feature : tables.feature) printf(" %s", tables.string(feature.name));
    printf("\n");
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
  if (line.ask != Ask::kRun) return answer(line.ask, *pack);
  if (line.options.guest_base) return complain("-B: programs run at guest base 0 only"), kExitInternal;
  if (line.options.log_file) open_log(line.options.log_file);
  auto *execfn = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
  return run_program(line.options, *pack, execfn);
}

}  // namespace
}  // namespace pyqemu::user

int main(int count, char **words) {
  return pyqemu::user::run(count, words);
}
