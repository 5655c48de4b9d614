// Finds and makes the cache folder. No descriptor stays open: the guest could close it.
#include "cache_folder.hpp"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "quiet_writes.hpp"

namespace pyqemu::user {
namespace {

constexpr mode_t kOthers = 077;

bool is_ours_alone(const struct stat &status, mode_t kind) {
  return (status.st_mode & S_IFMT) == kind && status.st_uid == geteuid() && (status.st_mode & kOthers) == 0;
}

// The folder of the options or the environment; empty if there shall be none.
std::string wanted_path(const Options &options) {
  if (options.cache) return strcmp(options.cache, "none") == 0 ? "" : options.cache;
  if (getauxval(AT_SECURE)) return "";  // the environment is another user's
  const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (xdg && *xdg == '/') return std::string(xdg) + "/pyqemu";
  return home && *home == '/' ? std::string(home) + "/.cache/pyqemu" : "";
}

std::string hex(uint64_t value) {
  char text[20];
  snprintf(text, sizeof text, "%lx", static_cast<unsigned long>(value));
  return text;
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (uint8_t byte : bytes) text += hex(uint64_t{byte} | 0x100).substr(1);
  return text;
}

// A folder of ours alone, or nothing.
int open_folder(int parent, const char *path) {
  int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || (fstat(fd, &status) == 0 && is_ours_alone(status, S_IFDIR))) return fd;
  close(fd);
  return -1;
}

bool read_key(int folder, ArchiveKey *key) {
  int fd = openat(folder, "key", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat status;
  bool good = fstat(fd, &status) == 0 && is_ours_alone(status, S_IFREG) &&
              status.st_size == static_cast<off_t>(key->size()) &&
              read(fd, key->data(), key->size()) == static_cast<ssize_t>(key->size());
  close(fd);
  return good;
}

// Whoever comes first gives the key; a link does not replace one that is there. The file is locked while it is
// written: one that is not was left by a process that was killed, and the worker removes it.
bool make_key(int folder) {
  ArchiveKey key;
  char name[32];
  if (getrandom(key.data(), key.size(), GRND_NONBLOCK) != static_cast<ssize_t>(key.size())) return false;
  snprintf(name, sizeof name, "key.%d.tmp", getpid());
  QuietWrites quiet;
  int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  flock(fd, LOCK_EX);
  bool written = write(fd, key.data(), key.size()) == static_cast<ssize_t>(key.size()) && fsync(fd) == 0;
  if (written) linkat(folder, name, folder, "key", 0);
  unlinkat(folder, name, 0);
  close(fd);
  return written;
}

// As mkdir -p.
void make_folders(const std::string &path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0700);
  mkdir(path.c_str(), 0700);
}

}  // namespace

void CacheFolder::choose(const Options &options, const Pack &pack, uint64_t features) {
  path_ = wanted_path(options);
  digest_ = hex(pack.header().digest);
  features_ = hex(features);
  subfolder_ = digest_.substr(0, 16) + "-" + features_;
  if (wanted()) find();
}

bool CacheFolder::find() {
  int folder = open_folder(AT_FDCWD, path_.c_str());
  if (folder < 0) return false;
  int archives = read_key(folder, &key_) ? open_folder(folder, subfolder_.c_str()) : -1;
  close(folder);
  if (archives >= 0) close(archives);
  return found_ = archives >= 0;
}

bool CacheFolder::make() {
  if (found_ || !wanted()) return found_;
  make_folders(path_);
  int folder = open_folder(AT_FDCWD, path_.c_str());
  if (folder < 0) return false;
  struct stat status;
  bool has_key = fstatat(folder, "key", &status, AT_SYMLINK_NOFOLLOW) == 0 || make_key(folder);
  if (has_key) mkdirat(folder, subfolder_.c_str(), 0700);
  close(folder);
  return find();
}

int CacheFolder::open_archive(const std::string &module_key, const char *kind) const {
  if (!found_) return -1;
  std::string path = archives() + "/" + module_key + "." + kind + ".pqa";
  int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (fd < 0 || (fstat(fd, &status) == 0 && is_ours_alone(status, S_IFREG))) return fd;
  close(fd);
  return -1;
}

}  // namespace pyqemu::user
