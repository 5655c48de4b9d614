// The command line and environment of pyqemu-user.
#pragma once

#include "personality.hpp"

namespace pyqemu::user {

enum class Ask { kRun, kHelp, kVersion, kCpuHelp, kLogHelp };

struct CommandLine {
  Options options;
  Ask ask = Ask::kRun;
  const char *mistake = nullptr;  // what is wrong, with `culprit`
  const char *culprit = "";
};

// Reads environment and arguments; strings are kept by reference.
void parse_command_line(int count, char **words, CommandLine *line);

void print_help();
void print_log_help();

}  // namespace pyqemu::user
