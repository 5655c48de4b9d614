/* The two system calls that the examples need, without a C library. */
#pragma once

static long system_call(long number, long a, long b, long c) {
#if defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#else
#error "no system calls for this guest yet"
#endif
}

static void print(const char *text) {
  long length = 0;
  while (text[length]) ++length;
  system_call(64, 1, (long)text, length);
}

static void print_number(unsigned long value) {
  char digits[24];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + value % 10);
  while (value /= 10);
  print(digits + at);
}

_Noreturn static void leave(int status) {
  for (;;) system_call(94, status, 0, 0);
}
