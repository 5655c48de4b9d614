// The folder that a user's archives lie in (docs/archive.md, "The cache folder"). What is not there, or is
// not the user's alone, is not used, and nothing is said.
#pragma once

#include <cstdint>
#include <string>

#include "../core/engine.hpp"
#include "options.hpp"

namespace pyqemu::user {

class CacheFolder {
 public:
  // Chooses the folder for programs that run on `pack` with a CPU model of these features, and looks whether
  // it is there.
  void choose(const Options &options, const Pack &pack, uint64_t features);

  // Whether there may be one: it was found, or can be made.
  bool wanted() const { return !path_.empty(); }
  // Whether it is there, with a key.
  bool found() const { return found_; }
  // Makes it, with all that is missing; false if that cannot be done.
  bool make();

  const ArchiveKey &key() const { return key_; }
  const std::string &path() const { return path_; }
  // The archives' own folder in it, for pack and CPU model.
  std::string archives() const { return path_ + "/" + subfolder_; }
  // The pack's digest and the CPU model's features, as hex digits.
  const std::string &digest() const { return digest_; }
  const std::string &features() const { return features_; }
  // Opens an archive of module `module_key` (hex digits), of kind `aot`, `jit` or `recent`: a descriptor, or -1.
  int open_archive(const std::string &module_key, const char *kind) const;

 private:
  bool find();

  std::string path_, subfolder_;  // path_: absolute, or empty
  std::string digest_, features_;
  ArchiveKey key_ = {};
  bool found_ = false;
};

}  // namespace pyqemu::user
