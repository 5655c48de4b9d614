// Hashes, checksums and ciphers, without instructions for them.
#include "kernel.h"

static uint8_t data[1024];

static const uint8_t *filled(uint32_t seed) {
  uint32_t state = opaque(seed);
  for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)next(&state);
  return data;
}

KERNEL(crc32) {
  const uint8_t *bytes = filled(1);
  uint32_t crc = ~0u;
  for (unsigned i = 0; i < sizeof data; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

KERNEL(crc32_table) {
  static uint32_t table[256];
  const uint8_t *bytes = filled(2);
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
    table[i] = c;
  }
  uint32_t crc = ~0u;
  for (unsigned i = 0; i < sizeof data; i++) crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
  return ~crc;
}

KERNEL(crc64) {
  const uint8_t *bytes = filled(3);
  uint64_t crc = 0;
  for (unsigned i = 0; i < sizeof data; i++) {
    crc ^= (uint64_t)bytes[i] << 56;
    for (int k = 0; k < 8; k++) crc = crc << 1 ^ (crc >> 63 ? 0x42f0e1eba9ea3693u : 0);
  }
  return crc;
}

KERNEL(adler32) {
  const uint8_t *bytes = filled(4);
  uint32_t a = 1, b = 0;
  for (unsigned i = 0; i < sizeof data; i++) a = (a + bytes[i]) % 65521, b = (b + a) % 65521;
  return b << 16 | a;
}

KERNEL(fnv1a) {
  const uint8_t *bytes = filled(5);
  uint32_t small = 2166136261u;
  uint64_t wide = 14695981039346656037u;
  for (unsigned i = 0; i < sizeof data; i++) {
    small = (small ^ bytes[i]) * 16777619u;
    wide = (wide ^ bytes[i]) * 1099511628211u;
  }
  return mix(wide, small);
}

KERNEL(murmur3) {
  const uint8_t *bytes = filled(6);
  uint32_t h = 42;
  for (unsigned i = 0; i < sizeof data; i += 4) {
    uint32_t k;
    __builtin_memcpy(&k, bytes + i, 4);
    k *= 0xcc9e2d51, k = k << 15 | k >> 17, k *= 0x1b873593;
    h ^= k, h = h << 13 | h >> 19, h = h * 5 + 0xe6546b64;
  }
  h ^= sizeof data, h ^= h >> 16, h *= 0x85ebca6b, h ^= h >> 13, h *= 0xc2b2ae35;
  return h ^ h >> 16;
}

#define ROUND(a, b, c, d) a += b, d ^= a, d = d << 13 | d >> 51, c += d, b ^= c, b = b << 17 | b >> 47

KERNEL(siphash_like) {
  const uint8_t *bytes = filled(7);
  uint64_t a = 0x736f6d6570736575, b = 0x646f72616e646f6d, c = 0x6c7967656e657261, d = 0x7465646279746573;
  for (unsigned i = 0; i < sizeof data; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, bytes + i, 8);
    d ^= word;
    ROUND(a, b, c, d);
    ROUND(c, d, a, b);
    a ^= word;
  }
  return a ^ b ^ c ^ d;
}

KERNEL(sha256) {
  static uint32_t k[64];
  uint32_t h[8];
  unsigned found = 0;
  for (uint32_t n = 2; found < 64;
       n++) {  // constants: bits of roots of primes, found by bisection of integers
    uint32_t d = 2;
    while (d * d <= n && n % d) d++;
    if (d * d <= n) continue;
    uint64_t low = 0, high = 8ull << 32;  // cube root, 32 bits behind the point
    for (int i = 0; i < 36; i++) {
      uint64_t middle = (low + high) / 2, a = middle >> 16, cube = a * a >> 8;
      cube = cube * (middle >> 12) >> 20;
      if (cube <= (uint64_t)n << 16 << 4)
        low = middle;
      else
        high = middle;
    }
    k[found] = (uint32_t)low;
    if (found < 8) h[found] = (uint32_t)(low * 2654435761u);
    found++;
  }
  const uint8_t *bytes = filled(8);
  for (unsigned block = 0; block < sizeof data; block += 64) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) {
      uint32_t word;
      __builtin_memcpy(&word, bytes + block + 4 * i, 4);
      w[i] = __builtin_bswap32(word);
    }
#define RIGHT(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (int i = 16; i < 64; i++)
      w[i] = w[i - 16] + w[i - 7] + (RIGHT(w[i - 15], 7) ^ RIGHT(w[i - 15], 18) ^ w[i - 15] >> 3) +
             (RIGHT(w[i - 2], 17) ^ RIGHT(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
      uint32_t one = v[7] + (RIGHT(v[4], 6) ^ RIGHT(v[4], 11) ^ RIGHT(v[4], 25)) +
                     ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
      uint32_t two = (RIGHT(v[0], 2) ^ RIGHT(v[0], 13) ^ RIGHT(v[0], 22)) +
                     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      memmove(v + 1, v, 7 * sizeof *v);
      v[4] += one, v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
  }
  return mix_bytes(0, h, sizeof h);
}

KERNEL(sha1) {
  const uint8_t *bytes = filled(9);
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (unsigned block = 0; block < sizeof data; block += 64) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) {
      __builtin_memcpy(&w[i], bytes + block + 4 * i, 4);
      w[i] = __builtin_bswap32(w[i]);
    }
    for (int i = 16; i < 80; i++)
      w[i] = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], w[i] = w[i] << 1 | w[i] >> 31;
    for (int i = 0; i < 80; i++) {
      uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                   : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
      uint32_t next_a = (a << 5 | a >> 27) + f + e + w[i];
      e = d, d = c, c = b << 30 | b >> 2, b = a, a = next_a;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  return mix_bytes(0, h, sizeof h);
}

