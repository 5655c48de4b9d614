// Matrices, transforms, graphs, and small simulations.
#include "kernel.h"

KERNEL(matrix_double) {
  static double a[24][24], b[24][24], c[24][24];
  uint32_t state = opaque(1);
  for (int i = 0; i < 24; i++)
    for (int j = 0; j < 24; j++) a[i][j] = unit(&state), b[i][j] = unit(&state) - 0.5;
  for (int i = 0; i < 24; i++)
    for (int j = 0; j < 24; j++) {
      double sum = 0;
      for (int k = 0; k < 24; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  return mix_bytes(0, c, sizeof c);
}

KERNEL(matrix_integer) {
  static int32_t a[32][32], b[32][32], c[32][32];
  uint32_t state = opaque(2);
  for (int i = 0; i < 32; i++)
    for (int j = 0; j < 32; j++)
      a[i][j] = (int32_t)(next(&state) & 255), b[i][j] = (int32_t)(next(&state) & 255) - 128;
  memset(c, 0, sizeof c);
  for (int i = 0; i < 32; i++)
    for (int k = 0; k < 32; k++)
      for (int j = 0; j < 32; j++) c[i][j] += a[i][k] * b[k][j];
  return mix_bytes(0, c, sizeof c);
}

KERNEL(gauss_elimination) {
  double m[12][13];
  uint32_t state = opaque(3);
  uint64_t sum = 0;
  for (int i = 0; i < 12; i++)
    for (int j = 0; j < 13; j++) m[i][j] = unit(&state) + (i == j ? 3 : 0);
  for (int p = 0; p < 12; p++)
    for (int i = 0; i < 12; i++) {
      if (i == p) continue;
      double factor = m[i][p] / m[p][p];
      for (int j = p; j < 13; j++) m[i][j] -= factor * m[p][j];
    }
  for (int i = 0; i < 12; i++) sum = mix_double(sum, m[i][12] / m[i][i]);
  return sum;
}

KERNEL(transpose_rotate) {
  static uint8_t image[64][64];
  uint32_t state = opaque(4);
  for (unsigned i = 0; i < sizeof image; i++) image[i / 64][i % 64] = (uint8_t)next(&state);
  for (int round = 0; round < 5; round++)
    for (int i = 0; i < 32; i++)
      for (int j = i; j < 63 - i; j++) {
        uint8_t held = image[i][j];
        image[i][j] = image[63 - j][i], image[63 - j][i] = image[63 - i][63 - j];
        image[63 - i][63 - j] = image[j][63 - i], image[j][63 - i] = held;
      }
  return mix_bytes(0, image, sizeof image);
}

KERNEL(fourier) {
  enum { kSize = 128 };
  double re[kSize], im[kSize];
  uint32_t state = opaque(5);
  for (int i = 0; i < kSize; i++) re[i] = unit(&state), im[i] = 0;
  for (unsigned i = 1, j = 0; i < kSize; i++) {
    unsigned bit = kSize / 2;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      double held = re[i];
      re[i] = re[j], re[j] = held;
    }
  }
  double cosine = -1, sine = 0;  // of pi / half
  for (int half = 1; half < kSize; half *= 2) {
    for (int start = 0; start < kSize; start += 2 * half) {
      double wr = 1, wi = 0;
      for (int k = start; k < start + half; k++) {
        double xr = re[k + half] * wr - im[k + half] * wi, xi = re[k + half] * wi + im[k + half] * wr;
        re[k + half] = re[k] - xr, im[k + half] = im[k] - xi;
        re[k] += xr, im[k] += xi;
        double turned = wr * cosine - wi * sine;
        wi = wr * sine + wi * cosine, wr = turned;
      }
    }
    double next_cosine = __builtin_sqrt((1 + cosine) / 2);  // the half angle
    sine = half == 1 ? -1 : sine / (2 * next_cosine);
    cosine = half == 1 ? 0 : next_cosine;
  }
  return mix_bytes(mix_bytes(0, re, sizeof re), im, sizeof im);
}

KERNEL(n_bodies) {
  double x[5][3], v[5][3], mass[5];
  uint32_t state = opaque(6);
  for (int i = 0; i < 5; i++) {
    mass[i] = 1 + unit(&state);
    for (int k = 0; k < 3; k++) x[i][k] = unit(&state) * 10, v[i][k] = unit(&state) - 0.5;
  }
  for (int step = 0; step < 150; step++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        double d[3], squared = 0.01;
        for (int k = 0; k < 3; k++) d[k] = x[i][k] - x[j][k], squared += d[k] * d[k];
        double scale = 0.01 / (squared * __builtin_sqrt(squared));
        for (int k = 0; k < 3; k++) v[i][k] -= d[k] * mass[j] * scale, v[j][k] += d[k] * mass[i] * scale;
      }
    for (int i = 0; i < 5; i++)
      for (int k = 0; k < 3; k++) x[i][k] += 0.01 * v[i][k];
  }
  return mix_bytes(mix_bytes(0, x, sizeof x), v, sizeof v);
}

