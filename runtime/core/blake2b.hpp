// BLAKE2b (RFC 7693), with or without a key; digests of 16 bytes are all that archives need.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pyqemu {

class Blake2b {
 public:
  static constexpr size_t kDigestBytes = 16;
  using Digest = std::array<uint8_t, kDigestBytes>;

  // `key`: at most 64 bytes; empty: none.
  explicit Blake2b(std::span<const uint8_t> key = {});

  // Goes on with more of the message.
  Blake2b &add(const void *data, size_t bytes);
  template <typename T>
  Blake2b &add(std::span<const T> records) {
    return add(records.data(), records.size_bytes());
  }

  // Of all that was added; nothing can be added any more.
  Digest finish();

 private:
  static constexpr size_t kBlock = 128;

  void compress(bool last);

  uint64_t state_[8];
  uint64_t count_ = 0;  // message bytes in compressed blocks and in this one
  size_t filled_ = 0;
  uint8_t block_[kBlock] = {};
};

}  // namespace pyqemu