static uint8_t times_2(uint8_t x) {
  return (uint8_t)(x << 1 ^ (x >> 7 ? 0x1b : 0));
}

KERNEL(aes) {
  uint8_t box[256], key[176], state[16];
  uint8_t p = 1, q = 1;
  do {  // the S-box by inverses
    p = (uint8_t)(p ^ times_2(p));
    q ^= (uint8_t)(q << 1), q ^= (uint8_t)(q << 2), q ^= (uint8_t)(q << 4);
    q ^= q >> 7 ? 0x09 : 0;
    uint8_t x = (uint8_t)(q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4));
    box[p] = x ^ 0x63;
  } while (p != 1);
  box[0] = 0x63;
  for (unsigned i = 0; i < 16; i++) key[i] = (uint8_t)(i * opaque(17)), state[i] = (uint8_t)(i * 3);
  uint8_t round_constant = 1;
  for (unsigned i = 16; i < 176; i++) {
    uint8_t word = key[i - 4];
    if (i % 16 < 4) {
      word = box[key[i % 4 == 3 ? i - 7 : i - 3]];
      if (i % 16 == 0) word ^= round_constant, round_constant = times_2(round_constant);
    }
    key[i] = key[i - 16] ^ word;
  }
  uint64_t sum = 0;
  for (int block = 0; block < 30; block++) {
    for (unsigned i = 0; i < 16; i++) state[i] ^= key[i];
    for (unsigned round = 1; round <= 10; round++) {
      uint8_t shifted[16];
      for (unsigned i = 0; i < 16; i++) shifted[i] = box[state[(i + 4 * (i % 4)) % 16]];
      for (unsigned c = 0; c < 16; c += 4) {
        uint8_t all = shifted[c] ^ shifted[c + 1] ^ shifted[c + 2] ^ shifted[c + 3];
        for (unsigned i = 0; i < 4; i++) {
          uint8_t mixed =
              (uint8_t)(shifted[c + i] ^ all ^ times_2(shifted[c + i] ^ shifted[c + (i + 1) % 4]));
          state[c + i] = (round == 10 ? shifted[c + i] : mixed) ^ key[16 * round + c + i];
        }
      }
    }
    sum = mix_bytes(sum, state, 16);
  }
  return sum;
}

#define QUARTER(a, b, c, d)                                                                     \
  a += b, d ^= a, d = d << 16 | d >> 16, c += d, b ^= c, b = b << 12 | b >> 20, a += b, d ^= a, \
                  d = d << 8 | d >> 24, c += d, b ^= c, b = b << 7 | b >> 25

KERNEL(chacha20) {
  uint32_t input[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  uint64_t sum = 0;
  for (unsigned i = 4; i < 16; i++) input[i] = i * opaque(0x01010101);
  for (int block = 0; block < 30; block++, input[12]++) {
    uint32_t x[16];
    memcpy(x, input, sizeof x);
    for (int i = 0; i < 10; i++) {
      for (unsigned k = 0; k < 4; k++) QUARTER(x[k], x[k + 4], x[k + 8], x[k + 12]);
      for (unsigned k = 0; k < 4; k++)
        QUARTER(x[k], x[4 + (k + 1) % 4], x[8 + (k + 2) % 4], x[12 + (k + 3) % 4]);
    }
    for (unsigned i = 0; i < 16; i++) sum = mix(sum, x[i] + input[i]);
  }
  return sum;
}

KERNEL(xtea) {
  uint32_t key[4] = {1, 2, opaque(3), 4}, v[2] = {5, 6};
  uint64_t sum = 0;
  for (int block = 0; block < 100; block++) {
    uint32_t total = 0;
    for (int i = 0; i < 32; i++) {
      v[0] += ((v[1] << 4 ^ v[1] >> 5) + v[1]) ^ (total + key[total & 3]);
      total += 0x9e3779b9;
      v[1] += ((v[0] << 4 ^ v[0] >> 5) + v[0]) ^ (total + key[total >> 11 & 3]);
    }
    sum = mix(mix(sum, v[0]), v[1]);
  }
  return sum;
}

KERNEL(rc4) {
  uint8_t s[256], j = 0, i = 0;
  uint64_t sum = 0;
  for (unsigned k = 0; k < 256; k++) s[k] = (uint8_t)k;
  for (unsigned k = 0; k < 256; k++) {
    j = (uint8_t)(j + s[k] + k % 5 + opaque(0));
    uint8_t held = s[k];
    s[k] = s[j], s[j] = held;
  }
  for (int k = 0; k < 3000; k++) {
    i++, j = (uint8_t)(j + s[i]);
    uint8_t held = s[i];
    s[i] = s[j], s[j] = held;
    sum = mix(sum, s[(uint8_t)(s[i] + s[j])]);
  }
  return sum;
}

KERNEL(hash_table) {
  static uint32_t keys[1024], values[1024];
  uint32_t state = opaque(11);
  uint64_t sum = 0;
  memset(keys, 0, sizeof keys), memset(values, 0, sizeof values);
  for (int i = 0; i < 4000; i++) {
    uint32_t key = next(&state) % 700 + 1, at = key * 2654435761u >> 22;
    while (keys[at] && keys[at] != key) at = (at + 1) & 1023;
    keys[at] = key, values[at] += (uint32_t)i;
    sum = mix(sum, at);
  }
  return mix_bytes(sum, values, sizeof values);
}
