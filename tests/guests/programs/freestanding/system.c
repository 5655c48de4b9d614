// The first instructions, output, and what compilers take for granted.
#include "system.h"

#include <asm/unistd.h>

#if defined(__riscv)
__asm__(
    ".globl _start\n_start:\n.option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
    "mv a0, sp\nandi sp, sp, -16\ncall start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\nmov x0, sp\nbl start\n");
#elif defined(__arm__)
#if defined(__thumb__)
__asm__(".thumb_func\n");
#endif
__asm__(".globl _start\n_start:\nmov r0, sp\nlsrs r1, r0, #4\nlsls r1, r1, #4\nmov sp, r1\nbl start\n");
#elif defined(__x86_64__)
__asm__(".globl _start\n_start:\nmov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
#endif

static char buffer[4096];
static size_t used;

static void flush(void) {
  for (size_t done = 0; done < used;) {
    long wrote = CALL(__NR_write, 1, buffer + done, used - done);
    if (wrote <= 0) break;
    done += (size_t)wrote;
  }
  used = 0;
}

void print(const char *text) {
  for (; *text; text++) {
    if (used == sizeof buffer) flush();
    buffer[used++] = *text;
    if (*text == '\n') flush();
  }
}

void print_hex(uint64_t value) {
  char text[17] = "0000000000000000";
  for (int i = 15; value; i--, value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  print(text);
}

void print_number(int64_t value) {
  char text[24];
  char *at = text + sizeof text - 1;
  uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
  *at = 0;
  do *--at = (char)('0' + rest % 10);
  while (rest /= 10);
  if (value < 0) *--at = '-';
  print(at);
}

_Noreturn void leave(int status) {
  flush();
  for (;;) CALL(__NR_exit_group, status);
}

// --- called by generated code ---

#if defined(__arm__)
// What libgcc wants: for divisions by zero, and for unwinding that never happens.
int raise(int number) {
  leave(128 + number);
}
void __aeabi_unwind_cpp_pr0(void) {}
#endif

#if defined(__SOFTFP__)
// Bit by bit: two of the number for one of its root.
double sqrt(double x) {
  union {
    double value;
    uint64_t bits;
  } u = {x};
  int exponent = (int)(u.bits >> 52) - 1075;
  uint64_t mantissa = u.bits & ((1ull << 52) - 1), rest = 0, root = 0;
  if (x == 0 || x != x || u.bits == 0x7ffull << 52) return x;
  if (x < 0) return (x - x) / (x - x);
  if (exponent > -1075)
    mantissa |= 1ull << 52;
  else
    for (exponent++; !(mantissa >> 52); exponent--) mantissa <<= 1;
  if (exponent & 1) mantissa <<= 1, exponent--;
  for (int i = 0; i < 54; i++) {
    rest = rest << 2 | (i < 27 ? mantissa >> (52 - 2 * i) & 3 : 0);
    root <<= 1;
    if (rest > 2 * root) rest -= 2 * root + 1, root++;
  }
  u.bits = ((uint64_t)(exponent / 2 + 1048) << 52) + (root >> 1) + (root & 1);
  return u.value;
}

float sqrtf(float x) {
  return (float)sqrt(x);
}
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  char *d = to;
  const char *s = from;
  while (size--) *d++ = *s++;
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  char *d = to;
  const char *s = from;
  if (d <= s)
    while (size--) *d++ = *s++;
  else
    while (size--) d[size] = s[size];
  return to;
}

void *memset(void *to, int value, size_t size) {
  char *d = to;
  while (size--) *d++ = (char)value;
  return to;
}

int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *x = a, *y = b;
  for (; size--; x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *text) {
  size_t size = 0;
  while (text[size]) size++;
  return size;
}
