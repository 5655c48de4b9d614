// Strings and searching.
#include "kernel.h"

static const char kText[] =
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in "
    "want of a "
    "wife. However little known the feelings or views of such a man may be on his first entering a "
    "neighbourhood, this "
    "truth is so well fixed in the minds of the surrounding families, that he is considered the rightful "
    "property of "
    "some one or other of their daughters.";

KERNEL(string_length) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < sizeof kText; i++) sum = mix(sum, strlen(kText + (i + opaque(0)) % sizeof kText));
  return sum;
}

KERNEL(string_search) {
  static const char *const kWords[] = {"truth", "man", "the", "daughters", "nothing", "w"};
  uint64_t sum = 0;
  for (unsigned k = 0; k < COUNT(kWords); k++) {
    size_t size = strlen(kWords[k]) + opaque(0);
    for (size_t at = 0; at + size < sizeof kText; at++)
      if (memcmp(kText + at, kWords[k], size) == 0) sum = mix(sum, at);
  }
  return sum;
}

KERNEL(boyer_moore) {
  static const char kWanted[] = "considered the rightful";
  uint32_t skip[256];
  const uint32_t size = sizeof kWanted - 1;
  uint64_t sum = 0;
  for (unsigned i = 0; i < 256; i++) skip[i] = size;
  for (unsigned i = 0; i + 1 < size; i++) skip[(uint8_t)kWanted[i]] = size - 1 - i;
  for (int round = 0; round < 50; round++)
    for (uint32_t at = opaque(0); at + size < sizeof kText; at += skip[(uint8_t)kText[at + size - 1]]) {
      sum = mix(sum, at);
      if (memcmp(kText + at, kWanted, size) == 0) break;
    }
  return sum;
}

KERNEL(knuth_morris_pratt) {
  static const char kWanted[] = "ananan";
  uint8_t text[2000];
  int fallback[8] = {-1};
  uint32_t state = opaque(1);
  uint64_t sum = 0;
  for (unsigned i = 0; i < sizeof text; i++) text[i] = next(&state) & 1 ? 'a' : 'n';
  for (int i = 1, k; kWanted[i - 1]; i++) {
    for (k = fallback[i - 1]; k >= 0 && kWanted[k] != kWanted[i - 1];) k = fallback[k];
    fallback[i] = k + 1;
  }
  for (unsigned i = 0, k = 0; i < sizeof text; i++) {
    int at = (int)k;
    while (at >= 0 && kWanted[at] != (char)text[i]) at = fallback[at];
    k = (unsigned)(at + 1);
    if (!kWanted[k]) sum = mix(sum, i), k = (unsigned)fallback[k];
  }
  return sum;
}

KERNEL(letter_counts) {
  uint32_t counts[256] = {0};
  for (int round = 0; round < 20; round++)
    for (unsigned i = 0; i < sizeof kText; i++) counts[(uint8_t)(kText[i] ^ opaque(0))]++;
  return mix_bytes(0, counts, sizeof counts);
}

KERNEL(case_and_words) {
  char copy[sizeof kText];
  uint64_t sum = 0;
  memcpy(copy, kText, sizeof copy);
  for (unsigned i = 0, word = 0; i < sizeof copy; i++) {
    char c = copy[i];
    if (c >= 'a' && c <= 'z' && !word) copy[i] = (char)(c - 32);
    word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!word) sum = mix(sum, i);
  }
  return mix_bytes(sum, copy, sizeof copy);
}

KERNEL(palindromes) {
  uint64_t sum = 0;
  for (int middle = 0; middle < (int)sizeof kText; middle++) {
    int reach = 0;
    while (middle - reach >= 0 && middle + reach < (int)sizeof kText &&
           kText[middle - reach] == kText[middle + reach])
      reach++;
    sum = mix(sum, (uint32_t)reach + opaque(0));
  }
  return sum;
}

KERNEL(edit_distance) {
  static const char kA[] = "universally acknowledged fortune", kB[] = "unfortunately a knowledge universe";
  uint32_t row[sizeof kB];
  for (uint32_t j = 0; j < sizeof kB; j++) row[j] = j;
  for (uint32_t i = 1; i < sizeof kA; i++) {
    uint32_t diagonal = row[0];
    row[0] = i;
    for (uint32_t j = 1; j < sizeof kB; j++) {
      uint32_t best = diagonal + (kA[i - 1] != kB[j - 1]) + opaque(0);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return mix_bytes(0, row, sizeof row);
}

KERNEL(common_subsequence) {
  static uint16_t table[128][128];
  uint32_t a = opaque(3), b = opaque(4);
  uint8_t x[127], y[127];
  for (unsigned i = 0; i < 127; i++) x[i] = next(&a) & 7, y[i] = next(&b) & 7;
  for (unsigned i = 1; i < 128; i++)
    for (unsigned j = 1; j < 128; j++)
      table[i][j] = x[i - 1] == y[j - 1]                ? (uint16_t)(table[i - 1][j - 1] + 1)
                    : table[i - 1][j] > table[i][j - 1] ? table[i - 1][j]
                                                        : table[i][j - 1];
  return mix_bytes(0, table, sizeof table);
}

static int matches(const char *pattern, const char *text) {
  for (;; pattern++, text++) {
    if (*pattern == '*') {
      for (const char *rest = text;; rest++) {
        if (matches(pattern + 1, rest)) return 1;
        if (!*rest) return 0;
      }
    }
    if (!*pattern) return !*text;
    if (!*text || (*pattern != '?' && *pattern != *text)) return 0;
  }
}

KERNEL(wildcards) {
  static const char *const kPatterns[] = {"*truth*man*", "It*daughters.", "*q*",
                                          "I? is*",      "*a*e*i*o*u*",   "?"};
  uint64_t sum = opaque(0);
  for (unsigned i = 0; i < COUNT(kPatterns); i++) sum = sum * 2 + (uint32_t)matches(kPatterns[i], kText);
  return sum;
}

KERNEL(numbers_in_text) {
  uint64_t sum = 0;
  uint32_t state = opaque(7);
  for (int i = 0; i < 500; i++) {
    char text[16];
    int size = 0;
    int32_t value = (int32_t)next(&state) >> (i & 31);
    uint32_t rest = value < 0 ? -(uint32_t)value : (uint32_t)value;
    do text[size++] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) text[size++] = '-';
    int32_t back = 0;
    for (int k = size - 1; k >= 0; k--)
      if (text[k] != '-') back = (int32_t)((uint32_t)back * 10 + (uint32_t)(text[k] - '0'));
    sum = mix(sum, (uint32_t)back) + (uint32_t)(value == (value < 0 ? (int32_t) - (uint32_t)back : back));
  }
  return sum;
}

KERNEL(utf8) {
  uint64_t sum = 0;
  for (uint32_t c = opaque(1); c < 0x110000; c += 257) {
    uint8_t bytes[4];
    unsigned size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t kFirst[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (unsigned i = size; i-- > 1;) bytes[i] = (uint8_t)(0x80 | ((c >> 6 * (size - 1 - i)) & 63));
    bytes[0] = (uint8_t)(kFirst[size] | c >> 6 * (size - 1));
    sum = mix_bytes(sum, bytes, size);
  }
  return sum;
}
