#include "hand_over.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pyqemu::user {
namespace {

constexpr off_t kMostBytes = 256 << 20;

bool copy(int from, int to, off_t bytes) {
  while (bytes > 0) {
    const ssize_t done = sendfile(to, from, nullptr, static_cast<size_t>(bytes));
    if (done <= 0) return false;
    bytes -= done;
  }
  return true;
}

}  // namespace

bool hand_over(const std::string &path, const std::string &spool, const std::string &key) {
  const std::string name = spool + "/" + key + ".module", aside = name + "." + std::to_string(getpid());
  if (access(name.c_str(), F_OK) == 0) return true;
  const int from = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (from < 0) return false;
  struct stat status;
  bool done = false;
  if (fstat(from, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= kMostBytes) {
    const int to = open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to >= 0) {
      done = copy(from, to, status.st_size);
      close(to);
      done = done && rename(aside.c_str(), name.c_str()) == 0;
      if (!done) unlink(aside.c_str());
    }
  }
  close(from);
  return done;
}

}  // namespace pyqemu::user
