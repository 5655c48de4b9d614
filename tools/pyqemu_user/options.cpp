// One table makes options, environment variables and help. Names and meanings follow qemu-user.
#include "options.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "log.hpp"

namespace pyqemu::user {
namespace {

using Apply = bool (*)(CommandLine &line, const char *argument);

struct Option {
  const char *name;
  const char *variable;  // PYQEMU_… and QEMU_… of this name
  const char *argument;  // what it is called in the help; null: none
  bool passed_on;        // a guest's exec gives it to the next program
  Apply apply;
  const char *help;
};

bool parse_size(const char *text, uint64_t *value) {
  char *end = nullptr;
  *value = strtoull(text, &end, 0);
  switch (*end) {
    case 'K':
    case 'k':
      *value <<= 10;
      end++;
      break;
    case 'M':
    case 'm':
      *value <<= 20;
      end++;
      break;
    case 'G':
    case 'g':
      *value <<= 30;
      end++;
      break;
    default:
      break;
  }
  return end != text && !*end;
}

// Each of a comma-separated list; the pieces stay allocated.
template <typename Use>
bool each_piece(const char *list, Use use) {
  for (char *at = strdup(list); at;) {
    char *comma = strchr(at, ',');
    if (comma) *comma = '\0';
    if (!use(at)) return false;
    at = comma ? comma + 1 : nullptr;
  }
  return true;
}

struct LogName {
  const char *name;
  uint32_t item;
  const char *help;
};

constexpr LogName kLogNames[] = {
    {"unimp", kLogUnimplemented, "instructions and system calls that are not there"},
    {"strace", kLogStrace, "system calls"},
    {"stats", kLogStats, "what the translator did, when the program ends"},
    {"count", kLogCount, "guest instructions that ran in baseline code, when the program ends"},
    {"in_asm", kLogInAsm, "guest code of each block"},
    {"op", kLogOp, "stencils of each block"},
    {"out_asm", kLogOutAsm, "host code of each block"},
    {"nochain", kLogNoChain, "do not chain blocks"},
};

bool set_log(CommandLine &line, const char *list) {
  return each_piece(list, [&](const char *piece) {
    if (strcmp(piece, "help") == 0) return line.ask = Ask::kLogHelp, true;
    for (const LogName &name : kLogNames)
      if (strcmp(piece, name.name) == 0) return line.options.log |= name.item, true;
    return false;
  });
}

bool set_environment(CommandLine &line, const char *list) {
  return each_piece(list, [&](const char *piece) {
    if (!strchr(piece, '=')) return false;
    line.options.set_env.push_back(piece);
    return true;
  });
}

bool unset_environment(CommandLine &line, const char *list) {
  return each_piece(list, [&](const char *piece) {
    if (strchr(piece, '=')) return false;
    line.options.unset_env.push_back(piece);
    return true;
  });
}

bool set_cpu(CommandLine &line, const char *name) {
  if (strcmp(name, "help") == 0 || strcmp(name, "?") == 0) line.ask = Ask::kCpuHelp;
  line.options.cpu = name;
  return true;
}

bool set_jit(CommandLine &line, const char *mode) {
  if (strcmp(mode, "off") == 0) return line.options.jit = Jit::kOff, true;
  if (strcmp(mode, "async") == 0) return line.options.jit = Jit::kAsync, true;
  if (strcmp(mode, "sync") == 0) return line.options.jit = Jit::kSync, true;
  return false;
}

bool set_jit_threshold(CommandLine &line, const char *count) {
  uint64_t value = 0;
  if (!parse_size(count, &value) || value == 0 || value > 1u << 30) return false;
  line.options.jit_threshold = static_cast<uint32_t>(value);
  return true;
}

bool set_jit_wait(CommandLine &line, const char *seconds) {
  uint64_t value = 0;
  if (!parse_size(seconds, &value) || value == 0 || value > 3600) return false;
  line.options.jit_wait = static_cast<uint32_t>(value);
  return true;
}

// Handed on as an absolute path, since a guest's exec may happen in another folder.
bool set_cache(CommandLine &line, const char *folder) {
  char here[4096];
  if (!*folder) return false;
  if (*folder != '/' && strcmp(folder, "none") != 0) {
    if (!getcwd(here, sizeof here)) return false;
    folder = strdup((std::string(here) + "/" + folder).c_str());
  }
  line.options.cache = folder;
  line.options.passed_on.insert(line.options.passed_on.end(), {"-cache", folder});
  return true;
}

constexpr Option kOptions[] = {
    {"h", nullptr, nullptr, false,
     [](CommandLine &line, const char *) { return line.ask = Ask::kHelp, true; }, "show this help"},
    {"help", nullptr, nullptr, false,
     [](CommandLine &line, const char *) { return line.ask = Ask::kHelp, true; }, nullptr},
    {"version", nullptr, nullptr, false,
     [](CommandLine &line, const char *) { return line.ask = Ask::kVersion, true; }, "show the version"},
    {"L", "LD_PREFIX", "PATH", true,
     [](CommandLine &line, const char *a) { return line.options.ld_prefix = a, true; },
     "look below PATH first for the dynamic linker, libraries and other files"},
    {"s", "STACK_SIZE", "BYTES", true,
     [](CommandLine &line, const char *a) { return parse_size(a, &line.options.stack_bytes); },
     "size of the first stack (K, M and G may follow)"},
    {"cpu", "CPU", "MODEL", true, set_cpu, "CPU model; -cpu help lists them"},
    {"E", "SET_ENV", "NAME=VALUE", false, set_environment,
     "set a variable for the program (several: commas)"},
    {"U", "UNSET_ENV", "NAME", false, unset_environment, "remove a variable for the program"},
    {"0", "ARGV0", "NAME", false,
     [](CommandLine &line, const char *a) { return line.options.argv0 = a, true; }, "argv[0] of the program"},
    {"r", "UNAME", "RELEASE", true,
     [](CommandLine &line, const char *a) { return line.options.release = a, true; },
     "kernel release that uname shows"},
    {"B", "GUEST_BASE", "ADDRESS", true,
     [](CommandLine &line, const char *a) { return parse_size(a, &line.options.guest_base); },
     "where the guest's addresses begin here; only 0 for 64-bit programs"},
    {"R", "RESERVED_VA", "BYTES", true,
     [](CommandLine &line, const char *a) { return parse_size(a, &line.options.reserved_va); },
     "size of the guest's address space; without effect for 64-bit programs"},
    {"d", "LOG", "LIST", true, set_log, "what to log; -d help lists it"},
    {"D", "LOG_FILENAME", "FILE", true,
     [](CommandLine &line, const char *a) { return line.options.log_file = a, true; },
     "where the log goes (default: stderr; %d in it: the process id)"},
    {"strace", "STRACE", nullptr, true,
     [](CommandLine &line, const char *) { return line.options.log |= kLogStrace, true; },
     "log system calls"},
    {"one-insn-per-tb", "ONE_INSN_PER_TB", nullptr, true,
     [](CommandLine &line, const char *) { return line.options.one_insn_per_block = true; },
     "one guest instruction per translated block"},
    {"code-cache", "CODE_CACHE", "BYTES", true,
     [](CommandLine &line, const char *a) { return parse_size(a, &line.options.code_cache_bytes); },
     "size of the cache for translated code"},
    {"jit", "JIT", "MODE", true, set_jit, "optimised code: off, async (default), or sync: wait for it"},
    {"jit-threshold", "JIT_THRESHOLD", "COUNT", true, set_jit_threshold,
     "times that code runs before optimised code is made of it"},
    {"jit-wait", "JIT_WAIT", "SECONDS", true, set_jit_wait,
     "how long -jit sync waits for the worker, before it does without (60)"},
    {"cache", "CACHE", "FOLDER", false, set_cache,
     "where optimised code is kept, or none (default: ~/.cache/pyqemu)"},
    {"exec-fd", nullptr, "FD", false,
     [](CommandLine &line, const char *a) { return line.options.exec_fd = atoi(a), true; }, nullptr},
};

const Option *find(const char *name, size_t length) {
  for (const Option &option : kOptions)
    if (strlen(option.name) == length && memcmp(option.name, name, length) == 0) return &option;
  return nullptr;
}

void read_environment(CommandLine *line) {
  for (const Option &option : kOptions) {
    if (!option.variable) continue;
    for (const char *prefix : {"QEMU_", "PYQEMU_"}) {
      char name[64];
      snprintf(name, sizeof name, "%s%s", prefix, option.variable);
      const char *value = getenv(name);
      if (!value || (option.argument && !*value)) continue;
      if (option.apply(*line, value)) continue;
      line->mistake = "bad value of the environment variable";
      line->culprit = strdup(name);
    }
  }
}

}  // namespace

void parse_command_line(int count, char **words, CommandLine *line) {
  read_environment(line);
  auto mistake = [&](const char *what, const char *word) { line->mistake = what, line->culprit = word; };
  int i = 1;
  for (; i < count; i++) {
    const char *word = words[i];
    if (word[0] != '-' || !word[1]) break;
    if (strcmp(word, "--") == 0) {
      i++;
      break;
    }
    const char *name = word + (word[1] == '-' ? 2 : 1), *equals = strchr(name, '=');
    size_t length = equals ? static_cast<size_t>(equals - name) : strlen(name);
    const Option *option = find(name, length);
    if (!option || (equals && !option->argument)) return mistake("unknown option", word);
    const char *argument = equals ? equals + 1 : "";
    int first = i;
    if (option->argument && !equals) {
      if (i + 1 == count) return mistake("an argument is missing after", word);
      argument = words[++i];
    }
    if (!option->apply(*line, argument)) return mistake("bad argument of an option:", argument);
    if (option->passed_on)
      for (int word_at = first; word_at <= i; word_at++) line->options.passed_on.push_back(words[word_at]);
    if (line->ask != Ask::kRun) return;
  }
  if (line->ask != Ask::kRun) return;
  if (i == count) return mistake("no program is named", "(-h shows how to use this)");
  line->options.program = words[i];
  line->options.arguments = words + i + 1;
}

void print_help() {
  printf(
      "usage: pyqemu-user [OPTION]... PROGRAM [ARGUMENT]...\n"
      "Runs a Linux program that was made for another architecture.\n\n"
      "options, and the environment variables that stand for them:\n");
  for (const Option &option : kOptions) {
    if (!option.help) continue;
    char left[64], variable[64] = "";
    snprintf(left, sizeof left, "-%s %s", option.name, option.argument ? option.argument : "");
    if (option.variable) snprintf(variable, sizeof variable, "QEMU_%s", option.variable);
    printf("  %-22s %-22s %s\n", left, variable, option.help);
  }
  printf(
      "\nEach variable is also read with the prefix PYQEMU_. Example:\n"
      "  pyqemu-user -L /usr/aarch64-linux-gnu ./hello\n\n"
      "exit status: the program's; 127 it was not found, 126 it cannot be run, 125 wrong usage, or pyqemu "
      "itself failed.\n");
}

void print_log_help() {
  for (const LogName &name : kLogNames) printf("%-10s %s\n", name.name, name.help);
  printf("\nThe share of a program that runs in optimised code: 1 - count / (count with -jit off).\n");
}

}  // namespace pyqemu::user
