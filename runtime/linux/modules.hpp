// The guest's modules: ELF files that are mapped as program, interpreter or library. Gives the engine their
// archives.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "cache_folder.hpp"
#include "elf_image.hpp"

namespace pyqemu::user {

struct Module {
  std::string key;   // what its file is known by among archives (docs/archive.md), as hex digits
  std::string path;  // of its file, where that was asked for
  uint64_t origin = 0, extent = 0;
};

// Empty if the file cannot be read.
std::string module_key(int fd, const ElfImage &image);

class Modules {
 public:
  CacheFolder folder;

  // Modules are noted if the cache folder is there, or if `asked` for, with their paths.
  void ask_for_paths() { with_paths_ = true; }

  // From here on archives go to the engine, those of what was loaded before included.
  void set_engine(Engine *engine);
  // All of the file was mapped, with its first page at `origin`.
  void loaded(int fd, const ElfImage &image, uint64_t origin);
  // A part of the file `fd`, from `offset` on, was mapped at `address`, executable.
  void mapped(int fd, const Abi &abi, uint64_t address, uint64_t offset);

  // The module that has `pc`; false if none has.
  bool find(uint64_t pc, Module *module);
  // Makes the cache folder if it is not there.
  bool make_folder();
  // Gives the engine what the worker has made since.
  void refresh();

  // Around a fork.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  // A file as it was when it was opened: another one of that name is a newer one.
  struct Identity {
    ino_t inode = 0;
    timespec modified = {};
  };
  struct Known {
    Module module;
    Identity jit, recent;  // of the worker's archives
  };

  bool noted() const { return folder.found() || with_paths_; }
  void add_archives(Known *known);
  void add_worker_archives(Known *known);
  void add_archive(const Known &known, const char *kind, Identity *identity);

  std::mutex mutex_;
  Engine *engine_ = nullptr;
  bool with_paths_ = false;
  std::vector<Known> modules_;
};

}  // namespace pyqemu::user
