// RFC 7693, sections 2 and 3. Messages are shorter than 2^64 bytes, so the upper half of the counter stays 0.
#include "blake2b.hpp"

#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

namespace pyqemu {
namespace {

constexpr int kRounds = 12;

constexpr uint64_t kInitial[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                  0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                  0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// The order of message words in each round; rounds 10 and 11 use the first two again.
constexpr uint8_t kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 63);
}

template <size_t kRound>
inline void mix_round(uint64_t *v, const uint64_t *m) {
  constexpr const uint8_t *s = kSigma[kRound % std::size(kSigma)];
  mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
  mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
  mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
  mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
  mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
  mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
  mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
  mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
}

// Rounds are written out: places in `v` and `m` that are known make them nearly twice as fast.
template <size_t... kRound>
inline void mix_rounds(uint64_t *v, const uint64_t *m, std::index_sequence<kRound...>) {
  (mix_round<kRound>(v, m), ...);
}

}  // namespace

Blake2b::Blake2b(std::span<const uint8_t> key) {
  memcpy(state_, kInitial, sizeof state_);
  state_[0] ^= 0x01010000 ^ (uint64_t{key.size()} << 8) ^ kDigestBytes;
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
  uint64_t m[16], v[16];
  memcpy(m, block_, sizeof m);
  memcpy(v, state_, sizeof state_);
  memcpy(v + 8, kInitial, sizeof kInitial);
  v[12] ^= count_;
  if (last) v[14] = ~v[14];
  mix_rounds(v, m, std::make_index_sequence<kRounds>());
  for (int i = 0; i < 8; i++) state_[i] ^= v[i] ^ v[8 + i];
}

}  // namespace pyqemu
