// The cache folder, which has to be the user's alone, and the modules whose archives are taken from it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "blake2b.hpp"
#include "check.hpp"
#include "module_setup.hpp"
#include "modules.hpp"

using namespace pyqemu;
using namespace pyqemu::user;

namespace {

void made_and_found() {
  Scratch scratch;
  const std::string path = scratch.path + "/a/b";
  CacheFolder first = chosen(path);
  CHECK(first.wanted() && !first.found() && access(path.c_str(), F_OK) != 0);
  REQUIRE(first.make() && first.found());
  struct stat status;
  CHECK(stat(path.c_str(), &status) == 0 && (status.st_mode & 0777) == 0700);
  CHECK(stat((path + "/" + kSubfolder).c_str(), &status) == 0 && (status.st_mode & 0777) == 0700);
  CHECK(stat((path + "/key").c_str(), &status) == 0 && (status.st_mode & 0777) == 0600 &&
        status.st_size == 32);
  CacheFolder second = chosen(path);
  CHECK(second.found() && second.key() == first.key() && second.key() != ArchiveKey{});
  CHECK(second.make() && second.key() == first.key());
  CHECK(!chosen("none").wanted());
}

void refused() {
  Scratch scratch;
  const std::string path = scratch.path + "/c", key = path + "/key", sub = path + "/" + kSubfolder;
  REQUIRE(chosen(path).make());
  for (const std::string &part : {path, key, sub}) {
    const mode_t good = part == key ? 0600 : 0700;
    for (mode_t bad : {good | 040, good | 020, good | 04, good | 02}) {
      REQUIRE(chmod(part.c_str(), bad) == 0);
      CHECK(!chosen(path).found() && !chosen(path).make());
    }
    REQUIRE(chmod(part.c_str(), good) == 0);
    CHECK(chosen(path).found());
  }
  REQUIRE(truncate(key.c_str(), 31) == 0);
  CHECK(!chosen(path).found() && !chosen(path).make());
  CHECK(!chosen("/proc/nothing").make() && !chosen("/proc/nothing").found());
  if (geteuid() != 0) return;
  REQUIRE(unlink(key.c_str()) == 0 && chosen(path).make());
  for (const std::string &part : {path, key, sub}) {
    REQUIRE(chown(part.c_str(), 12345, 0) == 0);
    CHECK(!chosen(path).found());
    REQUIRE(chown(part.c_str(), 0, 0) == 0);
  }
}

void from_environment() {
  auto path = [] {
    FakePack pack;
    Options options;
    CacheFolder folder;
    folder.choose(options, pack, 0);
    return folder.path();
  };
  setenv("HOME", "/nowhere", 1);
  unsetenv("XDG_CACHE_HOME");
  CHECK(path() == "/nowhere/.cache/pyqemu");
  setenv("XDG_CACHE_HOME", "/else", 1);
  CHECK(path() == "/else/pyqemu");
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "relative", 1);
  CHECK(path().empty());
}

// --- modules ---

// The key as docs/archive.md has it, and that it depends on all of that.
void keys() {
  Setup s;
  const uint64_t size = 0x6000;
  Blake2b::Digest digest = Blake2b()
                               .add(&size, sizeof size)
                               .add(&s.file.header, 64)
                               .add(&s.file.segments, 3 * sizeof(Elf64_Phdr))
                               .add(&s.file.note, sizeof s.file.note)
                               .finish();
  const std::string key = s.key();
  char start[5];
  snprintf(start, sizeof start, "%02x%02x", digest[0], digest[1]);
  CHECK(key.size() == 32 && key.compare(0, 4, start) == 0);
  REQUIRE(ftruncate(s.fd, 0x6001) == 0);
  CHECK(s.key() != key);
  REQUIRE(ftruncate(s.fd, 0x6000) == 0 && s.key() == key);
  REQUIRE(pwrite(s.fd, "W", 1, offsetof(File, note)) == 1);
  CHECK(s.key() != key);
}

void mapped_parts() {
  Setup s;
  constexpr uint64_t kBase = 0x7000000000;
  s.modules.set_engine(&s.engine);
  s.modules.mapped(s.fd, s.abi, kBase + kText - kLow, kTextOffset);
  REQUIRE(s.engine.added.size() == 2);
  CHECK(s.engine.added[0].content == "ahead" && s.engine.added[1].content == "just");
  CHECK(s.engine.added[0].origin == kBase && s.engine.added[1].origin == kBase);
  s.modules.mapped(s.fd, s.abi, kBase + kText - kLow + 0x1000, kTextOffset + 0x1000);  // its second page
  CHECK(s.engine.added.size() == 4 && s.engine.added[3].origin == kBase);
  s.modules.mapped(s.fd, s.abi, kBase, 0);  // not what the file says is code
  s.modules.mapped(s.fd, s.abi, kBase, 0x5000);
  s.modules.mapped(-1, s.abi, kBase, 0);
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  s.modules.mapped(pipes[0], s.abi, kBase, 0);
  CHECK(s.engine.added.size() == 4);
}

// What is loaded before there is an engine is given to it later.
void loaded_early() {
  Setup s;
  ElfImage image;
  const char *why;
  REQUIRE(read_elf(s.fd, s.abi, &image, &why) == FileKind::kGuest);
  s.modules.loaded(s.fd, image, 0x1000);
  CHECK(s.engine.added.empty());
  s.modules.set_engine(&s.engine);
  CHECK(s.engine.added.size() == 2 && s.engine.added[0].origin == 0x1000);
}

}  // namespace

int main() {
  made_and_found();
  refused();
  from_environment();
  keys();
  mapped_parts();
  loaded_early();
  return result();
}
