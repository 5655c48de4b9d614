/* Standard I/O: formatted output and input, seeking, temporary files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char path[] = "/tmp/stdio.XXXXXX";
  int descriptor = mkstemp(path);
  FILE *file = fdopen(descriptor, "w+");
  for (int i = 0; i < 2000; ++i) fprintf(file, "%d %08x %s\n", i, i * 2654435761u, i % 3 ? "odd one" : "third");
  fflush(file);
  printf("size %ld\n", ftell(file));
  rewind(file);
  int number, words = 0, lines = 0;
  unsigned value, sum = 0;
  char word[32], line[128];
  while (fscanf(file, "%d %x %31s", &number, &value, word) == 3) sum += value ^ (unsigned)number, words += (int)strlen(word), fgets(line, sizeof line, file), ++lines;
  printf("%d lines, %d, %08x\n", lines, words, sum);
  fseek(file, -20, SEEK_END);
  printf("<%.*s>\n", (int)fread(line, 1, 19, file), line);
  fclose(file);
  remove(path);
  setvbuf(stdout, NULL, _IONBF, 0);
  puts("unbuffered");
  char text[64];
  snprintf(text, sizeof text, "%-8s|%8s|%+d|%#o|%c|%%|%5.3d|%ld|%zu", "ab", "cd", 5, 8, 'x', 7, -1L, sizeof(long));
  puts(text);
  sscanf("12:34,0x1f", "%d:%d,%x", &number, &words, &value);
  printf("%d %d %u\n", number, words, value);
  return 3;
}
