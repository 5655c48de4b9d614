// BLAKE2b (RFC 7693), with or without a key; digests of 16 bytes are all that archives need.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "blake2b_rounds.hpp"

namespace pyqemu {

// Where a hash stands in a tree of them (BLAKE2, section 2.10); by itself: a tree of one.
struct Blake2bNode {
  uint8_t fanout = 1, depth = 1;  // of the tree
  uint8_t level = 0;              // 0: a leaf
  uint8_t inner_bytes = 0;        // of digests that are hashed again
  uint64_t number = 0;            // in its level
  bool last = false;              // in its level, of a tree
  uint64_t salt = 0;

  // The state before the first block.
  void begin(uint64_t state[blake2b::kWords], size_t key_bytes, size_t digest_bytes) const;
};

class Blake2b {
 public:
  static constexpr size_t kDigestBytes = 16;
  using Digest = std::array<uint8_t, kDigestBytes>;

  // `key`: at most 64 bytes; empty: none.
  explicit Blake2b(std::span<const uint8_t> key = {}, const Blake2bNode &node = {});

  // Goes on with more of the message.
  Blake2b &add(const void *data, size_t bytes);
  template <typename T>
  Blake2b &add(std::span<const T> records) {
    return add(records.data(), records.size_bytes());
  }

  // Of all that was added; nothing can be added any more.
  Digest finish();

 private:
  void compress(bool last);

  uint64_t state_[blake2b::kWords];
  uint64_t count_ = 0;  // message bytes in compressed blocks and in this one
  size_t filled_ = 0;
  bool last_node_;
  uint8_t block_[blake2b::kBlock] = {};
};

}  // namespace pyqemu
