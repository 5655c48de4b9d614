/* The benchmark's own kernels: `kernels NAME [ROUNDS]` runs one and prints a checksum, which must be the same everywhere.
   Compiled with the same options for the guest and for the host. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

/* Integer: multiply, rotate, shift, exclusive or. */
static uint64_t hash(int rounds) {
  uint64_t a = 0x9e3779b97f4a7c15u, b = 1;
  for (int64_t i = 0; i < (int64_t)rounds * 4000000; ++i) {
    a ^= a >> 29;
    a *= 0xbf58476d1ce4e5b9u;
    a = (a << 23 | a >> 41) + b;
    b += a ^ (uint64_t)i;
  }
  return a ^ b;
}

/* Data-dependent branches, loads and stores. */
static int compare(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return a < b ? -1 : a > b;
}

static uint64_t quicksort(int rounds) {
  enum { kCount = 200000 };
  uint32_t *values = malloc(kCount * sizeof *values);
  uint64_t sum = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < kCount; ++i) values[i] = (uint32_t)next_random();
    qsort(values, kCount, sizeof *values, compare); /* calls through a pointer */
    for (int i = 0; i < kCount; i += 997) sum = sum * 31 + values[i];
  }
  free(values);
  return sum;
}

/* Floating point with a simple inner loop. */
static uint64_t matmul(int rounds) {
  enum { kN = 120 };
  static double a[kN][kN], b[kN][kN], c[kN][kN];
  for (int i = 0; i < kN; ++i)
    for (int j = 0; j < kN; ++j) a[i][j] = i + j * 0.5, b[i][j] = i - j * 0.25;
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < kN; ++i)
      for (int j = 0; j < kN; ++j) {
        double sum = 0;
        for (int k = 0; k < kN; ++k) sum += a[i][k] * b[k][j];
        c[i][j] = c[i][j] * 0.5 + sum;
      }
  uint64_t bits;
  memcpy(&bits, &c[kN - 1][kN / 2], sizeof bits);
  return bits;
}

/* Floating point with divisions and square roots. */
static uint64_t nbody(int rounds) {
  enum { kBodies = 5 };
  double p[kBodies][3], v[kBodies][3] = {{0}}, m[kBodies];
  for (int i = 0; i < kBodies; ++i) {
    m[i] = 1.0 / (i + 1);
    for (int d = 0; d < 3; ++d) p[i][d] = i * 1.5 + d * 0.7 + (i ^ d);
  }
  for (int step = 0; step < rounds * 20000; ++step) {
    for (int i = 0; i < kBodies; ++i)
      for (int j = i + 1; j < kBodies; ++j) {
        double delta[3], square = 0.01;
        for (int d = 0; d < 3; ++d) delta[d] = p[i][d] - p[j][d], square += delta[d] * delta[d];
        double force = 0.0001 / (square * sqrt(square));
        for (int d = 0; d < 3; ++d) v[i][d] -= delta[d] * m[j] * force, v[j][d] += delta[d] * m[i] * force;
      }
    for (int i = 0; i < kBodies; ++i)
      for (int d = 0; d < 3; ++d) p[i][d] += v[i][d] * 0.01;
  }
  uint64_t bits;
  memcpy(&bits, &p[0][0], sizeof bits);
  return bits >> 12; /* a host that fuses multiply and add may differ in the last bits: see -ffp-contract=off */
}

/* Memory: strided byte stores. */
static uint64_t sieve(int rounds) {
  enum { kLimit = 1000000 };
  static unsigned char composite[kLimit];
  uint64_t count = 0;
  for (int round = 0; round < rounds; ++round) {
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i < kLimit; ++i) {
      if (composite[i]) continue;
      ++count;
      for (uint64_t j = (uint64_t)i * i; j < kLimit; j += i) composite[j] = 1;
    }
  }
  return count;
}

