// A cache folder in a folder of its own, a module's file, and its archives, for tests.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "check.hpp"
#include "fake_engine.hpp"
#include "fake_pack.hpp"
#include "modules.hpp"

using namespace pyqemu::user;

inline constexpr const char *kSubfolder = "0000000000000000-2a";

// A folder of its own that is removed with all that is in it.
struct Scratch {
  std::string path = "/tmp/pyqemu-test-XXXXXX";
  Scratch() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Scratch() { CHECK(system(("rm -rf " + path).c_str()) == 0); }
};

inline CacheFolder chosen(const std::string &path) {
  FakePack pack;
  Options options;
  options.cache = path.c_str();
  CacheFolder folder;
  folder.choose(options, pack, 0x2a);
  return folder;
}

struct File {
  Elf64_Ehdr header;
  Elf64_Phdr segments[3];
  char note[32];
};

inline constexpr uint64_t kLow = 0x40000, kText = 0x53000, kTextOffset = 0x3000;

inline File library() {
  File file = {};
  memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS64;
  file.header.e_ident[EI_DATA] = ELFDATA2LSB;
  file.header.e_type = ET_DYN;
  file.header.e_machine = FakePack::kMachine;
  file.header.e_phoff = offsetof(File, segments);
  file.header.e_phentsize = sizeof(Elf64_Phdr);
  file.header.e_phnum = 3;
  file.segments[0] = {PT_LOAD, PF_R, 0, kLow, kLow, 0x2000, 0x2000, 0x1000};
  file.segments[1] = {PT_LOAD, PF_R | PF_X, kTextOffset + 0x10, kText + 0x10, kText + 0x10, 0x1800,
                      0x1800,  0x1000};
  file.segments[2] = {PT_NOTE, PF_R, offsetof(File, note), 0, 0, sizeof file.note, sizeof file.note, 4};
  memcpy(file.note, "what makes it this file", 24);
  return file;
}

inline int file_with(const File &file) {
  std::vector<char> bytes(0x6000);
  memcpy(bytes.data(), &file, sizeof file);
  const int fd = memfd_create("module", MFD_CLOEXEC);
  REQUIRE(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

inline void put_archive(const CacheFolder &folder, const std::string &name, const char *content) {
  const int fd = open((folder.archives() + "/" + name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0 && write(fd, content, strlen(content)) == static_cast<ssize_t>(strlen(content)));
  close(fd);
}

struct Setup {
  Scratch scratch;
  FakePack pack;
  Abi abi;
  FakeEngine engine;
  Modules modules;
  File file = library();
  int fd = file_with(file);

  Setup() {
    const char *error;
    REQUIRE(Abi::load(pack, &abi, &error));
    modules.folder = chosen(scratch.path + "/cache");
    REQUIRE(modules.folder.make());
    put_archive(modules.folder, key() + ".aot.pqa", "ahead");
    put_archive(modules.folder, key() + ".jit.pqa", "just");
  }
  ~Setup() { close(fd); }
  std::string key() {
    ElfImage image;
    const char *why;
    REQUIRE(read_elf(fd, abi, &image, &why) == FileKind::kGuest);
    return module_key(fd, image);
  }
};
