// Control flow: recursion, function pointers, jump tables, state machines, interpreters, backtracking.
#include "kernel.h"

static uint32_t ackermann(uint32_t m, uint32_t n) {
  return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

KERNEL(ackermann) {
  return ackermann(2, opaque(40));
}

static uint32_t fibonacci(uint32_t n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

KERNEL(fibonacci) {
  return fibonacci(opaque(18));
}

static uint32_t tak(int x, int y, int z) {
  return y < x ? tak((int)tak(x - 1, y, z), (int)tak(y - 1, z, x), (int)tak(z - 1, x, y)) : (uint32_t)z;
}

KERNEL(tak) {
  return tak((int)opaque(12), 8, 4);
}

static uint64_t hanoi(int discs, int from, int to, uint64_t sum) {
  if (!discs) return sum;
  sum = hanoi(discs - 1, from, 6 - from - to, sum);
  sum = mix(sum, (uint32_t)(discs * 16 + from * 4 + to));
  return hanoi(discs - 1, 6 - from - to, to, sum);
}

KERNEL(hanoi) {
  return hanoi((int)opaque(11), 1, 3, 0);
}

static int is_odd(uint32_t n);
__attribute__((noinline)) static int is_even(uint32_t n) {
  return n == 0 || is_odd(n - 1);
}
__attribute__((noinline)) static int is_odd(uint32_t n) {
  return n != 0 && is_even(n - 1);
}

KERNEL(mutual_recursion) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 200; i++) sum = sum * 2 + (uint32_t)is_even(i + opaque(0));
  return sum;
}

static uint32_t add(uint32_t a, uint32_t b) {
  return a + b;
}
static uint32_t subtract(uint32_t a, uint32_t b) {
  return a - b;
}
static uint32_t times(uint32_t a, uint32_t b) {
  return a * b;
}
static uint32_t exclusive(uint32_t a, uint32_t b) {
  return a ^ b;
}
static uint32_t shifted(uint32_t a, uint32_t b) {
  return a << (b & 31) | a >> 1;
}

KERNEL(function_pointers) {
  static uint32_t (*const kFunctions[])(uint32_t, uint32_t) = {add, subtract, times, exclusive, shifted};
  uint32_t x = opaque(1), state = opaque(2);
  for (uint32_t i = 0; i < 10000; i++) x = kFunctions[next(&state) % COUNT(kFunctions)](x, i);
  return x;
}

KERNEL(jump_table) {
  uint32_t x = opaque(1), state = opaque(3);
  for (uint32_t i = 0; i < 10000; i++) switch (next(&state) % 12) {
      case 0:
        x += i;
        break;
      case 1:
        x ^= i << 3;
        break;
      case 2:
        x = x * 3 + 1;
        break;
      case 3:
        x -= 77;
        break;
      case 4:
        x = ~x;
        break;
      case 5:
        x = x >> 1 | x << 31;
        __attribute__((fallthrough));
      case 6:
        x += 5;
        break;
      case 7:
        x ^= x >> 7;
        break;
      case 8:
        x *= 17;
        break;
      case 9:
        x = -x;
        break;
      case 10:
        x |= 1;
        break;
      default:
        x &= ~2u;
    }
  return x;
}

KERNEL(sparse_switch) {
  uint32_t state = opaque(4);
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) switch (next(&state) % 5000) {
      case 1:
        sum += 3;
        break;
      case 17:
      case 19:
      case 23:
        sum ^= 0x55;
        break;
      case 400 ... 900:
        sum = mix(sum, 1);
        break;
      case 1000:
      case 2000:
      case 3000:
      case 4000:
        sum = mix(sum, 2);
        break;
      default:
        sum++;
    }
  return sum;
}

KERNEL(computed_goto) {  // an interpreter of its own code
  static const uint8_t kProgram[] = {0, 1, 2, 0, 3, 1, 4, 2, 5};
  static const void *const kLabels[] = {&&add, &&twice, &&mixed, &&swap, &&shift, &&repeat};
  uint32_t a = opaque(1), b = 2, rounds = 0;
  const uint8_t *pc = kProgram;
  goto *kLabels[*pc++];
add:
  a += b;
  goto *kLabels[*pc++];
twice:
  b = 2 * b + 1;
  goto *kLabels[*pc++];
mixed:
  a ^= b >> 3;
  goto *kLabels[*pc++];
swap : {
  uint32_t held = a;
  a = b, b = held;
}
  goto *kLabels[*pc++];
shift:
  a = a << 5 | a >> 27;
  goto *kLabels[*pc++];
repeat:
  pc = kProgram;
  if (++rounds < 2000) goto *kLabels[*pc++];
  return mix(a, b);
}

KERNEL(state_machine) {  // words, numbers and comments of a made-up text
  uint32_t state = opaque(5), counts[4] = {0};
  enum { kOutside, kWord, kNumber, kComment } now = kOutside;
  uint64_t sum = 0;
  for (int i = 0; i < 10000; i++) {
    char c = "ab12 #\n z9"[next(&state) % 10];
    if (now == kComment) {
      if (c == '\n') now = kOutside;
    } else if (c == '#') {
      now = kComment;
    } else if (c >= 'a') {
      now = kWord;
    } else if (c >= '0') {
      now = now == kWord ? kWord : kNumber;
    } else {
      now = kOutside;
    }
    counts[now]++;
    sum = mix(sum, now);
  }
  return mix_bytes(sum, counts, sizeof counts);
}

