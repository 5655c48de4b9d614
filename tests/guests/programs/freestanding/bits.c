// Bits: counts, reversals, rotations, masks, codes.
#include "kernel.h"

KERNEL(population) {
  uint32_t state = opaque(1);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) {
    uint32_t x = next(&state);
    sum = mix(sum,
              (uint32_t)__builtin_popcount(x) + 100u * (uint32_t)__builtin_popcountll((uint64_t)x << 20 | x));
  }
  return sum;
}

KERNEL(leading_trailing) {
  uint32_t state = opaque(2);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) {
    uint32_t x = next(&state) >> (i & 31) | 1u << 31 >> (i % 29);
    uint64_t wide = (uint64_t)x << (i & 31);
    sum = mix(sum, (uint32_t)(__builtin_clz(x) + 64 * __builtin_ctz(x)));
    sum = mix(sum, (uint32_t)(__builtin_clzll(wide) + 64 * __builtin_ctzll(wide)));
  }
  return sum;
}

static uint32_t reversed(uint32_t x) {
  x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
  x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
  x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
  return __builtin_bswap32(x);
}

KERNEL(reverse_bits) {
  uint32_t x = opaque(0x1234567);
  for (uint32_t i = 0; i < 10000; i++) x = reversed(x) + i;
  return x;
}

KERNEL(swap_bytes) {
  uint64_t x = opaque(0x1234567);
  for (uint32_t i = 0; i < 10000; i++)
    x = __builtin_bswap64(x) + __builtin_bswap32((uint32_t)x) + __builtin_bswap16((uint16_t)(x + i));
  return x;
}

KERNEL(rotate) {
  uint32_t x = opaque(0x89abcdef);
  uint64_t y = x;
  for (uint32_t i = 0; i < 10000; i++) {
    x = (x << (i & 31) | x >> (-i & 31)) ^ i;
    y = (y >> (i & 63) | y << (-i & 63)) + x;
  }
  return mix(x, y);
}

KERNEL(gray_code) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 5000; i++) {
    uint32_t gray = (i + opaque(0)) ^ i >> 1, back = gray;
    for (unsigned by = 1; by < 32; by <<= 1) back ^= back >> by;
    sum = mix(sum, gray) + (back == i);
  }
  return sum;
}

KERNEL(morton) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 3000; i++) {
    uint32_t parts[2] = {i * 7 + opaque(0), i * 13};
    for (int k = 0; k < 2; k++) {
      uint32_t x = parts[k] & 0xffff;
      x = (x | x << 8) & 0x00ff00ff, x = (x | x << 4) & 0x0f0f0f0f;
      x = (x | x << 2) & 0x33333333, x = (x | x << 1) & 0x55555555;
      parts[k] = x;
    }
    sum = mix(sum, parts[0] | parts[1] << 1);
  }
  return sum;
}

KERNEL(bit_fields) {
  struct {
    uint32_t a : 3, b : 11, c : 7, d : 11;
    int32_t e : 5, f : 13, g : 14;
  } x = {0};
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 5000; i++) {
    x.a += (x.b & 7) + 1, x.b += i & 0x7ff, x.c ^= x.d & 0x7f, x.d += x.a;
    x.e += 3, x.f += x.e, x.g -= (int)(i & 31);
    sum = mix(sum, x.a + x.b + x.c + x.d + (uint32_t)(x.e + x.f + x.g));
  }
  return sum;
}

KERNEL(bitmap) {
  static uint32_t map[512];
  uint32_t state = opaque(7);
  uint64_t sum = 0;
  memset(map, 0, sizeof map);
  for (int i = 0; i < 8000; i++) {
    uint32_t at = next(&state) % (32 * COUNT(map));
    map[at / 32] ^= 1u << at % 32;
  }
  for (uint32_t i = 0; i < COUNT(map); i++)
    for (uint32_t rest = map[i]; rest; rest &= rest - 1)
      sum = mix(sum, 32 * i + (uint32_t)__builtin_ctz(rest));
  return sum;
}

KERNEL(parity_hamming) {  // (7,4), with one error each
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 2000; i++) {
    uint32_t d = (i + opaque(0)) & 15, code = d << 3;
    static const uint8_t kChecks[] = {0x58, 0x68, 0x70};
    for (unsigned k = 0; k < 3; k++) code |= (uint32_t)(__builtin_popcount(code & kChecks[k]) & 1) << k;
    code ^= 1u << i % 7;
    uint32_t syndrome = 0;
    for (unsigned k = 0; k < 3; k++)
      syndrome |= (uint32_t)(__builtin_popcount(code & (kChecks[k] | 1u << k)) & 1) << k;
    sum = mix(sum, code << 8 | syndrome);
  }
  return sum;
}

KERNEL(next_permutation_bits) {
  uint32_t x = opaque(0x7f);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) {
    uint32_t low = x & -x, ripple = x + low;
    x = ripple | ((x ^ ripple) >> 2) / low;
    sum = mix(sum, x);
  }
  return sum;
}

KERNEL(base64) {
  static const char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t data[300];
  char text[400];
  uint32_t state = opaque(8);
  uint64_t sum = 0;
  for (int round = 0; round < 10; round++) {
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)next(&state);
    for (unsigned i = 0, o = 0; i < sizeof data; i += 3) {
      uint32_t three = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
      for (int by = 18; by >= 0; by -= 6) text[o++] = kDigits[three >> by & 63];
    }
    sum = mix_bytes(sum, text, sizeof text);
  }
  return sum;
}

KERNEL(unaligned) {
  static uint8_t area[512];
  uint32_t state = opaque(9);
  for (unsigned i = 0; i < sizeof area; i++) area[i] = (uint8_t)next(&state);
  for (unsigned i = 0; i < 2000; i++) {
    uint32_t at = next(&state) % 500, word;
    uint64_t wide;
    uint16_t half;
    __builtin_memcpy(&word, area + at, 4);
    __builtin_memcpy(&wide, area + (at ^ 3), 8);
    __builtin_memcpy(&half, area + (at ^ 5), 2);
    wide += word ^ half;
    __builtin_memcpy(area + (at ^ 1), &wide, 8);
  }
  return mix_bytes(0, area, sizeof area);
}
