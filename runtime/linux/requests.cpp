// Requests are text files that are written aside and renamed. Whoever answers one removes it.
#include "requests.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "hand_over.hpp"
#include "quiet_writes.hpp"
#include "worker.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kMilliseconds = 1000000;
constexpr uint64_t kStartEvery = 1000 * kMilliseconds, kStartTakes = 10000 * kMilliseconds;
// A process that has not run for so long asks when it ends. It is about what a worker takes to load and to
// give its first answer: beside a shorter run it would only be in the way.
constexpr uint64_t kShortRun = 500 * kMilliseconds;
constexpr uint64_t kIdle = 1000 * kMilliseconds;       // … but if it only waits, that does not matter
constexpr uint32_t kLookEvery = 20, kLookLater = 500;  // milliseconds
constexpr uint64_t kLater = 10000 * kMilliseconds;
constexpr uint32_t kMostFiles = 200;  // of one process, that nobody waits for
constexpr int kMostInSpool = 1000;
constexpr size_t kMostHot = 4096;  // blocks in one request
constexpr const char *kSuffix = ".request", *kUnfound = ".unfound";

uint64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

int count_files(const std::string &folder) {
  DIR *entries = opendir(folder.c_str());
  int count = 0;
  if (!entries) return kMostInSpool;
  while (readdir(entries)) count++;
  closedir(entries);
  return count;
}

