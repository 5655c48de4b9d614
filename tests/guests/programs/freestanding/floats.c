// Floating point of 32 and 64 bits: arithmetic, comparisons, conversions, special values, what is made of it.
#include "kernel.h"

KERNEL(double_arithmetic) {
  double x = opaque(3), y = 1.5;
  uint64_t sum = 0;
  for (int i = 1; i < 5000; i++) {
    x = x * 1.0000001 + y / i;
    y = y - x / (i + 2.5);
    sum = mix_double(sum, x), sum = mix_double(sum, y);
  }
  return sum;
}

KERNEL(float_arithmetic) {
  float x = (float)opaque(3), y = 1.5f;
  uint64_t sum = 0;
  for (int i = 1; i < 5000; i++) {
    x = x * 1.0001f + y / (float)i;
    y = y - x / ((float)i + 2.5f);
    sum = mix_float(sum, x), sum = mix_float(sum, y);
  }
  return sum;
}

KERNEL(square_roots) {
  uint64_t sum = 0;
  uint32_t state = opaque(1);
  for (int i = 0; i < 3000; i++) {
    double x = unit(&state) * 1e9;
    sum = mix_double(sum, __builtin_sqrt(x)), sum = mix_float(sum, __builtin_sqrtf((float)x));
  }
  return sum;
}

KERNEL(fused) {
  uint64_t sum = 0;
  uint32_t state = opaque(2);
  for (int i = 0; i < 1000; i++) {
    double a = unit(&state), b = unit(&state), c = -a * b;
    sum = mix_double(sum, a * b + c), sum = mix_float(sum, (float)a * (float)b - (float)c);
  }
  return sum;
}

KERNEL(to_integers) {
  uint64_t sum = 0;
  uint32_t state = opaque(4);
  for (int i = 0; i < 3000; i++) {
    double x = (unit(&state) - 0.5) * 4e9;
    sum = mix(sum, (uint32_t)(int32_t)(x / 2)), sum = mix(sum, (uint32_t)(x < 0 ? -x : x));
    sum = mix(sum, (uint64_t)(int64_t)(x * 1e6)), sum = mix(sum, (uint8_t)(int32_t)(float)(x / 1e8));
  }
  return sum;
}

KERNEL(from_integers) {
  uint64_t sum = 0;
  uint32_t state = opaque(5);
  for (int i = 0; i < 3000; i++) {
    uint64_t wide = next64(&state);
    wide >>= i & 63;
    sum = mix_double(sum, (double)wide), sum = mix_double(sum, (double)(int64_t)(wide << 1));
    sum = mix_float(sum, (float)(int32_t)wide), sum = mix_double(sum, (uint32_t)wide);
  }
  return sum;
}

KERNEL(narrowing) {
  uint64_t sum = 0;
  double x = opaque(1);
  for (int i = 0; i < 2000; i++) {
    x *= 1.0000000123;
    float narrow = (float)(x * 1e-40 * (i & 1 ? 1e10 : 1));
    sum = mix_float(sum, narrow), sum = mix_double(sum, (double)narrow * 3);
  }
  return sum;
}

KERNEL(comparisons) {
  static const double kValues[] = {
      0.0, -0.0, 1.0, -1.0, 1e308, 5e-324, __builtin_inf(), -__builtin_inf(), __builtin_nan("")};
  uint64_t sum = 0;
  for (unsigned i = 0; i < COUNT(kValues); i++)
    for (unsigned j = 0; j < COUNT(kValues); j++) {
      double a = kValues[(i + opaque(0)) % COUNT(kValues)], b = kValues[j];
      float c = (float)a, d = (float)b;
      sum = sum * 5 + (a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a != b) + 16 * (a > b) + 32 * !(a >= b);
      sum = sum * 5 + (c < d) + 2 * (c <= d) + 4 * (c == d) + 8 * __builtin_isunordered(c, d) + 16 * (c > d);
    }
  return sum;
}

KERNEL(special_values) {
  double zero = opaque(0), one = opaque(1), infinity = one / zero;
  double results[] = {infinity,      -infinity,   one / infinity,     -one / infinity,
                      infinity * -2, zero * -one, one / -infinity * 3};
  uint64_t sum = mix_bytes(0, results, sizeof results);
  double nothing[] = {zero / zero, infinity - infinity, zero * infinity, __builtin_sqrt(-one)};
  for (unsigned i = 0; i < COUNT(nothing); i++) sum = sum * 3 + (nothing[i] != nothing[i]);
  return sum;
}

KERNEL(subnormals) {
  double x = 2.3e-308 * opaque(1);
  float y = 1.5e-38f * (float)opaque(1);
  uint64_t sum = 0;
  for (int i = 0; i < 70; i++) {
    x *= 0.71, y *= 0.77f;
    sum = mix_double(sum, x), sum = mix_float(sum, y), sum = mix_double(sum, x / 3),
    sum = mix_float(sum, y * 1e7f);
  }
  return sum;
}

