// Requests for optimised code: what is in them, who is started to answer them, and that answers are taken up.
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <set>
#include <sstream>

#include "module_setup.hpp"
#include "requests.hpp"
#include "worker.hpp"

namespace {

constexpr uint64_t kOrigin = 0x7000000000;

// Answers as a worker does, and writes down what it was given: to be seen in the cache folder.
constexpr const char *kWorker = R"(#!/bin/sh
exec 2>/dev/null
ls -C -w 200 /proc/$$/fd > "$1/open"
{ echo "$#"; pwd; cut -d' ' -f6 /proc/$$/stat; umask; } > "$1/run"
cd "$1"
for request in spool/*.request; do
  cat "$request" >> requests
  archives=$(sed -n 's/^digest \(.\{16\}\).*/\1/p' "$request")-$(sed -n 's/^features //p' "$request")
  key=$(sed -n 's/^module \([0-9a-f]*\) .*/\1/p' "$request")
  echo made > "$archives/$key.new"
  mv "$archives/$key.new" "$archives/$key.jit.pqa"
  rm "$request"
done
)";

struct RequestSetup : Setup {
  Requests requests;
  Options options;
  pyqemu::CpuHeader cpu = {};
  std::string worker = scratch.path + "/worker";

  RequestSetup(Jit jit, const char *script) {
    const int out = open(worker.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    REQUIRE(out >= 0 && write(out, script, strlen(script)) == static_cast<ssize_t>(strlen(script)));
    close(out);
    REQUIRE(unlink((modules.folder.archives() + "/" + key() + ".jit.pqa").c_str()) == 0);
    setenv("PYQEMU_WORKER", worker.c_str(), 1);
    options.jit = jit;
    REQUIRE(requests.start(options, &modules));
    modules.set_engine(&engine);
    modules.mapped(fd, abi, kOrigin + kText - kLow, kTextOffset);
    REQUIRE(engine.added.size() == 1);
  }
  ~RequestSetup() { requests.pause(); }

  // As a guest's exit does.
  void finish(uint64_t pc) {
    requests.hot(&cpu, pc);
    requests.finish();
  }
  size_t added() {
    requests.lock();
    const size_t count = engine.added.size();
    requests.unlock(false);
    return count;
  }

  std::string in_folder(const char *name) {
    std::ifstream in(modules.folder.path() + "/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::vector<std::string> spooled(const char *suffix = ".request") {
    std::vector<std::string> names;
    DIR *entries = opendir((modules.folder.path() + "/spool").c_str());
    if (!entries) return names;
    while (const dirent *entry = readdir(entries))
      if (std::string(entry->d_name).ends_with(suffix)) names.push_back(entry->d_name);
    closedir(entries);
    return names;
  }
};

std::string content_of(const std::string &key, const char *hot) {
  return "pyqemu-request 1\ndigest " + std::string(64, '0') + "\nfeatures 2a\ncontext 0 0 0 0\nmodule " +
         key + " /memfd:module (deleted)\n" + hot;
}

// The answer is there when the guest goes on; the worker has nothing of the guest's.
void waits_for_answer() {
  RequestSetup s(Jit::kSync, kWorker);
  const int inherited = dup(s.fd);
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  REQUIRE(s.engine.added.size() == 2);
  CHECK(s.engine.added[1].content == "made\n" && s.engine.added[1].origin == kOrigin && s.spooled().empty());
  CHECK(s.in_folder("requests") == content_of(s.key(), "hot 13010\n"));
  std::istringstream run(s.in_folder("run"));
  std::string count, folder, session, mask;
  for (std::string *line : {&count, &folder, &session, &mask}) std::getline(run, *line);
  CHECK(count == "1" && folder == "/" && mask == "0077");
  // The shell itself has its script open at 10, and its error output, for the time of a command, at 11.
  const std::string open = s.in_folder("open");
  CHECK(open.starts_with("0") && open.find_first_of("3456789") == std::string::npos);
  CHECK(session != std::to_string(getsid(0)) && !session.empty());
  s.modules.refresh();
  CHECK(s.engine.added.size() == 2);  // the same file as before
  close(inherited);
}

volatile int child_signals;

// No signal and no zombie tells the guest of it.
void unseen() {
  RequestSetup s(Jit::kAsync, kWorker);
  struct sigaction action = {};
  action.sa_handler = [](int) { child_signals = child_signals + 1; };
  sigaction(SIGCHLD, &action, nullptr);
  for (int i = 0; i < 5; i++) CHECK(start_worker(s.worker, s.modules.folder.path()));
  usleep(300000);
  CHECK(child_signals == 0 && waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
  CHECK(waitpid(-1, nullptr, WNOHANG | __WALL) == -1 && errno == ECHILD);
  signal(SIGCHLD, SIG_DFL);
}

uint32_t threads() {
  uint32_t count = 0;
  DIR *entries = opendir("/proc/self/task");
  while (readdir(entries)) count++;
  closedir(entries);
  return count - 2;
}

// The thread that was there is gone, after a moment in which the kernel may still know it.
bool alone() {
  for (int i = 0; i < 1000 && threads() != 1; i++) usleep(1000);
  return threads() == 1;
}

// The guest does not wait: a thread beside it does, and ends with the answer.
void asynchronous() {
  RequestSetup s(Jit::kAsync, kWorker);
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  CHECK(s.spooled().empty() && threads() == 2);
  for (int i = 0; i < 500 && s.added() == 1; i++) usleep(10000);
  CHECK(alone());
  CHECK(s.engine.added.size() == 2 && s.engine.added[1].content == "made\n");
  s.requests.hot(&s.cpu, kOrigin + 0x13014);  // and another one begins
  CHECK(threads() == 2);
}

// Who changes what the process is has no thread beside it.
void pauses() {
  RequestSetup s(Jit::kAsync, kWorker);
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  CHECK(threads() == 2);
  s.requests.pause();
  CHECK(alone() && s.spooled().empty());
  s.requests.hot(&s.cpu, kOrigin + 0x13014);
  CHECK(threads() == 2);
}

// All that is hot when the process ends is in one request.
void at_the_end() {
  RequestSetup s(Jit::kAsync, "#!/bin/sh\n");
  for (uint64_t i = 0; i < 400; i++) s.requests.hot(&s.cpu, kOrigin + 0x13010 + 4 * i);
  CHECK(s.spooled().empty());
  s.requests.finish();
  const std::vector<std::string> files = s.spooled();
  REQUIRE(files.size() == 1);
  std::set<std::string> hot;
  std::istringstream lines(s.in_folder(("spool/" + files[0]).c_str()));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("hot ")) hot.insert(line);
  CHECK(hot.size() == 400);
}

// Of who exits, a child asks, which nobody has to wait for.
void exiting() {
  RequestSetup s(Jit::kAsync, kWorker);
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  s.requests.exiting(true);
  for (int i = 0; i < 500 && s.in_folder("requests").empty(); i++) usleep(10000);
  CHECK(s.in_folder("requests") == content_of(s.key(), "hot 13010\n"));
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
  while (waitpid(-1, nullptr, __WALL) > 0) {
  }
}

// A worker that sees other files asks for the module's; there is none to be had.
void unfound() {
  RequestSetup s(Jit::kSync, R"(#!/bin/sh
cd "$1/spool"
for request in *.request; do mv "$request" "${request%.request}.unfound"; done
)");
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  CHECK(s.engine.added.size() == 1 && s.spooled(".unfound").empty() && s.spooled(".module").empty());
}

// A child has no thread and nothing of what its parent will ask for; it asks for its own.
void forked() {
  RequestSetup s(Jit::kAsync, "#!/bin/sh\n");
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  s.requests.lock();
  const pid_t child = fork();
  s.requests.unlock(child == 0);
  if (child == 0) {
    s.requests.finish();
    CHECK(s.spooled().empty() && threads() == 1);
    s.finish(kOrigin + 0x13014);
    CHECK(s.spooled().size() == 1);
    _exit(result());
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  s.requests.finish();
  CHECK(s.spooled().size() == 2);
}

// What is in no module is nobody's business; and a spool that is full stays as it is.
void not_asked_for() {
  RequestSetup s(Jit::kAsync, "#!/bin/sh\n");
  s.finish(kOrigin - 4);
  CHECK(s.spooled().empty());
  for (uint64_t i = 0; i < 300; i++) s.finish(kOrigin + 0x13010);
  CHECK(s.spooled().size() <= 200);
}

// What is hot in several contexts is asked for in a request for each.
void contexts() {
  RequestSetup s(Jit::kAsync, "#!/bin/sh\n");
  pyqemu::CpuHeader other = {};
  other.context[1] = 1;
  s.requests.hot(&s.cpu, kOrigin + 0x13010);
  s.requests.hot(&other, kOrigin + 0x13010);
  s.requests.hot(&other, kOrigin + 0x13020);
  s.requests.finish();
  std::set<std::string> found;
  for (const std::string &name : s.spooled()) found.insert(s.in_folder(("spool/" + name).c_str()));
  std::string second = content_of(s.key(), "hot 13010\nhot 13020\n");
  second.replace(second.find("0 0 0 0"), 7, "0 1 0 0");
  CHECK(found == (std::set<std::string>{content_of(s.key(), "hot 13010\n"), second}));
}

void without_worker() {
  Setup s;
  Options options;
  setenv("PYQEMU_WORKER", "/nonexistent/worker", 1);
  Requests requests;
  CHECK(!requests.start(options, &s.modules) && !requests.possible());
}

// A folder that cannot be made.
void without_folder() {
  RequestSetup s(Jit::kAsync, kWorker);
  s.modules.folder = chosen("/proc/nothing");
  s.finish(kOrigin + 0x13010);
  CHECK(s.engine.added.size() == 1);
}

}  // namespace

int main() {
  waits_for_answer();
  unseen();
  asynchronous();
  pauses();
  at_the_end();
  exiting();
  unfound();
  forked();
  not_asked_for();
  contexts();
  without_worker();
  without_folder();
  return result();
}
