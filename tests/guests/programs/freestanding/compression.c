// Compression, there and back.
#include "kernel.h"

static uint8_t plain[2000], packed[5000], unpacked[2000];

static void repetitive(uint32_t seed) {
  uint32_t state = opaque(seed);
  for (unsigned i = 0; i < sizeof plain; i++)
    plain[i] =
        i > 50 && next(&state) % 10 ? plain[i - 1 - next(&state) % 3 * 16] : (uint8_t)(next(&state) % 8);
}

KERNEL(run_lengths) {
  repetitive(12);
  unsigned out = 0, back = 0;
  for (unsigned i = 0; i < sizeof plain;) {
    unsigned run = 1;
    while (i + run < sizeof plain && plain[i + run] == plain[i] && run < 255) run++;
    packed[out++] = (uint8_t)run, packed[out++] = plain[i];
    i += run;
  }
  for (unsigned i = 0; i < out; i += 2)
    for (unsigned k = 0; k < packed[i]; k++) unpacked[back++] = packed[i + 1];
  return mix_bytes(out + (uint32_t)memcmp(plain, unpacked, sizeof plain), packed, out);
}

KERNEL(lempel_ziv) {
  repetitive(13);
  unsigned out = 0, back = 0;
  for (unsigned i = 0; i < sizeof plain;) {
    unsigned best = 0, from = 0;
    for (unsigned j = i > 255 ? i - 255 : 0; j < i; j++) {
      unsigned size = 0;
      while (i + size < sizeof plain && plain[j + size] == plain[i + size] && size < 255) size++;
      if (size > best) best = size, from = i - j;
    }
    if (best > 3) {
      packed[out++] = 255, packed[out++] = (uint8_t)from, packed[out++] = (uint8_t)best;
      i += best;
    } else {
      packed[out++] = plain[i++];
    }
  }
  for (unsigned i = 0; i < out; i++) {
    if (packed[i] != 255) {
      unpacked[back++] = packed[i];
      continue;
    }
    for (unsigned k = 0; k < packed[i + 2]; k++, back++) unpacked[back] = unpacked[back - packed[i + 1]];
    i += 2;
  }
  return mix_bytes(out + (uint32_t)memcmp(plain, unpacked, sizeof plain), packed, out);
}

KERNEL(huffman_lengths) {
  repetitive(14);
  uint32_t weight[32] = {0}, parent[32], alive = 0;
  uint64_t sum = 0;
  for (unsigned i = 0; i < sizeof plain; i++) weight[plain[i] & 15]++;
  for (unsigned i = 0; i < 16; i++) weight[i]++, alive |= 1u << i;
  for (unsigned made = 16; made < 31; made++) {
    unsigned pick[2];
    for (int k = 0; k < 2; k++) {
      unsigned least = 31;
      weight[31] = ~0u;
      for (unsigned i = 0; i < made; i++)
        if (alive >> i & 1 && weight[i] < weight[least]) least = i;
      alive &= ~(1u << least);
      pick[k] = least;
    }
    weight[made] = weight[pick[0]] + weight[pick[1]];
    parent[pick[0]] = parent[pick[1]] = made;
    alive |= 1u << made;
  }
  for (unsigned i = 0; i < 16; i++) {
    uint32_t depth = 0;
    for (unsigned at = i; at != 30; at = parent[at]) depth++;
    sum = mix(sum, depth);
  }
  return sum;
}

KERNEL(move_to_front) {
  repetitive(15);
  uint8_t order[256];
  uint64_t sum = 0;
  for (unsigned i = 0; i < 256; i++) order[i] = (uint8_t)i;
  for (unsigned i = 0; i < sizeof plain; i++) {
    unsigned at = 0;
    while (order[at] != plain[i]) at++;
    memmove(order + 1, order, at);
    order[0] = plain[i];
    sum = mix(sum, at);
  }
  return sum;
}
