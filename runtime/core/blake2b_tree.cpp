#include "blake2b_tree.hpp"

#include <cstring>

namespace pyqemu {

using blake2b::kBlock;

Blake2bTree::Blake2bTree(std::span<const uint8_t> key, bool wide) : wide_(wide) {
  for (size_t leaf = 0; leaf < kLeaves; leaf++) {
    uint64_t state[blake2b::kWords];
    Blake2bNode{kLeaves, 2, 0, kInnerBytes, leaf}.begin(state, key.size(), kInnerBytes);
    for (size_t i = 0; i < blake2b::kWords; i++) leaves_.state[i][leaf] = state[i];
    memset(leaves_.row[leaf], 0, kBlock);
    memcpy(leaves_.row[leaf], key.data(), key.size());
  }
  next(false);
}

Blake2bTree &Blake2bTree::add(const void *data, size_t bytes) {
  const auto *from = static_cast<const uint8_t *>(data);
  bytes_ += bytes;
  while (bytes != 0) {
    if (filled_ == kRow) next(false);  // not the last one, as more follows
    const size_t part = bytes < kRow - filled_ ? bytes : kRow - filled_;
    memcpy(reinterpret_cast<uint8_t *>(leaves_.row) + filled_, from, part);
    filled_ += part;
    from += part;
    bytes -= part;
  }
  return *this;
}

Blake2b::Digest Blake2bTree::finish() {
  memset(reinterpret_cast<uint8_t *>(leaves_.row) + filled_, 0, kRow - filled_);
  next(true);
  Blake2b root({}, {kLeaves, 2, 1, kInnerBytes, 0, true, bytes_});
  for (size_t leaf = 0; leaf < kLeaves; leaf++)
    for (size_t i = 0; i < kInnerBytes / 8; i++) root.add(&leaves_.state[i][leaf], 8);
  return root.finish();
}

// Takes the row into the leaves.
void Blake2bTree::next(bool last) {
  leaves_.count += kBlock;
  if (wide_)
    compress_wide(&leaves_, last);
  else
    compress_plain(&leaves_, last);
  filled_ = 0;
}

PYQEMU_WIDE_VECTORS void Blake2bTree::compress_wide(Leaves *leaves, bool last) {
  using Words = blake2b::FourWords;
  Words state[blake2b::kWords], m[kBlock / 8];
  memcpy(state, leaves->state, sizeof state);
  for (size_t i = 0; i < kBlock / 8; i++)
    m[i] = Words{leaves->row[0][i], leaves->row[1][i], leaves->row[2][i], leaves->row[3][i]};
  const uint64_t ones = last ? ~uint64_t{0} : 0;
  blake2b::compress(state, m, Words{} + leaves->count, Words{} + ones, Words{0, 0, 0, ones});
  memcpy(leaves->state, state, sizeof state);
}

void Blake2bTree::compress_plain(Leaves *leaves, bool last) {
  const uint64_t ones = last ? ~uint64_t{0} : 0;
  for (size_t leaf = 0; leaf < kLeaves; leaf++) {
    uint64_t state[blake2b::kWords];
    for (size_t i = 0; i < blake2b::kWords; i++) state[i] = leaves->state[i][leaf];
    blake2b::compress<uint64_t>(state, leaves->row[leaf], leaves->count, ones,
                                leaf == kLeaves - 1 ? ones : 0);
    for (size_t i = 0; i < blake2b::kWords; i++) leaves->state[i][leaf] = state[i];
  }
}

}  // namespace pyqemu
