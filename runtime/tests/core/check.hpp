// A check macro for the C++ tests: says what failed and where, and makes the program's exit status 1.
#pragma once

#include <cstdio>
#include <cstdlib>

inline int &failures() {
  static int count = 0;
  return count;
}

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      failures()++;                                                           \
    }                                                                         \
  } while (0)

#define REQUIRE(condition)        \
  do {                            \
    CHECK(condition);             \
    if (failures() != 0) exit(1); \
  } while (0)

inline int result() {
  return failures() == 0 ? 0 : 1;
}
