// Asks for optimised code of what is hot, by files in the cache folder's spool (docs/archive.md, "Requests"),
// and sees to it that somebody answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "modules.hpp"
#include "options.hpp"

namespace pyqemu::user {

class Requests {
 public:
  // Whether there is a worker, so that asking makes sense.
  bool start(const Options &options, Modules *modules);
  bool possible() const { return !worker_.empty(); }

  // A block was found hot (see HotBlock). Any thread.
  void hot(const CpuHeader *cpu, uint64_t pc, uint32_t round);

  // Around a fork, before and after that of Modules.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  bool in_first_context(const CpuHeader *cpu);
  void send();
  std::string spool() const { return modules_->folder.path() + "/spool"; }
  std::string write_request(const Module &module, const std::vector<uint64_t> &offsets);
  void wake_worker();
  bool is_waiting() const;
  bool wait_for_results() const;
  void look_for_results(bool now);

  std::mutex mutex_;
  Modules *modules_ = nullptr;
  Jit jit_ = Jit::kOff;
  uint32_t jit_wait_ = 0;
  bool gave_up_ = false;  // a wait came to nothing: there are no more of them
  std::string worker_;
  uint64_t context_[4] = {};  // the first CPU's: what regions are made for
  bool context_known_ = false;
  std::vector<uint64_t> pending_;  // guest addresses of hot blocks
  uint64_t sent_ = 0;              // hot blocks in requests
  uint32_t files_ = 0;             // requests
  std::string last_;               // path of the last one
  uint64_t started_ns_ = 0, looked_ns_ = 0;
};

}  // namespace pyqemu::user
