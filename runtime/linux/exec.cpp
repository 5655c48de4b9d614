// exec for guest programs.
//
// pyqemu-user is executed through a descriptor that is open from the start on (execveat with an empty path).
// The kernel then names it /dev/fd/N in AT_EXECFN; the descriptor is left open over the exec, so the next one
// needs no /proc and no path either. The program itself is handed over as an open descriptor too (-exec-fd),
// so that what was checked here is what is run there.
#include "exec.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "dispatch.hpp"
#include "elf_image.hpp"
#include "guest_memory.hpp"
#include "loader.hpp"
#include "log.hpp"
#include "paths.hpp"
#include "signals.hpp"

namespace pyqemu::user {
namespace {

constexpr int kScriptDepth = 5;
constexpr int kOutOfTheWay = 950;  // descriptors from here on are pyqemu's own
constexpr size_t kMostStrings = 1u << 22;

// A null-terminated array of guest strings; their addresses are usable as they are.
int64_t read_vector(const Abi &abi, uint64_t address, std::vector<const char *> *strings) {
  for (; address; address += abi.word_bytes) {
    uint64_t item = 0;
    char probe;
    if (!read_guest(&item, address, abi.word_bytes)) return -EFAULT;
    if (!item) return 0;
    if (!get_guest(&probe, item)) return -EFAULT;
    if (strings->size() > kMostStrings) return -E2BIG;
    strings->push_back(static_cast<const char *>(host_pointer(item)));
  }
  return 0;
}

}  // namespace

// What an exec needs until it has happened. A vfork child leaves it to its parent, whose heap it is in.
struct ExecScratch {
  int program = -1;  // open descriptor
  std::string path;  // as the guest names it
  std::vector<std::string>
      front;  // arguments before the guest's own from argv[1] on (scripts), argv[0] first
  bool script = false;
  bool foreign = false;
  std::vector<const char *> arguments, environment, words;
  std::string host_path;
};

void drop_exec_scratch(Thread &thread) {
  delete thread.exec_scratch;
  thread.exec_scratch = nullptr;
}

namespace {

int open_exec(int directory, const char *path, int flags) {
  int fd;
  if (!*path && (flags & AT_EMPTY_PATH)) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } else {
    fd =
        openat(directory, path,
               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
  }
  if (fd < 0) return -errno;
  if (faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) == 0) {
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return fd;
    errno = EACCES;
  }
  int error = -errno;
  close(fd);
  return error;
}

// Follows scripts to the program; the guest's argv[0] is replaced as the kernel does.
int64_t follow(Thread &thread, int directory, const char *path, int flags, ExecScratch *plan) {
  const Options &options = *thread.guest->options;
  plan->path = path;
  plan->front.emplace_back(plan->arguments.empty() ? "" : plan->arguments[0]);
  plan->host_path = flags & AT_EMPTY_PATH && !*path ? path : prefixed(options, path);
  for (int depth = 0; depth <= kScriptDepth; depth++) {
    int fd = open_exec(directory, plan->host_path.c_str(), flags);
    if (fd < 0) return fd == -ELOOP && depth ? -ENOENT : fd;
    ElfImage image;
    const char *why;
    FileKind kind = read_elf(fd, thread.guest->abi, &image, &why);
    std::string interpreter, argument;
    if (kind == FileKind::kScript && read_script_line(fd, &interpreter, &argument)) {
      close(fd);
      plan->script = true;
      plan->front[0] = plan->path;
      if (!argument.empty()) plan->front.insert(plan->front.begin(), argument);
      plan->front.insert(plan->front.begin(), interpreter);
      plan->path = interpreter;
      plan->host_path = prefixed(options, interpreter.c_str());
      directory = AT_FDCWD;
      flags = 0;
      continue;
    }
    plan->program = fd;
    plan->foreign = kind != FileKind::kGuest;
    if (plan->foreign) return kind == FileKind::kForeign || kind == FileKind::kUnknown ? 0 : -ENOEXEC;
    bool linked =
        image.interpreter.empty() || access(prefixed(options, image.interpreter.c_str()).c_str(), F_OK) == 0;
    return linked ? 0 : -errno;
  }
  return -ELOOP;
}

// While the new program starts, it inherits the guest's mask and what the guest ignores, SIGSEGV and SIGBUS
// included.
class InheritedSignals {
 public:
  explicit InheritedSignals(Thread &thread) : thread_(thread) {
    for (int signal : {SIGSEGV, SIGBUS})
      if (ignored(signal)) host::set_handler(signal, reinterpret_cast<host::Handler>(1), 0, &old_);
    if (host_mask(thread.mask) != thread.mask) set_host_mask(thread.mask);
  }
  ~InheritedSignals() {
    for (int signal : {SIGSEGV, SIGBUS})
      if (ignored(signal)) host::set_handler(signal, old_, SA_RESTART | SA_SIGINFO, nullptr);
    if (host_mask(thread_.mask) != thread_.mask && !thread_.pending) set_host_mask(host_mask(thread_.mask));
  }

 private:
  bool ignored(int signal) const { return thread_.process->actions[signal].handler == 1; }

