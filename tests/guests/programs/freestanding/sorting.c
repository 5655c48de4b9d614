// Sorting, searching, heaps, trees.
#include "kernel.h"

#define SIZE 2000
static uint32_t items[SIZE], other[SIZE];

static void fill(uint32_t seed) {
  uint32_t state = opaque(seed);
  for (int i = 0; i < SIZE; i++) items[i] = next(&state) % 100000;
}

static uint64_t checked(void) {
  uint64_t sum = 0;
  for (int i = 1; i < SIZE; i++) sum += items[i - 1] > items[i];
  return mix_bytes(sum, items, sizeof items);
}

static int quick_compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void quick(uint32_t *first, uint32_t *last, int (*compare)(const void *, const void *)) {
  while (first < last) {
    uint32_t pivot = first[(last - first) / 2], *i = first - 1, *j = last + 1;
    for (;;) {
      do i++;
      while (compare(i, &pivot) < 0);
      do j--;
      while (compare(j, &pivot) > 0);
      if (i >= j) break;
      uint32_t held = *i;
      *i = *j, *j = held;
    }
    quick(first, j, compare);
    first = j + 1;
  }
}

KERNEL(quick_sort) {
  fill(1);
  quick(items, items + SIZE - 1, quick_compare);
  return checked();
}

KERNEL(insertion_sort) {
  fill(2);
  for (int i = 1; i < SIZE / 4; i++) {
    uint32_t held = items[i];
    int j = i;
    for (; j > 0 && items[j - 1] > held; j--) items[j] = items[j - 1];
    items[j] = held;
  }
  return mix_bytes(0, items, sizeof items);
}

KERNEL(shell_sort) {
  fill(3);
  for (int gap = SIZE / 2; gap; gap /= 2)
    for (int i = gap; i < SIZE; i++)
      for (int j = i; j >= gap && items[j - gap] > items[j]; j -= gap) {
        uint32_t held = items[j];
        items[j] = items[j - gap], items[j - gap] = held;
      }
  return checked();
}

static void merge_sort(uint32_t *from, uint32_t *to, int size) {
  if (size < 2) return;
  int half = size / 2, i = 0, j = half;
  merge_sort(from, to, half);
  merge_sort(from + half, to + half, size - half);
  for (int k = 0; k < size; k++)
    to[k] = j == size || (i < half && from[i] <= from[j]) ? from[i++] : from[j++];
  memcpy(from, to, (size_t)size * sizeof *to);
}

KERNEL(merging) {
  fill(4);
  merge_sort(items, other, SIZE);
  return checked();
}

static void sift(int root, int size) {
  for (int child; (child = 2 * root + 1) < size; root = child) {
    if (child + 1 < size && items[child + 1] > items[child]) child++;
    if (items[root] >= items[child]) return;
    uint32_t held = items[root];
    items[root] = items[child], items[child] = held;
  }
}

KERNEL(heap_sort) {
  fill(5);
  for (int i = SIZE / 2; i-- > 0;) sift(i, SIZE);
  for (int size = SIZE; size-- > 1;) {
    uint32_t held = items[0];
    items[0] = items[size], items[size] = held;
    sift(0, size);
  }
  return checked();
}

KERNEL(radix_sort) {
  fill(6);
  for (unsigned shift = 0; shift < 24; shift += 8) {
    uint32_t counts[257] = {0};
    for (int i = 0; i < SIZE; i++) counts[(items[i] >> shift & 255) + 1]++;
    for (int i = 0; i < 256; i++) counts[i + 1] += counts[i];
    for (int i = 0; i < SIZE; i++) other[counts[items[i] >> shift & 255]++] = items[i];
    memcpy(items, other, sizeof items);
  }
  return checked();
}

KERNEL(bubble_sort_64) {
  uint64_t wide[120];
  uint32_t state = opaque(7);
  for (unsigned i = 0; i < COUNT(wide); i++) wide[i] = next64(&state);
  for (unsigned end = COUNT(wide); end > 1; end--)
    for (unsigned i = 1; i < end; i++)
      if (wide[i - 1] > wide[i]) {
        uint64_t held = wide[i];
        wide[i] = wide[i - 1], wide[i - 1] = held;
      }
  return mix_bytes(0, wide, sizeof wide);
}

KERNEL(binary_search) {
  uint64_t sum = 0;
  for (int i = 0; i < SIZE; i++) items[i] = (uint32_t)i * 7 + opaque(3);
  for (uint32_t wanted = 0; wanted < 14000; wanted += 5) {
    int low = 0, high = SIZE;
    while (low < high) {
      int middle = (low + high) / 2;
      if (items[middle] < wanted)
        low = middle + 1;
      else
        high = middle;
    }
    sum = mix(sum, (uint32_t)low);
  }
  return sum;
}

KERNEL(select_median) {
  uint64_t sum = 0;
  for (uint32_t round = 0; round < 5; round++) {
    fill(10 + round);
    int low = 0, high = SIZE - 1, wanted = SIZE / 2;
    while (low < high) {
      uint32_t pivot = items[wanted];
      int i = low, j = high;
      while (i <= j) {
        while (items[i] < pivot) i++;
        while (items[j] > pivot) j--;
        if (i <= j) {
          uint32_t held = items[i];
          items[i++] = items[j], items[j--] = held;
        }
      }
      if (j < wanted) low = i;
      if (wanted < i) high = j;
    }
    sum = mix(sum, items[wanted]);
  }
  return sum;
}

typedef struct node {
  struct node *left, *right;
  uint32_t key;
} node;

static node nodes[SIZE];

static node **place_of(node **at, uint32_t key) {
  while (*at && (*at)->key != key) at = key < (*at)->key ? &(*at)->left : &(*at)->right;
  return at;
}

static uint64_t walk(const node *at, uint64_t sum, uint32_t depth) {
  if (!at) return sum;
  sum = walk(at->left, sum, depth + 1);
  return walk(at->right, mix(sum, at->key + depth), depth + 1);
}

KERNEL(search_tree) {
  node *root = NULL;
  fill(8);
  memset(nodes, 0, sizeof nodes);
  for (int i = 0; i < SIZE; i++) {
    node **place = place_of(&root, items[i]);
    if (*place) continue;
    nodes[i].key = items[i];
    *place = &nodes[i];
  }
  return walk(root, 0, 0);
}

KERNEL(linked_list) {
  node *head = NULL;
  memset(nodes, 0, sizeof nodes);
  for (uint32_t i = 0; i < SIZE; i++) nodes[i].key = i * opaque(7), nodes[i].left = head, head = &nodes[i];
  node *reversed = NULL;
  while (head) {
    node *rest = head->left;
    head->left = reversed, reversed = head, head = rest;
  }
  uint64_t sum = 0;
  for (; reversed; reversed = reversed->left) sum = mix(sum, reversed->key);
  return sum;
}

KERNEL(shuffle) {
  uint32_t state = opaque(9);
  for (uint32_t i = 0; i < SIZE; i++) items[i] = i;
  for (uint32_t i = SIZE; i-- > 1;) {
    uint32_t j = next(&state) % (i + 1), held = items[i];
    items[i] = items[j], items[j] = held;
  }
  return mix_bytes(0, items, sizeof items);
}
