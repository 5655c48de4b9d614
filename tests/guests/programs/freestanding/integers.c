// Integers of 8 to 64 bits: arithmetic, carries, division, conversions, fixed point.
#include "kernel.h"

KERNEL(add_chain) {
  uint32_t x = opaque(1), y = opaque(7);
  for (int i = 0; i < 20000; i++) x += y, y = (y ^ x) + (uint32_t)i;
  return mix(x, y);
}

KERNEL(multiply_32) {
  uint32_t x = opaque(0x12345671);
  for (int i = 0; i < 20000; i++) x = x * 1664525 + 1013904223;
  return x;
}

KERNEL(multiply_high) {
  uint32_t state = opaque(3);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) {
    int32_t a = (int32_t)next(&state), b = (int32_t)next(&state);
    sum = mix(sum, (uint64_t)((int64_t)a * b) >> 32);
    sum = mix(sum, (uint64_t)(uint32_t)a * (uint32_t)b >> 32);
  }
  return sum;
}

KERNEL(divide_32) {
  uint32_t state = opaque(5);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) {
    uint32_t a = next(&state), b = (next(&state) >> (i & 31)) | 1;
    sum = mix(sum, a / b), sum = mix(sum, a % b);
    int32_t c = (int32_t)a, d = (int32_t)b | 2;
    sum = mix(sum, (uint32_t)(c / d)), sum = mix(sum, (uint32_t)(c % d));
  }
  return sum;
}

KERNEL(divide_by_constants) {
  uint32_t state = opaque(9);
  uint64_t sum = 0;
  for (int i = 0; i < 4000; i++) {
    uint32_t x = next(&state);
    int32_t y = (int32_t)x;
    sum = mix(sum, x / 3 + x / 7 + x % 10 + x / 641 + x / 1000000007);
    sum = mix(sum, (uint32_t)(y / 3 - y / 7 + y % 10 + y / -13));
  }
  return sum;
}

KERNEL(narrow_arithmetic) {
  int8_t a = (int8_t)opaque(100);
  uint8_t b = (uint8_t)opaque(200);
  int16_t c = (int16_t)opaque(30000);
  uint16_t d = (uint16_t)opaque(60000);
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) {
    a = (int8_t)(a * 3 + i), b = (uint8_t)(b * 5 - i), c = (int16_t)(c * 7 + a), d = (uint16_t)(d * 11 + b);
    sum = mix(sum, (uint32_t)(a + b + c + d));
  }
  return sum;
}

KERNEL(add_64) {
  uint64_t x = opaque(1), y = opaque(2);
  for (int i = 0; i < 20000; i++) {
    x += y;
    y = (y << 1 | y >> 63) - x;
  }
  return mix(x, y);
}

KERNEL(multiply_64) {
  uint64_t x = opaque(1) | 1ull << 40;
  for (int i = 0; i < 20000; i++) x = x * 6364136223846793005u + 1442695040888963407u;
  return x;
}

KERNEL(divide_64) {
  uint32_t state = opaque(11);
  uint64_t sum = 0;
  for (int i = 0; i < 300; i++) {
    uint64_t a = next64(&state), b = next64(&state) >> (i & 63) | 1;
    sum = mix(sum, a / b), sum = mix(sum, a % b);
    sum = mix(sum, (uint64_t)((int64_t)a / (int64_t)(b | 4))),
    sum = mix(sum, (uint64_t)((int64_t)a % (int64_t)(b | 4)));
  }
  return sum;
}

KERNEL(shift_64) {
  uint32_t state = opaque(13);
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) {
    uint64_t x = next64(&state);
    unsigned by = next(&state) & 63;
    sum += x << by ^ x >> by ^ (uint64_t)((int64_t)x >> by);
    sum = mix(sum, x >> 32 | x << 32);
  }
  return sum;
}

KERNEL(compare_64) {
  uint32_t state = opaque(17);
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) {
    int64_t a = (int64_t)next64(&state) >> (i & 31), b = (int32_t)next(&state);
    sum = sum * 3 + (a < b) + 2 * (a <= b) + 4 * ((uint64_t)a < (uint64_t)b) + 8 * (a == b) + 16 * (a < 0);
  }
  return sum;
}

KERNEL(carry_chain) {
  uint32_t words[8], state = opaque(19);
  for (unsigned i = 0; i < 8; i++) words[i] = next(&state);
  for (int round = 0; round < 2000; round++) {
    uint32_t carry = 1;
    for (unsigned i = 0; i < 8; i++) {
      uint32_t added;
      carry = __builtin_add_overflow(words[i], words[(i + 3) & 7], &added) |
              __builtin_add_overflow(added, carry, &added);
      words[i] = added;
    }
  }
  return mix_bytes(0, words, sizeof words);
}

