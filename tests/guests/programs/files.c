/* Large files, directories, links, file times and locks. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
  mkdir("/tmp/files", 0750);
  chdir("/tmp/files");
  int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0644);
  off_t far = 5000000000;
  printf("pwrite %d\n", (int)pwrite(fd, "end", 3, far));
  struct stat status;
  fstat(fd, &status);
  printf("size %lld blocks<100 %d mode %o links %d\n", (long long)status.st_size, status.st_blocks < 100, status.st_mode, (int)status.st_nlink);
  printf("seek %lld\n", (long long)lseek(fd, -3, SEEK_END));
  char text[8] = "";
  read(fd, text, 3);
  printf("read %s\n", text);
  ftruncate(fd, 8192);
  char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memcpy(map + 4096, "mapped", 7);
  pread(fd, text, 7, 4096);
  printf("shared %s\n", text);
  struct iovec parts[2] = {{"one ", 4}, {"two", 4}};
  lseek(fd, 0, SEEK_SET);
  printf("writev %d %s\n", (int)writev(fd, parts, 2), map);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  printf("lock %d\n", fcntl(fd, F_SETLK, &lock));
  struct timespec times[2] = {{1000, 5}, {2000, 7}};
  futimens(fd, times);
  stat("big", &status);
  printf("times %ld.%ld %ld.%ld\n", (long)status.st_atim.tv_sec, status.st_atim.tv_nsec, (long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  symlink("big", "link");
  link("big", "hard");
  char where[32];
  where[readlink("link", where, sizeof where)] = 0;
  lstat("link", &status);
  printf("link %s %o\n", where, status.st_mode & S_IFMT);
  rename("hard", "renamed");
  DIR *directory = opendir(".");
  int entries = 0, regular = 0;
  for (struct dirent *entry; (entry = readdir(directory));) ++entries, regular += entry->d_type == DT_REG;
  closedir(directory);
  printf("entries %d regular %d\n", entries, regular);
  struct statvfs system;
  printf("statvfs %d %d\n", statvfs(".", &system), system.f_bsize > 0);
  printf("open %d", open("none/x", O_RDONLY | O_DIRECTORY));
  printf(" %d\n", errno);
  printf("nofollow %d", open("link", O_RDONLY | O_NOFOLLOW));
  printf(" %d\n", errno);
  printf("mode %x\n", (unsigned)fcntl(fd, F_GETFL) & O_ACCMODE);
  struct statx extended;
  printf("statx %d %d\n", statx(AT_FDCWD, "big", 0, STATX_ALL, &extended), (int)extended.stx_size);
  unlink("big"), unlink("link"), unlink("renamed");
  chdir("/");
  return rmdir("/tmp/files");
}