  Thread &thread_;
  host::Handler old_ = nullptr;
};

uint64_t address_of(const void *pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

// Words that follow: the guest's arguments from argv[1] on.
void add_arguments(ExecScratch *plan) {
  for (size_t i = 1; i < plan->arguments.size(); i++) plan->words.push_back(plan->arguments[i]);
  plan->words.push_back(nullptr);
}

int64_t run_self(Thread &thread, ExecScratch *plan) {
  int self = thread.process->self_fd;
  if (self < 0) return -ENOENT;
  plan->words = {"pyqemu-user"};
  for (const char *option : thread.guest->options->passed_on) plan->words.push_back(option);
  // The new program's environment may name another home.
  const CacheFolder &cache = thread.guest->modules.folder;
  if (cache.wanted() && !thread.guest->options->cache)
    plan->words.insert(plan->words.end(), {"-cache", cache.path().c_str()});
  char number[16];
  snprintf(number, sizeof number, "%d", plan->program);
  plan->words.insert(plan->words.end(),
                     {"-exec-fd", number, "-0", plan->front[0].c_str(), "--", plan->path.c_str()});
  for (size_t i = 1; i < plan->front.size(); i++) plan->words.push_back(plan->front[i].c_str());
  add_arguments(plan);
  fcntl(plan->program, F_SETFD, 0);
  fcntl(self, F_SETFD, 0);
  thread.guest->requests.finish();
  InheritedSignals signals(thread);
  int64_t result =
      blocking_call(thread, SYS_execveat, static_cast<uint64_t>(self), address_of(""),
                    address_of(plan->words.data()), address_of(plan->environment.data()), AT_EMPTY_PATH);
  fcntl(self, F_SETFD, FD_CLOEXEC);
  return result;
}

// A program for another architecture: the host's kernel knows, or says ENOEXEC.
int64_t run_foreign(Thread &thread, ExecScratch *plan) {
  for (const std::string &word : plan->front) plan->words.push_back(word.c_str());
  add_arguments(plan);
  thread.guest->requests.finish();
  InheritedSignals signals(thread);
  return blocking_call(thread, SYS_execve, address_of(plan->host_path.c_str()),
                       address_of(plan->words.data()), address_of(plan->environment.data()));
}

int64_t prepare_and_run(Thread &thread, int directory, const PathBuffer &name, Arguments a, int flags,
                        ExecScratch *plan) {
  const Abi &abi = thread.guest->abi;
  if (int64_t error = read_vector(abi, a[1], &plan->arguments); error < 0) return error;
  if (int64_t error = read_vector(abi, a[2], &plan->environment); error < 0) return error;
  plan->environment.push_back(nullptr);
  if (int64_t result = follow(thread, directory, name.text, flags, plan); result < 0) return result;
  if (plan->foreign) return run_foreign(thread, plan);
  if (directory != AT_FDCWD && !plan->script && plan->path[0] != '/') {
    char path[sizeof name.text + 32];
    snprintf(path, sizeof path, "/dev/fd/%d%s%s", directory, plan->path.empty() ? "" : "/",
             plan->path.c_str());
    plan->path = path;
  }
  if (thread.guest->options->log & kLogStrace) strace_line(thread, "execve", a, 0);
  return run_self(thread, plan);
}

}  // namespace

int open_self(const char *execfn) {
  int inherited = -1;
  if (execfn && strncmp(execfn, "/dev/fd/", 8) == 0) inherited = atoi(execfn + 8);
  if (inherited >= kOutOfTheWay && fcntl(inherited, F_SETFD, FD_CLOEXEC) == 0) return inherited;
  // Somebody else's descriptor that was executed and left open is this file too, and stays theirs.
  int fd = inherited >= 0 ? fcntl(inherited, F_DUPFD_CLOEXEC, kOutOfTheWay) : -1;
  if (fd >= 0) return fd;
  fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd < 0 && execfn) fd = open(execfn, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
  if (high < 0) high = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  if (high < 0) return fd;
  close(fd);
  return high;
}

int64_t guest_exec(Thread &thread, uint64_t directory, uint64_t path, uint64_t argument_array,
                   uint64_t environment_array, uint64_t flags) {
  PathBuffer name;
  int64_t length = read_guest_string(name.text, path, sizeof name.text);
  if (length < 0) return length;
  if (flags & ~static_cast<uint64_t>(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return -EINVAL;
  if (length == 0 && !(flags & AT_EMPTY_PATH)) return -ENOENT;
  if (proc_file(path) == ProcFile::kExe)
    snprintf(name.text, sizeof name.text, "%s", thread.guest->executable.c_str());
  drop_exec_scratch(thread);
  ExecScratch *plan = thread.exec_scratch = new ExecScratch;
  const uint64_t arguments[6] = {path, argument_array, environment_array, 0, 0, 0};
  int64_t result =
      prepare_and_run(thread, static_cast<int>(directory), name, arguments, static_cast<int>(flags), plan);
  if (plan->program >= 0) close(plan->program);
  drop_exec_scratch(thread);
  return result;
}

}  // namespace pyqemu::user
