// What BLAKE2b does to a block (RFC 7693, sections 2 and 3), for one state or for several side by side:
// `Word` is uint64_t, or a vector of four.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace pyqemu::blake2b {

inline constexpr int kRounds = 12;
inline constexpr size_t kBlock = 128, kWords = 8;  // bytes of a block, words of a state

using FourWords = uint64_t __attribute__((vector_size(32)));

inline constexpr uint64_t kInitial[kWords] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                              0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                              0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// The order of message words in each round; rounds 10 and 11 use the first two again.
inline constexpr uint8_t kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                           {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                           {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                           {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                           {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                           {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                           {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                           {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                           {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                           {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

// Rotates the bits of `to` ^ `with` right, into `to`.
template <int kBits>
[[gnu::always_inline]] inline void rotate_xor(uint64_t &to, const uint64_t &with) {
  to = std::rotr(to ^ with, kBits);
}

// … of each word of a vector: by whole bytes in one instruction, where vectors are wide enough.
template <int kBits>
[[gnu::always_inline]] inline void rotate_xor(FourWords &to, const FourWords &with) {
  using Bytes = uint8_t __attribute__((vector_size(sizeof(FourWords))));
  to ^= with;
  if constexpr (kBits % 8 == 0) {
    Bytes from = {};
    for (size_t i = 0; i < sizeof from; i++) from[i] = (i & ~size_t{7}) | ((i + kBits / 8) & 7);
    to = reinterpret_cast<FourWords>(__builtin_shuffle(reinterpret_cast<Bytes>(to), from));
  } else {
    to = to >> kBits | to << (64 - kBits);
  }
}

template <typename Word>
[[gnu::always_inline]] inline void mix(Word *v, int a, int b, int c, int d, const Word &x, const Word &y) {
  v[a] += v[b] + x;
  rotate_xor<32>(v[d], v[a]);
  v[c] += v[d];
  rotate_xor<24>(v[b], v[c]);
  v[a] += v[b] + y;
  rotate_xor<16>(v[d], v[a]);
  v[c] += v[d];
  rotate_xor<63>(v[b], v[c]);
}

template <size_t kRound, typename Word>
[[gnu::always_inline]] inline void mix_round(Word *v, const Word *m) {
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
template <typename Word, size_t... kRound>
[[gnu::always_inline]] inline void mix_rounds(Word *v, const Word *m, std::index_sequence<kRound...>) {
  (mix_round<kRound>(v, m), ...);
}

// Takes the block `m` into the state. `count`: message bytes up to its end. `last`: it is the last one; and
// `last_node`: of the last node of its level of a tree. Both are all ones or 0.
template <typename Word>
[[gnu::always_inline]] inline void compress(Word *state, const Word *m, const Word &count, const Word &last,
                                            const Word &last_node) {
  Word v[16];
  for (size_t i = 0; i < kWords; i++) {
    v[i] = state[i];
    v[kWords + i] = Word{} + kInitial[i];
  }
  v[12] ^= count;
  v[14] ^= last;
  v[15] ^= last_node;
  mix_rounds(v, m, std::make_index_sequence<kRounds>());
  for (size_t i = 0; i < kWords; i++) state[i] ^= v[i] ^ v[kWords + i];
}

}  // namespace pyqemu::blake2b