/* Calls and returns. */
__attribute__((noinline)) static uint64_t fibonacci(int n) { return n < 2 ? (uint64_t)n : fibonacci(n - 1) + fibonacci(n - 2); }
static uint64_t calls(int rounds) {
  uint64_t sum = 0;
  for (int round = 0; round < rounds; ++round) sum += fibonacci(30);
  return sum;
}

/* Indirect jumps: a byte-code interpreter. */
enum { kPush, kAdd, kMul, kDup, kSwap, kDec, kJumpNonzero, kDrop, kXor, kHalt };
static uint64_t interpreter(int rounds) {
  static const uint8_t program[] = {kPush, 1,  kPush, 200, kSwap, kDup, kPush, 3, kMul, kAdd, kPush, 7,
                                    kXor,  kSwap, kDec, kDup, kJumpNonzero, 4, kDrop, kHalt};
  uint64_t sum = 0;
  for (int round = 0; round < rounds * 3000; ++round) {
    uint64_t stack[16], *top = stack, swap;
    const uint8_t *pc = program;
    for (;;) {
      switch (*pc++) {
        case kPush: *++top = *pc++; continue;
        case kAdd: top[-1] += top[0]; --top; continue;
        case kMul: top[-1] *= top[0]; --top; continue;
        case kXor: top[-1] ^= top[0]; --top; continue;
        case kDup: top[1] = top[0]; ++top; continue;
        case kSwap: swap = top[0]; top[0] = top[-1]; top[-1] = swap; continue;
        case kDec: --top[0]; continue;
        case kJumpNonzero: pc = *top-- ? program + *pc : pc + 1; continue;
        case kDrop: --top; continue;
        default: break;
      }
      break;
    }
    sum = sum * 31 + top[0];
  }
  return sum;
}

/* Byte strings by the C library's own routines. */
static uint64_t strings(int rounds) {
  enum { kSize = 4096 };
  static char text[kSize], copy[kSize];
  for (int i = 0; i < kSize - 1; ++i) text[i] = (char)('a' + next_random() % 26);
  uint64_t sum = 0;
  for (int round = 0; round < rounds * 20000; ++round) {
    memcpy(copy, text, sizeof copy);
    copy[round % (kSize - 1)] = 'A';
    sum += strlen(copy) + (uint64_t)(strchr(copy, 'A') - copy) + (uint64_t)(memcmp(copy, text, kSize) != 0);
  }
  return sum;
}

/* SIMD, as the compiler vectorises it. */
static uint64_t vector(int rounds) {
  enum { kSize = 16384 };
  static uint32_t a[kSize], b[kSize];
  for (int i = 0; i < kSize; ++i) a[i] = (uint32_t)next_random(), b[i] = (uint32_t)i;
  for (int round = 0; round < rounds * 500; ++round)
    for (int i = 0; i < kSize; ++i) b[i] = (b[i] ^ (a[i] >> 3)) + a[i] * 5;
  uint64_t sum = 0;
  for (int i = 0; i < kSize; ++i) sum = sum * 31 + b[i];
  return sum;
}

static const struct {
  const char *name;
  uint64_t (*run)(int rounds);
  int rounds;
} kernels[] = {
    {"hash", hash, 20},       {"quicksort", quicksort, 8},      {"matmul", matmul, 30},   {"nbody", nbody, 8}, {"sieve", sieve, 25},
    {"calls", calls, 20},     {"interpreter", interpreter, 12}, {"strings", strings, 12}, {"vector", vector, 30},
};

int main(int count, char **arguments) {
  for (size_t i = 0; count > 1 && i < sizeof kernels / sizeof *kernels; ++i)
    if (!strcmp(arguments[1], kernels[i].name)) {
      printf("%s %016llx\n", kernels[i].name, (unsigned long long)kernels[i].run(count > 2 ? atoi(arguments[2]) : kernels[i].rounds));
      return 0;
    }
  fprintf(stderr, "usage: kernels NAME [ROUNDS]\n");
  return 2;
}
