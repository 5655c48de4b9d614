/* printf, strtod and arithmetic on hard cases of floating point; status flags and rounding modes. */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(const char *name, double value) {
  uint64_t bits;
  memcpy(&bits, &value, 8);
  printf("%-10s %016llx %.17g %a %e %.3f flags %x\n", name, (unsigned long long)bits, value, value, value, value, fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
}

int main(void) {
  static const char *texts[] = {"0.1", "1e23", "9007199254740993", "2.2250738585072011e-308", "4.9406564584124654e-324", "1.7976931348623157e308", "1e400", "-0",
                                "nan", "inf", "0x1.fffffffffffffp-1023", "123456789012345678901234567890", "3.14159265358979323846264338327950288", "5e-324", "2.5", "0.5", "1e-400"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    double value = strtod(texts[i], NULL);
    feclearexcept(FE_ALL_EXCEPT);
    show("text", value);
    printf("%.0f %.1f %g %G %.20e %Lg\n", value, value, value, value, value, (long double)value);
  }
  volatile double zero = 0, one = 1, three = 3, huge = DBL_MAX, tiny = DBL_MIN, nan = NAN;
  feclearexcept(FE_ALL_EXCEPT);
  show("1/3", one / three);
  show("1/0", one / zero);
  show("0/0", zero / zero);
  show("huge*3", huge * three);
  show("tiny/3", tiny / three);
  show("sqrt -1", sqrt(-one));
  show("nan+1", nan + one);
  show("inf-inf", one / zero - one / zero);
  static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (int i = 0; i < 4; ++i) {
    fesetround(modes[i]);
    show("mode 1/3", one / three);
    show("mode -1/3", -one / three);
    show("rint", rint(2.5 * one));
    printf("%ld %ld %lld\n", lrint(-1.5 * one), lrint(0.5 * one), llrint(1e15 / three));
    printf("%.2f %.0f %.10g\n", 0.125 * one, 2.5 * one, one / three);
  }
  fesetround(FE_TONEAREST);
  float single = 16777217.0f;
  printf("%.9g %.9g %.9g\n", single, (float)(one / three), (float)1e-46);
  printf("%ld %lu %d %u\n", (long)(three * 1e18), (unsigned long)(three * 6e18), (int)-three, (unsigned)three);
  printf("%.15g %.15g %.15g %.15g %.15g\n", sin(1e22), cos(0.5), exp(-745.1), pow(1.0001, 1e5), fmod(1e300, 7));
  printf("%.15g %.15g %.15g %.15g\n", tgamma(5.5), erf(0.3), cbrt(27.5), hypot(3e200, 4e200));
  printf("%d %d %d %d\n", isnan(nan) != 0, nan < one, nan == nan, isunordered(nan, one) != 0);
  printf("%.17g %.17g\n", fma(one / three, three, -one), ldexp(one, -1074));
  printf("%.17Lg\n", (long double)one / 3);
  return 0;
}
