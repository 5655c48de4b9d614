// Random numbers, and big ones, in limbs of 32 bits.
#include "kernel.h"

KERNEL(mersenne_twister) {
  static uint32_t mt[624];
  uint64_t sum = 0;
  mt[0] = opaque(5489);
  for (uint32_t i = 1; i < 624; i++) mt[i] = 1812433253u * (mt[i - 1] ^ mt[i - 1] >> 30) + i;
  for (int round = 0; round < 5; round++)
    for (unsigned i = 0; i < 624; i++) {
      uint32_t y = (mt[i] & 0x80000000) | (mt[(i + 1) % 624] & 0x7fffffff);
      mt[i] = mt[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0df : 0);
      y = mt[i], y ^= y >> 11, y ^= y << 7 & 0x9d2c5680, y ^= y << 15 & 0xefc60000;
      sum = mix(sum, y ^ y >> 18);
    }
  return sum;
}

KERNEL(pcg) {
  uint64_t state = opaque(42), sum = 0;
  for (int i = 0; i < 5000; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint32_t shifted = (uint32_t)((state >> 18 ^ state) >> 27), by = (uint32_t)(state >> 59);
    sum = mix(sum, shifted >> by | shifted << (-by & 31));
  }
  return sum;
}

KERNEL(xoshiro) {
  uint64_t s[4] = {opaque(1), 2, 3, 4}, sum = 0;
  for (int i = 0; i < 5000; i++) {
    uint64_t result = s[1] * 5, t = s[1] << 17;
    sum = mix(sum, (result << 7 | result >> 57) * 9);
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
  }
  return sum;
}

KERNEL(monte_carlo) {
  uint32_t state = opaque(11), inside = 0;
  for (int i = 0; i < 10000; i++) {
    double x = unit(&state), y = unit(&state);
    inside += x * x + y * y < 1;
  }
  return inside;
}

KERNEL(factorial) {
  static uint32_t limbs[64];
  memset(limbs, 0, sizeof limbs);
  limbs[0] = opaque(1);
  for (uint32_t n = 2; n <= 300; n++) {
    uint64_t carry = 0;
    for (unsigned i = 0; i < COUNT(limbs); i++) {
      carry += (uint64_t)limbs[i] * n;
      limbs[i] = (uint32_t)carry, carry >>= 32;
    }
  }
  return mix_bytes(0, limbs, sizeof limbs);
}

KERNEL(big_multiply) {
  static uint32_t a[24], b[24], product[48];
  uint32_t state = opaque(16);
  for (unsigned i = 0; i < 24; i++) a[i] = next(&state), b[i] = next(&state);
  memset(product, 0, sizeof product);
  for (unsigned i = 0; i < 24; i++) {
    uint64_t carry = 0;
    for (unsigned j = 0; j < 24; j++) {
      carry += (uint64_t)a[i] * b[j] + product[i + j];
      product[i + j] = (uint32_t)carry, carry >>= 32;
    }
    product[i + 24] = (uint32_t)carry;
  }
  return mix_bytes(0, product, sizeof product);
}

KERNEL(big_divide) {
  static uint32_t limbs[32];
  uint32_t state = opaque(17);
  uint64_t sum = 0;
  for (unsigned i = 0; i < COUNT(limbs); i++) limbs[i] = next(&state);
  for (int round = 0; round < 20; round++) {
    uint64_t rest = 0;
    for (unsigned i = COUNT(limbs); i-- > 0;) {
      rest = rest << 32 | limbs[i];
      limbs[i] = (uint32_t)(rest / 1000000007u), rest %= 1000000007u;
    }
    sum = mix(sum, rest);
  }
  return mix_bytes(sum, limbs, sizeof limbs);
}

KERNEL(digits_of_e) {
  static uint16_t a[120];
  uint64_t sum = 0;
  for (unsigned i = 0; i < COUNT(a); i++) a[i] = 1;
  for (int digit = 0; digit < 100; digit++) {
    uint32_t carry = 0;
    for (unsigned i = COUNT(a); i-- > 0;) {
      uint32_t x = a[i] * 10u + carry;
      a[i] = (uint16_t)(x % (i + 2)), carry = x / (i + 2);
    }
    sum = mix(sum, carry + opaque(0));
  }
  return sum;
}
