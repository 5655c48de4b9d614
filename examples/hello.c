#include "freestanding.h"

void _start(void) {
  print("Hello from a guest.\n");
  leave(0);
}