KERNEL(overflow) {
  uint32_t state = opaque(23);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) {
    int32_t a = (int32_t)next(&state), b = (int32_t)next(&state) >> (i & 31), r;
    int64_t wide;
    sum = sum * 2 + __builtin_add_overflow(a, b, &r);
    sum = mix(sum, (uint32_t)r) + __builtin_sub_overflow(a, b, &r);
    sum = mix(sum, (uint32_t)r) + __builtin_mul_overflow(a, b, &r);
    sum = mix(sum, (uint32_t)r) + __builtin_add_overflow((int64_t)a << 32, (int64_t)b << 32, &wide);
    sum = mix(sum, (uint64_t)wide);
  }
  return sum;
}

KERNEL(gcd) {
  uint32_t state = opaque(29);
  uint64_t sum = 0;
  for (int i = 0; i < 1000; i++) {
    uint32_t a = next(&state), b = next(&state);
    while (b) {
      uint32_t rest = a % b;
      a = b, b = rest;
    }
    sum = mix(sum, a);
  }
  return sum;
}

static uint64_t power(uint64_t base, uint64_t exponent, uint32_t modulus) {
  uint64_t result = 1;
  for (base %= modulus; exponent; exponent >>= 1, base = base * base % modulus)
    if (exponent & 1) result = result * base % modulus;
  return result;
}

KERNEL(modular_power) {
  uint32_t state = opaque(31);
  uint64_t sum = 0;
  for (int i = 0; i < 20; i++) {
    uint32_t base = next(&state), exponent = next(&state), modulus = next(&state) | 1;
    sum = mix(sum, power(base, exponent, modulus));
  }
  return sum;
}

KERNEL(primes) {
  static uint8_t composite[20000];
  uint64_t sum = 0;
  memset(composite, 0, sizeof composite);
  for (uint32_t i = 2; i < sizeof composite; i++) {
    if (composite[i]) continue;
    sum = mix(sum, i);
    for (uint32_t j = i * i; j < sizeof composite && i < 200; j += i) composite[j] = 1;
  }
  return sum;
}

KERNEL(is_prime) {
  uint64_t sum = 0;
  for (uint32_t n = opaque(1000000001); n < 1000000201; n += 2) {
    uint32_t d = 3;
    while (d * d <= n && n % d) d += 2;
    if (d * d > n) sum = mix(sum, n);
  }
  return sum;
}

KERNEL(square_root) {
  uint64_t sum = 0;
  uint32_t state = opaque(37);
  for (int i = 0; i < 2000; i++) {
    uint32_t n = next(&state), root = 0;
    for (uint32_t bit = 1u << 15; bit; bit >>= 1)
      if ((root | bit) * (root | bit) <= n) root |= bit;
    sum = mix(sum, root);
  }
  return sum;
}

KERNEL(fixed_point) {  // 16.16, as a filter
  int32_t y = 0, previous = 0;
  uint32_t state = opaque(41);
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) {
    int32_t x = (int32_t)next(&state) >> 8;
    y = (int32_t)(((int64_t)y * 60000 + (int64_t)(x + previous) * 2768) >> 16);
    previous = x;
    sum = mix(sum, (uint32_t)y);
  }
  return sum;
}

KERNEL(saturate) {
  uint32_t state = opaque(43);
  int32_t level = 0;
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) {
    int64_t moved = (int64_t)level + (int32_t)next(&state);
    level = moved > INT32_MAX ? INT32_MAX : moved < INT32_MIN ? INT32_MIN : (int32_t)moved;
    sum = mix(sum, (uint32_t)level);
  }
  return sum;
}

KERNEL(collatz) {
  uint64_t sum = 0;
  for (uint32_t start = 1; start < 1000; start++) {
    uint64_t n = start + opaque(0);
    uint32_t steps = 0;
    for (; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n / 2;
    sum = mix(sum, steps);
  }
  return sum;
}

KERNEL(digits) {
  uint64_t sum = 0, value = opaque(1);
  for (int i = 0; i < 200; i++) {
    value = value * 31 + 7;
    char text[24];
    int size = 0;
    for (uint64_t rest = value; rest; rest /= 10) text[size++] = (char)('0' + rest % 10);
    sum = mix_bytes(sum, text, (size_t)size);
  }
  return sum;
}

KERNEL(fibonacci_mod) {
  uint32_t a = 0, b = opaque(1);
  for (int i = 0; i < 20000; i++) {
    uint32_t sum = (a + b) % 1000000007u;
    a = b, b = sum;
  }
  return a;
}

KERNEL(binomials) {
  uint64_t row[64] = {opaque(1)};
  for (unsigned n = 1; n < 64; n++)
    for (unsigned k = n; k > 0; k--) row[k] += row[k - 1];
  return mix_bytes(0, row, sizeof row);
}
