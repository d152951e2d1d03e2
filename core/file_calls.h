// The system calls with which core/file.cc changes anything on a disk, as a table: a test puts in one that fails at the
// k-th call, for each k. Signatures and results are the system's.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace bantam {

struct FileCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int fd, const void* data, size_t size);
  int (*fsync)(int fd);
  int (*ftruncate)(int fd, off_t size);
  int (*link)(const char* from, const char* to);
  int (*rename)(const char* from, const char* to);
  int (*unlink)(const char* path);
  int (*close)(int fd);
};

extern const FileCalls kSystemCalls;

// Uses the table from now on, on all threads. Returns the one used so far.
const FileCalls* use_file_calls(const FileCalls* calls);

}  // namespace bantam
