// Counts how often blocks are entered: generated code counts a word down (head_profile) and leaves when it is
// 0. A block is hot the first time. It goes on being counted, for ever longer, so that whoever waits for
// optimised code of it gets to look for that now and then; in the end it is made anew without a counter.
// Under the engine's lock.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "reserved_array.hpp"

namespace pyqemu {

class Profile {
 public:
  static constexpr uint32_t kRounds = 10;
  static constexpr size_t kMost = 1u << 18;  // hot blocks to remember

  // A block is hot when it was entered `threshold` times; 0: nothing is counted. False if there is no address
  // space for the counters of `blocks`.
  bool prepare(uint32_t threshold, size_t blocks) {
    threshold_ = threshold;
    return threshold == 0 || counters_.reserve(blocks);
  }

  // Whether a block at `pc` is to be counted.
  bool wants(uint64_t pc, uint32_t context) const { return threshold_ != 0 && round(pc, context) < kRounds; }
  // Sets the counter of block number `block`, which is at `pc`; gives the counter's address.
  uint64_t start(uint32_t block, uint64_t pc, uint32_t context) {
    counters_.touch(block + 1);
    counters_[block] = entries(round(pc, context));
    return reinterpret_cast<uint64_t>(&counters_[block]);
  }
  // The counter of a block at `pc` has run out: how often that had happened before.
  uint32_t run_out(uint64_t pc, uint32_t context) {
    if (rounds_.size() >= kMost) rounds_.clear();  // a guest that makes code all the time
    return rounds_[key(pc, context)]++;
  }

 private:
  static uint64_t key(uint64_t pc, uint32_t context) { return pc ^ uint64_t{context} << 48; }
  uint32_t round(uint64_t pc, uint32_t context) const {
    auto found = rounds_.find(key(pc, context));
    return found == rounds_.end() ? 0 : found->second;
  }
  uint32_t entries(uint32_t round) const {
    const uint64_t count = uint64_t{threshold_} << 2 * round;
    return count < UINT32_MAX ? static_cast<uint32_t>(count) : UINT32_MAX;
  }

  uint32_t threshold_ = 0;
  ReservedArray<uint32_t> counters_;  // by number of the block
  std::unordered_map<uint64_t, uint32_t> rounds_;
};

}  // namespace pyqemu
