// The guest's modules: ELF files that are mapped as program, interpreter or library. Gives the engine their
// archives.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "cache_folder.hpp"
#include "elf_image.hpp"

namespace pyqemu::user {

// What a file is known by among archives (docs/archive.md), as hex digits; empty if it cannot be read.
std::string module_key(int fd, const ElfImage &image);

class Modules {
 public:
  CacheFolder folder;

  // From here on archives go to the engine, those of what was loaded before included.
  void set_engine(Engine *engine);
  // All of the file was mapped, with its first page at `origin`.
  void loaded(int fd, const ElfImage &image, uint64_t origin);
  // A part of the file `fd`, from `offset` on, was mapped at `address`, executable.
  void mapped(int fd, const Abi &abi, uint64_t address, uint64_t offset);

  // Around a fork.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  struct Module {
    std::string key;
    uint64_t origin;
  };

  void add_archives(const Module &module);

  std::mutex mutex_;
  Engine *engine_ = nullptr;
  std::vector<Module> modules_;
};

}  // namespace pyqemu::user
