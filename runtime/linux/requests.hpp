// Asks for optimised code of what is hot, by files in the cache folder's spool (docs/archive.md, "Requests"),
// and sees to it that somebody answers. Guest threads only note what is hot: all else is done by a thread of
// its own, which is there while something is asked for. With --jit=sync, by the guest's thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "modules.hpp"
#include "options.hpp"
#include "side_thread.hpp"

namespace pyqemu::user {

class Requests {
 public:
  // Whether there is a worker, so that asking makes sense.
  bool start(const Options &options, Modules *modules);
  bool possible() const { return !worker_.empty(); }

  // A block was found hot (see HotBlock). Any thread.
  void hot(const CpuHeader *cpu, uint64_t pc);

  // The process executes something else, or exits: what was noted is asked for, for the next run. An exiting
  // process that is `alone`, in its only thread, leaves that to a child.
  void finish();
  void exiting(bool alone);
  // The process is about to change who it is, or what it may do: no thread is left that would stay what it
  // was.
  void pause();

  // Around a fork, before and after that of Modules.
  void lock() { mutex_.lock(); }
  void unlock(bool child);

 private:
  static uint32_t side_step(void *requests) { return static_cast<Requests *>(requests)->step(); }
  uint32_t step();
  using Context = std::array<uint64_t, 4>;
  // A hot block: guest address and context.
  struct Hot {
    uint64_t pc;
    Context context;
  };
  void send();
  std::string spool() const { return modules_->folder.path() + "/spool"; }
  std::string write_request(const Module &module, const Context &context,
                            const std::vector<uint64_t> &offsets);
  void wake_worker();
  // A request that was sent: its file, and what it is about.
  struct Asked {
    std::string file;
    std::string module_path, module_key;
    bool handed_over = false;
  };
  bool is_waiting();
  bool ask_again(Asked *asked);
  bool wait_for_results();

  std::mutex mutex_;
  Modules *modules_ = nullptr;
  Jit jit_ = Jit::kOff;
  uint32_t jit_wait_ = 0;
  bool gave_up_ = false;   // a wait came to nothing: there are no more of them
  bool watching_ = false;  // the side thread runs, and is not about to end
  int process_ = 0;        // a vfork child, which is another, asks for nothing
  SideThread side_;
  std::string worker_;
  std::vector<Hot> pending_;
  uint32_t files_ = 0;        // requests
  std::vector<Asked> asked_;  // those that may not be answered
  uint64_t started_ns_ = 0;   // when a worker was started
  uint64_t noted_ns_ = 0,
           sent_ns_ = 0;  // when the first of what is pending was noted, when something was sent
};

}  // namespace pyqemu::user