// Whether somebody has the spool's lock. Only asks: taking it for a moment could keep a worker from it.
bool has_worker(const std::string &spool) {
  int fd = open((spool + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  bool held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(fd);
  return held;
}

bool write_file(const std::string &aside, const std::string &path, const std::string &text) {
  QuietWrites quiet;
  int fd = open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (written && rename(aside.c_str(), path.c_str()) == 0) return true;
  unlink(aside.c_str());
  return false;
}

}  // namespace

bool Requests::start(const Options &options, Modules *modules) {
  modules_ = modules;
  jit_ = options.jit;
  jit_wait_ = options.jit_wait;
  process_ = getpid();
  if (modules->folder.wanted()) worker_ = find_worker();
  if (possible()) modules->ask_for_paths();
  return possible();
}

void Requests::hot(const CpuHeader *cpu, uint64_t pc) {
  std::lock_guard guard(mutex_);
  if (getpid() != process_ || pending_.size() >= kMostHot) return;
  if (pending_.empty()) noted_ns_ = now_ns();
  pending_.push_back({pc, std::to_array(cpu->context)});
  if (jit_ != Jit::kSync && !watching_) watching_ = side_.start(side_step, this, kLookEvery);
  if (watching_) return;
  send();
  if (jit_ == Jit::kSync && !gave_up_ && is_waiting()) gave_up_ = !wait_for_results();
  modules_->refresh();
}

// What the side thread does: sends what is pending, and looks for results until all that was sent is
// answered.
uint32_t Requests::step() {
  std::lock_guard guard(mutex_);
  if (now_ns(CLOCK_PROCESS_CPUTIME_ID) < kShortRun && now_ns() - noted_ns_ < kIdle) return kLookEvery;
  if (!pending_.empty()) send();
  watching_ = is_waiting();
  modules_->refresh();
  if (!watching_) return 0;
  wake_worker();  // it may have ended just before the request came
  return now_ns() - sent_ns_ < kLater ? kLookEvery : kLookLater;
}

void Requests::finish() {
  pause();
  std::lock_guard guard(mutex_);
  if (getpid() == process_ && !pending_.empty()) send();
}

void Requests::exiting(bool alone) {
  if (getpid() != process_) return;
  pause();
  std::lock_guard guard(mutex_);
  if (pending_.empty()) return;
  const int child = alone ? go_on_in_child() : -1;
  if (child > 0) return;
  send();
  if (child == 0) _exit(0);
}

void Requests::pause() {
  if (getpid() != process_) return;
  side_.stop();
  std::lock_guard guard(mutex_);
  watching_ = false;
}

void Requests::unlock(bool child) {
  if (child) {
    process_ = getpid();
    pending_.clear();  // the parent asks for these
    watching_ = false;
    side_.forget();
  }
  mutex_.unlock();
}

// One request for each module that pending blocks are in, and each context. What cannot be sent is forgotten.
void Requests::send() {
  std::map<std::pair<uint64_t, Context>, std::pair<Module, std::vector<uint64_t>>> by_kind;
  Module module;
  for (const Hot &hot : pending_) {
    if (!modules_->find(hot.pc, &module)) continue;
    auto &[known, offsets] = by_kind[{module.origin, hot.context}];
    known = module;
    offsets.push_back(hot.pc - module.origin);
  }
  sent_ns_ = now_ns();
  pending_.clear();
  const bool enough = files_ >= kMostFiles && jit_ != Jit::kSync;
  if (by_kind.empty() || enough || !modules_->make_folder()) return;
  mkdir(spool().c_str(), 0700);
  for (const auto &[kind, request] : by_kind) {
    std::string path = write_request(request.first, kind.second, request.second);
    if (!path.empty()) asked_.push_back({path, request.first.path, request.first.key});
  }
  wake_worker();  // also if the spool was full: nobody else would ever empty it
}

// Gives the path of the file; empty if it could not be written.
std::string Requests::write_request(const Module &module, const Context &context,
                                    const std::vector<uint64_t> &offsets) {
  if (module.path.empty() || module.path.find('\n') != std::string::npos) return "";
  if (count_files(spool()) >= kMostInSpool) return "";
  char line[160], name[64];
  const CacheFolder &folder = modules_->folder;
  std::string text =
      "pyqemu-request 1\ndigest " + folder.digest() + "\nfeatures " + folder.features() + "\ncontext";
  for (uint64_t value : context) {
    snprintf(line, sizeof line, " %lx", static_cast<unsigned long>(value));
    text += line;
  }
  text += "\nmodule " + module.key + " " + module.path + "\n";
  for (uint64_t offset : offsets) {
    snprintf(line, sizeof line, "hot %lx\n", static_cast<unsigned long>(offset));
    text += line;
  }
  snprintf(name, sizeof name, "/%d-%lx-%u", getpid(), static_cast<unsigned long>(now_ns()), files_++);
  const std::string path = spool() + name;
  return write_file(path + ".new", path + kSuffix, text) ? path + kSuffix : "";
}

void Requests::wake_worker() {
  const uint64_t now = now_ns();
  if ((started_ns_ != 0 && now - started_ns_ < kStartEvery) || has_worker(spool())) return;
  started_ns_ = now;
  start_worker(worker_, modules_->folder.path());
}

bool Requests::is_waiting() {
  std::erase_if(asked_,
                [this](Asked &asked) { return access(asked.file.c_str(), F_OK) != 0 && !ask_again(&asked); });
  return !asked_.empty();
}

// If the worker did not find the module's file: gives it that file, and the request once more.
bool Requests::ask_again(Asked *asked) {
  const std::string back = asked->file.substr(0, asked->file.size() - strlen(kSuffix)) + kUnfound;
  if (access(back.c_str(), F_OK) != 0) return false;
  const bool again = !asked->handed_over && hand_over(asked->module_path, spool(), asked->module_key) &&
                     rename(back.c_str(), asked->file.c_str()) == 0;
  if (!again) unlink(back.c_str());
  asked->handed_over = true;
  return again;
}

// Until all requests are answered; false if nobody does that.
bool Requests::wait_for_results() {
  const uint64_t begin = now_ns(), longest = jit_wait_ * kMilliseconds * 1000;
  for (uint64_t waited = 0; is_waiting(); waited = now_ns() - begin) {
    if (waited > longest || (waited > kStartTakes && !has_worker(spool()))) return false;
    usleep(1000);
  }
  return true;
}

}  // namespace pyqemu::user
