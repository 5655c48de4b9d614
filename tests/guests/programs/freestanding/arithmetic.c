// Arithmetic that some machines have no instructions for, under the names that GCC calls it by. There is no
// libgcc for all of them.
#include <stdint.h>

typedef union {
  uint64_t all;
  struct {
    uint32_t low, high;
  } half;
} wide;

uint64_t __ashldi3(uint64_t value, int count) {
  wide w = {value}, r;
  if (count & 32) return (r.half.low = 0, r.half.high = w.half.low << (count & 31)), r.all;
  if (!count) return value;
  r.half.low = w.half.low << count;
  r.half.high = w.half.high << count | w.half.low >> (32 - count);
  return r.all;
}

uint64_t __lshrdi3(uint64_t value, int count) {
  wide w = {value}, r;
  if (count & 32) return (r.half.high = 0, r.half.low = w.half.high >> (count & 31)), r.all;
  if (!count) return value;
  r.half.high = w.half.high >> count;
  r.half.low = w.half.low >> count | w.half.high << (32 - count);
  return r.all;
}

int64_t __ashrdi3(int64_t value, int count) {
  uint64_t shifted = __lshrdi3((uint64_t)value, count);
  return (int64_t)(value < 0 && count ? shifted | __ashldi3(~0ull, 64 - count) : shifted);
}

static uint64_t divide(uint64_t a, uint64_t b, uint64_t *rest) {
  uint64_t quotient = 0, r = 0;
  if (!b) __builtin_trap();
  for (int i = 63; i >= 0; i--) {
    r = r << 1 | (a >> i & 1);
    if (r >= b) r -= b, quotient |= 1ull << i;
  }
  *rest = r;
  return quotient;
}

uint64_t __udivdi3(uint64_t a, uint64_t b) {
  uint64_t rest;
  return divide(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b) {
  uint64_t rest;
  divide(a, b, &rest);
  return rest;
}

static uint64_t magnitude(int64_t value) {
  return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

int64_t __divdi3(int64_t a, int64_t b) {
  uint64_t rest, quotient = divide(magnitude(a), magnitude(b), &rest);
  return (int64_t)((a < 0) != (b < 0) ? -quotient : quotient);
}

int64_t __moddi3(int64_t a, int64_t b) {
  uint64_t rest;
  divide(magnitude(a), magnitude(b), &rest);
  return (int64_t)(a < 0 ? -rest : rest);
}

int __clzsi2(uint32_t value);

static int leading_zeros(uint64_t value) {
  wide w = {value};
  return w.half.high ? __clzsi2(w.half.high) : w.half.low ? 32 + __clzsi2(w.half.low) : 64;
}

// Without loops, in which the compiler would see calls of these very functions.
int __clzsi2(uint32_t value) {
  int count = value ? 0 : 1;
  if (!(value >> 16)) count += 16, value <<= 16;
  if (!(value >> 24)) count += 8, value <<= 8;
  if (!(value >> 28)) count += 4, value <<= 4;
  if (!(value >> 30)) count += 2, value <<= 2;
  return count + !(value >> 31);
}

int __ctzsi2(uint32_t value) {
  return 31 - __clzsi2(value & -value);
}

int __popcountsi2(uint32_t value) {
  value -= value >> 1 & 0x55555555;
  value = (value & 0x33333333) + (value >> 2 & 0x33333333);
  return (int)(((value + (value >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24);
}

int __paritysi2(uint32_t value) {
  return __popcountsi2(value) & 1;
}

int __paritydi2(uint64_t value) {
  return __paritysi2((uint32_t)value ^ (uint32_t)(value >> 32));
}

uint32_t __bswapsi2(uint32_t value) {
  value = (value & 0xff00ff) << 8 | (value >> 8 & 0xff00ff);
  return value << 16 | value >> 16;
}

uint64_t __bswapdi2(uint64_t value) {
  return (uint64_t)__bswapsi2((uint32_t)value) << 32 | __bswapsi2((uint32_t)(value >> 32));
}

int __clzdi2(uint64_t value) {
  return leading_zeros(value);
}

int __ctzdi2(uint64_t value) {
  return (uint32_t)value ? __ctzsi2((uint32_t)value) : 32 + __ctzsi2((uint32_t)(value >> 32));
}

int __popcountdi2(uint64_t value) {
  return __popcountsi2((uint32_t)value) + __popcountsi2((uint32_t)(value >> 32));
}

// Rounded once: what lies below the 53 bits is kept as one sticky bit.
double __floatundidf(uint64_t value) {
  int shift = 11 - leading_zeros(value);
  if (shift > 0 && value) {
    uint64_t lost = value & ((1ull << shift) - 1), half = 1ull << (shift - 1);
    value >>= shift;
    value += lost > half || (lost == half && (value & 1));
  } else {
    shift = 0;
  }
  double result = (double)(uint32_t)(value >> 32) * 4294967296.0 + (double)(uint32_t)value;
  for (; shift > 0; shift--) result *= 2;
  return result;
}

double __floatdidf(int64_t value) {
  return value < 0 ? -__floatundidf(-(uint64_t)value) : __floatundidf((uint64_t)value);
}

uint64_t __fixunsdfdi(double value) {
  if (value < 1) return 0;
  uint32_t high = (uint32_t)(value * (1 / 4294967296.0));
  return (uint64_t)high << 32 | (uint32_t)(value - (double)high * 4294967296.0);
}

int64_t __fixdfdi(double value) {
  return value < 0 ? -(int64_t)__fixunsdfdi(-value) : (int64_t)__fixunsdfdi(value);
}
