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

#include "worker.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kMilliseconds = 1000000;
constexpr uint64_t kLookEvery = 20 * kMilliseconds, kStartEvery = 1000 * kMilliseconds;
constexpr uint64_t kStartTakes = 10000 * kMilliseconds;
constexpr uint32_t kMostFiles = 200;  // of one process
constexpr int kMostInSpool = 1000;
constexpr size_t kMostHot = 4096;  // blocks in one request
constexpr const char *kSuffix = ".request";

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
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
  if (modules->folder.wanted()) worker_ = find_worker();
  if (possible()) modules->ask_for_paths();
  return possible();
}

void Requests::hot(const CpuHeader *cpu, uint64_t pc, uint32_t round) {
  std::lock_guard guard(mutex_);
  if (round == 0 && pending_.size() < kMostHot && in_first_context(cpu)) pending_.push_back(pc);
  const bool sync = jit_ == Jit::kSync;
  // Few at first, so that the hottest loop does not wait for others; then more at a time.
  if (!pending_.empty() && (sync || pending_.size() > sent_ / 4)) send();
  if (sync && round == 0 && !gave_up_ && is_waiting()) gave_up_ = !wait_for_results();
  look_for_results(sync);
}

bool Requests::in_first_context(const CpuHeader *cpu) {
  if (!context_known_) memcpy(context_, cpu->context, sizeof context_);
  context_known_ = true;
  return memcmp(context_, cpu->context, sizeof context_) == 0;
}

// One request for each module that pending blocks are in. What cannot be sent is forgotten.
void Requests::send() {
  std::map<uint64_t, std::pair<Module, std::vector<uint64_t>>> by_origin;
  Module module;
  for (uint64_t pc : pending_) {
    if (!modules_->find(pc, &module)) continue;
    auto &[known, offsets] = by_origin[module.origin];
    known = module;
    offsets.push_back(pc - module.origin);
  }
  sent_ += pending_.size();
  pending_.clear();
  if (by_origin.empty() || files_ >= kMostFiles || !modules_->make_folder()) return;
  mkdir(spool().c_str(), 0700);
  for (const auto &[origin, request] : by_origin) {
    std::string path = write_request(request.first, request.second);
    if (!path.empty()) last_ = path;
  }
  wake_worker();  // also if the spool was full: nobody else would ever empty it
}

// Gives the path of the file; empty if it could not be written.
std::string Requests::write_request(const Module &module, const std::vector<uint64_t> &offsets) {
  if (module.path.empty() || module.path.find('\n') != std::string::npos) return "";
  if (count_files(spool()) >= kMostInSpool) return "";
  char line[160], name[64];
  const CacheFolder &folder = modules_->folder;
  std::string text =
      "pyqemu-request 1\ndigest " + folder.digest() + "\nfeatures " + folder.features() + "\ncontext";
  for (uint64_t value : context_) {
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

bool Requests::is_waiting() const {
  return !last_.empty() && access(last_.c_str(), F_OK) == 0;
}

// Until the last request was answered; false if nobody does that.
bool Requests::wait_for_results() const {
  const uint64_t begin = now_ns(), longest = jit_wait_ * kMilliseconds * 1000;
  for (uint64_t waited = 0; is_waiting(); waited = now_ns() - begin) {
    if (waited > longest || (waited > kStartTakes && !has_worker(spool()))) return false;
    usleep(1000);
  }
  return true;
}

void Requests::look_for_results(bool now) {
  const uint64_t time = now_ns();
  if (!now && time - looked_ns_ < kLookEvery) return;
  looked_ns_ = time;
  modules_->refresh();
  if (is_waiting()) wake_worker();  // it may have ended just before the request came
}

}  // namespace pyqemu::user