KERNEL(signs) {
  uint64_t sum = 0;
  uint32_t state = opaque(6);
  for (int i = 0; i < 2000; i++) {
    double x = unit(&state) - 0.5, y = unit(&state) - 0.5;
    sum = mix_double(sum, __builtin_fabs(x) + __builtin_copysign(x, y) * -y);
    sum = mix_float(sum, __builtin_fabsf((float)x) - __builtin_copysignf((float)y, (float)x));
  }
  return sum;
}

static double sine(double x) {
  double term = x, sum = x;
  for (int i = 1; i < 12; i++) sum += term *= -x * x / ((2 * i) * (2 * i + 1));
  return sum;
}

static double exponential(double x) {
  double term = 1, sum = 1;
  for (int i = 1; i < 25; i++) sum += term *= x / i;
  return sum;
}

KERNEL(series) {
  uint64_t sum = 0;
  for (int i = 0; i < 300; i++) {
    double x = i * 0.01 * opaque(1);
    sum = mix_double(sum, sine(x)), sum = mix_double(sum, exponential(-x)),
    sum = mix_double(sum, exponential(x));
  }
  return sum;
}

KERNEL(newton) {
  uint64_t sum = 0;
  for (int i = 2; i < 500; i++) {
    double n = i * (double)opaque(1), x = n;
    for (int k = 0; k < 20; k++) x = x - (x * x * x - n) / (3 * x * x);
    sum = mix_double(sum, x);
  }
  return sum;
}

KERNEL(pi_digits) {
  double sum = 0;
  for (int i = 0; i < 20000; i++) sum += (i & 1 ? -4.0 : 4.0) / (2 * i + (int)opaque(1));
  return mix_double(0, sum);
}

KERNEL(simpson) {
  double sum = 0;
  const int steps = 2000;
  for (int i = 0; i <= steps; i++) {
    double x = (double)i / steps * opaque(1);
    sum += (i == 0 || i == steps ? 1 : i & 1 ? 4 : 2) * __builtin_sqrt(1 - x * x < 0 ? 0 : 1 - x * x);
  }
  return mix_double(0, sum / (3 * steps));
}

KERNEL(mandelbrot) {
  uint64_t sum = 0;
  for (int py = 0; py < 32; py++)
    for (int px = 0; px < 48; px++) {
      double cx = px / 16.0 - 2.1, cy = py / 12.0 - 1.3 + opaque(0), x = 0, y = 0;
      uint32_t count = 0;
      for (; count < 100 && x * x + y * y < 4; count++) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy, x = t;
      }
      sum = mix(sum, count);
    }
  return sum;
}

KERNEL(julia_float) {
  uint64_t sum = 0;
  for (int py = 0; py < 24; py++)
    for (int px = 0; px < 32; px++) {
      float x = (float)px / 10.0f - 1.6f + (float)opaque(0), y = (float)py / 10.0f - 1.2f;
      uint32_t count = 0;
      for (; count < 60 && x * x + y * y < 4.0f; count++) {
        float t = x * x - y * y - 0.8f;
        y = 2 * x * y + 0.156f, x = t;
      }
      sum = mix(sum, count);
    }
  return sum;
}

KERNEL(logistic) {
  double x = 0.3 * opaque(1);
  uint64_t sum = 0;
  for (int i = 0; i < 5000; i++) x = 3.9 * x * (1 - x), sum = mix_double(sum, x);
  return sum;
}

KERNEL(kahan) {
  float sum = 0, lost = 0, plain = 0;
  uint32_t state = opaque(9);
  for (int i = 0; i < 10000; i++) {
    float x = (float)unit(&state);
    plain += x;
    float y = x - lost, t = sum + y;
    lost = (t - sum) - y;
    sum = t;
  }
  return mix_float(mix_float(0, sum), plain);
}

KERNEL(round_half) {
  uint64_t sum = 0;
  for (int i = -400; i < 400; i++) {
    double x = i * 0.25 * opaque(1);
    double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, ties to even
    sum = mix_double(sum, (x + magic) - magic);
    sum = mix(sum, (uint32_t)(int32_t)x);
  }
  return sum;
}

KERNEL(polynomials) {
  static const double kCoefficients[] = {1.25, -3.5, 0.125, 7.0, -2.0, 0.0625, 1.0};
  uint64_t sum = 0;
  for (int i = 0; i < 1000; i++) {
    double x = (i - 500) * 0.01 * opaque(1), y = 0;
    for (unsigned k = 0; k < COUNT(kCoefficients); k++) y = y * x + kCoefficients[k];
    sum = mix_double(sum, y);
  }
  return sum;
}

KERNEL(statistics) {
  uint32_t state = opaque(10);
  double mean = 0, squares = 0, least = 1e9, most = -1e9;
  for (int i = 1; i < 5000; i++) {
    double x = unit(&state) * 100, delta = x - mean;
    mean += delta / i;
    squares += delta * (x - mean);
    least = x < least ? x : least, most = x > most ? x : most;
  }
  return mix_double(mix_double(mix_double(mix_double(0, mean), squares), least), most);
}
