/* A disk that is full when somebody says so, for one program that is started with this library preloaded.

   While the file `data` stands in the folder that ATOMIC_ORDERS_FULL names, no file of a database grows;
   while the file `wal` stands there, nothing is written to the write-ahead log. Both calls answer ENOSPC,
   as the kernel does. What is written over blocks that a file has already is let through in the first
   case, as it is on a real disk. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char flags[2][4096];

__attribute__((constructor)) static void learn(void) {
  const char *folder = getenv("ATOMIC_ORDERS_FULL");
  if (folder == NULL) return;
  snprintf(flags[0], sizeof flags[0], "%s/data", folder);
  snprintf(flags[1], sizeof flags[1], "%s/wal", folder);
}

static int stands(const char *flag) {
  int kept = errno;
  int found = flag[0] != 0 && access(flag, F_OK) == 0;
  errno = kept;
  return found;
}

static int full(int fd, off_t end) {
  int data = stands(flags[0]), wal = stands(flags[1]);
  char link[64], path[4096];
  struct stat st;
  ssize_t length;
  if (!data && !wal) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (wal && strstr(path, "/pg_wal/") != NULL) return 1;
  return data && strstr(path, "/base/") != NULL && fstat(fd, &st) == 0 && end > st.st_size;
}

static off_t total(const struct iovec *vec, int count) {
  off_t sum = 0;
  for (int i = 0; i < count; i++) sum += (off_t)vec[i].iov_len;
  return sum;
}

#define REAL(type, name)                                   \
  static type real;                                        \
  if (real == NULL) real = (type)dlsym(RTLD_NEXT, name)

typedef ssize_t (*write_at)(int, const void *, size_t, off_t);
typedef ssize_t (*writev_at)(int, const struct iovec *, int, off_t);
typedef int (*reserve)(int, off_t, off_t);

#define WRITE_AT(name)                                                   \
  ssize_t name(int fd, const void *bytes, size_t count, off_t at) {      \
    REAL(write_at, #name);                                               \
    if (full(fd, at + (off_t)count)) { errno = ENOSPC; return -1; }      \
    return real(fd, bytes, count, at);                                   \
  }
#define WRITEV_AT(name)                                                  \
  ssize_t name(int fd, const struct iovec *vec, int count, off_t at) {   \
    REAL(writev_at, #name);                                              \
    if (full(fd, at + total(vec, count))) { errno = ENOSPC; return -1; } \
    return real(fd, vec, count, at);                                     \
  }
/* This one gives the error instead of setting it. */
#define RESERVE(name)                                                    \
  int name(int fd, off_t at, off_t length) {                             \
    REAL(reserve, #name);                                                \
    return full(fd, at + length) ? ENOSPC : real(fd, at, length);        \
  }

WRITE_AT(pwrite)
WRITE_AT(pwrite64)
WRITEV_AT(pwritev)
WRITEV_AT(pwritev64)
RESERVE(posix_fallocate)
RESERVE(posix_fallocate64)
