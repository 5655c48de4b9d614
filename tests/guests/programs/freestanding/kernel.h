// What a kernel of the suite sees: fixed-width types, inputs that the compiler cannot know, and its checksum.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;
  uint64_t (*run)(void);
} kernel;

// Defines a kernel: KERNEL(name) { … return checksum; }
#define KERNEL(name)                                                                                \
  static uint64_t run_##name(void);                                                                 \
  __attribute__((section("kernels"), used)) static const kernel entry_##name = {#name, run_##name}; \
  static uint64_t run_##name(void)

#define COUNT(array) (sizeof(array) / sizeof *(array))

// A number that is only known at run time.
static inline uint32_t opaque(uint32_t value) {
  __asm__ volatile("" : "+r"(value));
  return value;
}

static inline uint64_t mix(uint64_t sum, uint64_t value) {
  return ((sum << 7 | sum >> 57) ^ value) * 0x9e3779b97f4a7c15u;
}

static inline uint64_t mix_bytes(uint64_t sum, const void *data, size_t size) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i++) sum = mix(sum, bytes[i]);
  return sum;
}

static inline uint64_t mix_double(uint64_t sum, double value) {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return mix(sum, bits);
}

static inline uint64_t mix_float(uint64_t sum, float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return mix(sum, bits);
}

// xorshift32
static inline uint32_t next(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13, x ^= x >> 17, x ^= x << 5;
  return *state = x;
}

static inline uint64_t next64(uint32_t *state) {
  uint64_t high = next(state);
  return high << 32 | next(state);
}

static inline double unit(uint32_t *state) {  // in [0, 1)
  return (double)(next(state) >> 1) * (1.0 / 2147483648.0);
}

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