static uint32_t queens(uint32_t all, uint32_t columns, uint32_t left, uint32_t right) {
  if (columns == all) return 1;
  uint32_t count = 0;
  for (uint32_t open = all & ~(columns | left | right); open;) {
    uint32_t bit = open & -open;
    open ^= bit;
    count += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return count;
}

KERNEL(queens) {
  return queens((1u << opaque(8)) - 1, 0, 0, 0);
}

static uint64_t permute(uint8_t *items, unsigned size, uint64_t sum) {
  if (size == 1) return mix_bytes(sum, items, 7);
  for (unsigned i = 0; i < size; i++) {
    sum = permute(items, size - 1, sum);
    unsigned j = size & 1 ? 0 : i;
    uint8_t held = items[j];
    items[j] = items[size - 1], items[size - 1] = held;
  }
  return sum;
}

KERNEL(permutations) {
  uint8_t items[7] = {1, 2, 3, 4, 5, 6, (uint8_t)opaque(7)};
  return permute(items, 7, 0);
}

KERNEL(subset_sums) {
  static uint8_t reachable[4000];
  uint32_t state = opaque(6);
  memset(reachable, 0, sizeof reachable);
  reachable[0] = 1;
  for (int i = 0; i < 20; i++) {
    uint32_t weight = next(&state) % 300 + 1;
    for (uint32_t at = sizeof reachable; at-- > weight;) reachable[at] |= reachable[at - weight];
  }
  return mix_bytes(0, reachable, sizeof reachable);
}

KERNEL(stack_machine) {
  enum { kPush, kAdd, kMultiply, kSwap, kOver, kLoop };
  static const uint8_t kCode[] = {kPush, 3, kAdd, kOver, kMultiply, kSwap, kPush, 5, kAdd, kSwap, kLoop};
  uint32_t stack[8] = {1, opaque(2)}, top = 2, rounds = 0;
  for (unsigned pc = 0; rounds < 3000;) switch (kCode[pc++]) {
      case kPush:
        stack[top++] = kCode[pc++];
        break;
      case kAdd:
        top--, stack[top - 1] += stack[top];
        break;
      case kMultiply:
        top--, stack[top - 1] = stack[top - 1] * stack[top] + 1;
        break;
      case kSwap: {
        uint32_t held = stack[top - 1];
        stack[top - 1] = stack[top - 2], stack[top - 2] = held;
        break;
      }
      case kOver:
        stack[top] = stack[top - 1] ^ 9, top++;
        break;
      case kLoop:
        pc = 0, rounds++;
        break;
    }
  return mix_bytes(top, stack, 8);
}

__attribute__((noinline)) static uint64_t many_arguments(uint8_t a, uint64_t b, uint16_t c, double d,
                                                         uint32_t e, uint64_t f, float g, int8_t h,
                                                         uint64_t i, uint32_t j, double k, int16_t l) {
  return mix(mix(mix_double(mix_float(b * a + c, g), d + k), e + f), (uint64_t)(h * l) + i * j);
}

KERNEL(many_arguments) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 1000; i++)
    sum = many_arguments((uint8_t)i, sum, (uint16_t)(i * 7), i * 0.5, opaque(i), sum >> 3, (float)i * 0.25f,
                         (int8_t)-i, sum * 3, i + 1, i * 0.125, (int16_t)(i * 3));
  return sum;
}

typedef struct {
  uint64_t a;
  uint32_t b[5];
  double c;
} record;

__attribute__((noinline)) static record made(record r, uint32_t i) {
  r.a += r.b[i % 5], r.b[(i + 1) % 5] ^= i, r.c = r.c * 0.5 + i;
  return r;
}

KERNEL(structures_by_value) {
  record r = {opaque(1), {1, 2, 3, 4, 5}, 0.5};
  for (uint32_t i = 0; i < 2000; i++) r = made(r, i);
  return mix_double(mix_bytes(r.a, r.b, sizeof r.b), r.c);
}

__attribute__((noinline)) static uint64_t variadic(int count, ...) {
  uint64_t sum = 0;
  __builtin_va_list list;
  __builtin_va_start(list, count);
  for (int i = 0; i < count; i++) {
    sum = mix(sum, __builtin_va_arg(list, uint32_t));
    sum = mix(sum, __builtin_va_arg(list, uint64_t));
    sum = mix_double(sum, __builtin_va_arg(list, double));
  }
  __builtin_va_end(list);
  return sum;
}

KERNEL(variadic) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 300; i++)
    sum = mix(sum, variadic(3, opaque(i), (uint64_t)i << 33, i * 0.5, i, sum, 1.5, 7u, sum >> 1, 0.25));
  return sum;
}

KERNEL(atomics) {
  static uint32_t word;
  static uint64_t pointer_sized;
  uint64_t sum = 0;
  word = opaque(1), pointer_sized = 0;
  for (uint32_t i = 0; i < 3000; i++) {
    sum = mix(sum, __atomic_fetch_add(&word, i, __ATOMIC_SEQ_CST));
    sum = mix(sum, __atomic_fetch_xor(&word, i * 3, __ATOMIC_ACQ_REL));
    sum = mix(sum, __atomic_exchange_n(&word, word + 1, __ATOMIC_ACQUIRE));
    uint32_t expected = i & 1 ? word : word + 1;
    sum = sum * 2 + __atomic_compare_exchange_n(&word, &expected, i, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    sum = mix(sum, __atomic_fetch_and(&word, ~8u, __ATOMIC_RELAXED) +
                       __atomic_fetch_or(&word, 1, __ATOMIC_RELEASE));
  }
  return mix(sum, pointer_sized + word);
}
