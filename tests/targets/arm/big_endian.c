/* Loads and stores of all kinds while data is big-endian, and a handler that begins with it little-endian. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

static unsigned char memory[64] __attribute__((aligned(16)));
static unsigned in[4], out[16];
static volatile unsigned seen;

static void fill(void) {
  for (unsigned i = 0; i < sizeof memory; i++) memory[i] = (unsigned char)(i * 7 + 1);
  memset(out, 0, sizeof out);
}
static void show(const char *name) {
  printf("%s:", name);
  for (unsigned i = 0; i < 8; i++) printf(" %x", out[i]);
  for (unsigned i = 0; i < 32; i++) printf("%s%02x", i % 8 ? "" : " ", memory[i]);
  printf("\n");
}

/* r0: memory, r1: results, r2: numbers */
#define CASE(name, text)                                                                                              \
  fill();                                                                                                             \
  {                                                                                                                   \
    register unsigned char *a asm("r0") = memory;                                                                     \
    register unsigned *b asm("r1") = out, *c asm("r2") = in;                                                          \
    asm volatile("setend be\n" text "\nsetend le\nstmia r1!, {r4-r7}\nvstmia r1, {d0-d1}"                             \
                 : "+r"(a), "+r"(b), "+r"(c)::"r3", "r4", "r5", "r6", "r7", "d0", "d1", "d2", "d3", "cc", "memory");  \
  }                                                                                                                   \
  show(name);
#define START "ldr r4, [r2]\nldr r5, [r2, #4]\nldr r6, [r2, #8]\nldr r7, [r2, #12]\nvmov d0, r4, r5\nvmov d1, r6, r7\n"

static void trap(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  unsigned *machine = (unsigned *)((char *)context + 32);
  seen = in[0] == 0x01020304 && machine[16] >> 9 & 1; /* read in little-endian order; CPSR.E in the frame */
  machine[15] += 4;
}

int main(void) {
  for (unsigned i = 0; i < 4; i++) in[i] = 0x01020304 + 0x10101010 * i;
  CASE("words", START "str r4, [r0]\nldr r5, [r0, #4]\nldrh r6, [r0, #8]\nstrh r7, [r0, #10]\nldrsh r7, [r0, #13]")
  CASE("bytes", START "strb r4, [r0]\nldrb r5, [r0, #1]\nldrsb r6, [r0, #40]")
  CASE("pairs", START "strd r4, r5, [r0]\nldrd r6, r7, [r0, #8]")
  CASE("several", START "stm r0, {r4-r6}\nldmib r0, {r4-r7}")
  CASE("exclusive", START "ldrex r5, [r0]\nstrex r6, r4, [r0]")
  CASE("exclusive pair", START "add r3, r0, #8\nldrexd r4, r5, [r3]\nstrexd r7, r4, r5, [r3]\nldrexd r6, r7, [r0]\nstrexd r3, r6, r7, [r0]")
  CASE("exclusive half", START "ldrexh r5, [r0]\nstrexh r6, r4, [r0]")
  CASE("ordered", START "lda r5, [r0]\nstl r4, [r0]")
  CASE("doubles", START "vstr d0, [r0]\nvldr d1, [r0, #8]")
  CASE("singles", START "vstr s1, [r0]\nvldr s2, [r0, #4]\nvstr.16 s0, [r0, #12]\nvldr.16 s3, [r0, #14]")
  CASE("lists", START "vstmia r0, {d0-d1}\nadd r0, r0, #4\nvldmia r0, {s1-s3}")
  CASE("elements 8", START "vst1.8 {d0-d1}, [r0]\nvld1.8 {d1}, [r0]")
  CASE("elements 16", START "vst1.16 {d0-d1}, [r0]!\nvld1.16 {d1}, [r0]")
  CASE("elements 32", START "vst1.32 {d0-d1}, [r0]!\nvld1.32 {d1}, [r0]")
  CASE("elements 64", START "vst1.64 {d0-d1}, [r0]!\nvld1.64 {d1}, [r0]")
  CASE("structures", START "vst2.16 {d0-d1}, [r0]!\nvld2.32 {d0-d1}, [r0]")
  CASE("lanes", START "vst1.16 {d0[1]}, [r0]!\nvld1.32 {d1[0]}, [r0]\nvld2.16 {d0[], d1[]}, [r0]")
  CASE("status", "mrs r4, apsr\nbic r3, r4, #0x200\nmsr cpsr_x, r3\nldr r5, [r0]\nmsr cpsr_x, r4\nldr r6, [r0]\nmov r7, #0")
  struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, 0);
  unsigned after;
  asm volatile("setend be\nudf #1\nldr %0, [%1]\nsetend le" : "=r"(after) : "r"(in));
  printf("handler %u %x\n", seen, after);
  return 0;
}