KERNEL(life) {
  static uint8_t now[32][32], after[32][32];
  uint32_t state = opaque(7);
  uint64_t sum = 0;
  for (int i = 0; i < 1024; i++) now[i / 32][i % 32] = next(&state) >> 31;
  for (int round = 0; round < 15; round++) {
    for (int i = 0; i < 32; i++)
      for (int j = 0; j < 32; j++) {
        int count = 0;
        for (int k = 0; k < 9; k++)
          if (k != 4) count += now[(i + k / 3 + 31) & 31][(j + k % 3 + 31) & 31];
        after[i][j] = count == 3 || (count == 2 && now[i][j]);
      }
    memcpy(now, after, sizeof now);
    sum = mix_bytes(sum, now, sizeof now);
  }
  return sum;
}

KERNEL(heat) {
  static float grid[32][32];
  for (int i = 0; i < 32; i++)
    for (int j = 0; j < 32; j++) grid[i][j] = i == 0 ? 100.0f * (float)opaque(1) : 0;
  for (int round = 0; round < 20; round++)
    for (int i = 1; i < 31; i++)
      for (int j = 1; j < 31; j++)
        grid[i][j] = 0.25f * (grid[i - 1][j] + grid[i + 1][j] + grid[i][j - 1] + grid[i][j + 1]);
  return mix_bytes(0, grid, sizeof grid);
}

KERNEL(automaton_110) {
  uint8_t cells[128] = {0}, after[128];
  uint64_t sum = 0;
  cells[opaque(127)] = 1;
  for (int round = 0; round < 100; round++) {
    for (unsigned i = 0; i < 128; i++)
      after[i] = 110 >> (4 * cells[(i + 127) & 127] + 2 * cells[i] + cells[(i + 1) & 127]) & 1;
    memcpy(cells, after, sizeof cells);
    sum = mix_bytes(sum, cells, sizeof cells);
  }
  return sum;
}

KERNEL(shortest_paths) {
  static uint32_t distance[40][40];
  uint32_t state = opaque(8);
  for (int i = 0; i < 40; i++)
    for (int j = 0; j < 40; j++)
      distance[i][j] = i == j ? 0 : next(&state) % 8 ? 1u << 20 : next(&state) % 1000;
  for (int k = 0; k < 40; k++)
    for (int i = 0; i < 40; i++)
      for (int j = 0; j < 40; j++)
        if (distance[i][k] + distance[k][j] < distance[i][j])
          distance[i][j] = distance[i][k] + distance[k][j];
  return mix_bytes(0, distance, sizeof distance);
}

KERNEL(flood_fill) {
  static uint8_t field[48][48];
  static uint16_t queue[48 * 48];
  uint32_t state = opaque(9);
  for (int i = 0; i < 48 * 48; i++) field[i / 48][i % 48] = next(&state) % 3 == 0;
  field[0][0] = 0;
  unsigned head = 0, tail = 0;
  queue[tail++] = 0;
  field[0][0] = 2;
  while (head < tail) {
    int at = queue[head++], i = at / 48, j = at % 48;
    static const int8_t kSteps[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
    for (int k = 0; k < 4; k++) {
      int y = i + kSteps[k][0], x = j + kSteps[k][1];
      if (y < 0 || x < 0 || y >= 48 || x >= 48 || field[y][x]) continue;
      field[y][x] = 2;
      queue[tail++] = (uint16_t)(48 * y + x);
    }
  }
  return mix_bytes(tail, field, sizeof field);
}

KERNEL(union_find) {
  static uint16_t parent[1000];
  uint32_t state = opaque(10);
  uint64_t sum = 0;
  for (unsigned i = 0; i < 1000; i++) parent[i] = (uint16_t)i;
  for (int round = 0; round < 900; round++) {
    uint32_t a = next(&state) % 1000, b = next(&state) % 1000;
    while (parent[a] != a) a = parent[a] = parent[parent[a]];
    while (parent[b] != b) b = parent[b] = parent[parent[b]];
    parent[a] = (uint16_t)b;
    sum = mix(sum, a + b);
  }
  return sum;
}
