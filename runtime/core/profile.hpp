// Counts how often blocks are entered: generated code counts a word down (the stencil count_down) and leaves
// when it is 0. The first time, the block is hot. From then on it is entered behind its counter, and costs
// nothing; a way in that was remembered elsewhere may still count.
// Under the engine's lock.
#pragma once

#include <cstdint>
#include <unordered_set>

#include "reserved_array.hpp"

namespace pyqemu {

class Profile {
 public:
  static constexpr size_t kMost = 1u << 18;  // hot blocks to remember

  // A block is hot when it was entered `threshold` times; 0: nothing is counted. False if there is no address
  // space for the counters of `blocks`.
  bool prepare(uint32_t threshold, size_t blocks) {
    threshold_ = threshold;
    return threshold == 0 || counters_.reserve(blocks);
  }

  // Whether a block at `pc` is to be counted: not if it was hot before.
  bool wants(uint64_t pc, uint32_t context) const {
    return threshold_ != 0 && (hot_.empty() || !hot_.contains(key(pc, context)));
  }
  // Sets the counter of block number `block`; gives the counter's address.
  uint64_t start(uint32_t block) {
    counters_.touch(block + 1);
    counters_[block] = threshold_;
    return reinterpret_cast<uint64_t>(&counters_[block]);
  }
  // Says that block number `block` is not counted.
  void leave_out(uint32_t block) {
    if (threshold_ != 0) start(block);
  }
  // Whether a counter has run out, or went on beyond that in another thread. No lock is needed.
  bool has_run_out(uint32_t block) const {
    return threshold_ != 0 && __atomic_load_n(&counters_[block], __ATOMIC_RELAXED) - 1 >= threshold_;
  }
  // The counter of a block at `pc` has run out; it begins anew. Whether that is the first time.
  bool run_out(uint32_t block, uint64_t pc, uint32_t context) {
    counters_[block] = threshold_;
    times_run_out_++;
    if (hot_.size() >= kMost) hot_.clear();  // a guest that makes code all the time
    return hot_.insert(key(pc, context)).second;
  }
  uint64_t times_run_out() const { return times_run_out_; }

 private:
  static uint64_t key(uint64_t pc, uint32_t context) { return pc ^ uint64_t{context} << 48; }

  uint32_t threshold_ = 0;
  uint64_t times_run_out_ = 0;
  ReservedArray<uint32_t> counters_;  // by number of the block
  std::unordered_set<uint64_t> hot_;
};

}  // namespace pyqemu
