// Messages are shorter than 2^64 bytes, so the upper half of the counter stays 0.
#include "blake2b.hpp"

#include <cstring>

namespace pyqemu {

using blake2b::kBlock;

void Blake2bNode::begin(uint64_t state[blake2b::kWords], size_t key_bytes, size_t digest_bytes) const {
  memcpy(state, blake2b::kInitial, sizeof blake2b::kInitial);
  state[0] ^= uint64_t{depth} << 24 | uint64_t{fanout} << 16 | uint64_t{key_bytes} << 8 | digest_bytes;
  state[1] ^= number;
  state[2] ^= uint64_t{inner_bytes} << 8 | level;
  state[4] ^= salt;
}

Blake2b::Blake2b(std::span<const uint8_t> key, const Blake2bNode &node) : last_node_(node.last) {
  node.begin(state_, key.size(), kDigestBytes);
  if (key.empty()) return;
  memcpy(block_, key.data(), key.size());
  filled_ = count_ = kBlock;
}

Blake2b &Blake2b::add(const void *data, size_t bytes) {
  const auto *from = static_cast<const uint8_t *>(data);
  while (bytes != 0) {
    if (filled_ == kBlock) {  // not the last block, as more follows
      compress(false);
      filled_ = 0;
    }
    const size_t part = bytes < kBlock - filled_ ? bytes : kBlock - filled_;
    memcpy(block_ + filled_, from, part);
    filled_ += part;
    count_ += part;
    from += part;
    bytes -= part;
  }
  return *this;
}

Blake2b::Digest Blake2b::finish() {
  memset(block_ + filled_, 0, kBlock - filled_);
  compress(true);
  Digest digest;
  memcpy(digest.data(), state_, kDigestBytes);
  return digest;
}

void Blake2b::compress(bool last) {
  uint64_t m[16];
  memcpy(m, block_, sizeof m);
  blake2b::compress<uint64_t>(state_, m, count_, last ? ~uint64_t{0} : 0,
                              last && last_node_ ? ~uint64_t{0} : 0);
}

}  // namespace pyqemu
