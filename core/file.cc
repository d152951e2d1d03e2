#include "core/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

#include "bantam_fault.h"
#include "core/file_calls.h"

namespace bantam {

const FileCalls kSystemCalls = {
    [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
    ::write, ::fsync, ::ftruncate, ::link, ::rename, ::unlink, ::close};

namespace {

std::atomic<const FileCalls*> g_calls{&kSystemCalls};
const FileCalls& calls() { return *g_calls.load(std::memory_order_acquire); }

// Again as long as a signal interrupts.
template <class F>
auto retry(F call) {
  decltype(call()) r;
  do r = call();
  while (r < 0 && errno == EINTR);
  return r;
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string free_space(const std::string& path) {
  struct statvfs v;
  if (statvfs(folder_of(path).c_str(), &v) != 0) return "free space unknown";
  return std::to_string(uint64_t(v.f_bavail) * v.f_frsize) + " bytes free";
}

// After close() the descriptor is gone whatever it returns (Linux), so an interrupted call is not repeated and is no
// failure: all data were synced before.
int close_file(int fd) {
  int r = calls().close(fd);
  return r < 0 && errno == EINTR ? 0 : r;
}

bool write_all(int fd, ByteSpan bytes) {
  constexpr size_t kMost = size_t(1) << 30;  // Linux writes at most 2 GiB a call
  while (!bytes.empty()) {
    ssize_t n = retry([&] { return calls().write(fd, bytes.data(), std::min(bytes.size(), kMost)); });
    if (n < 0) return false;
    if (n == 0) {  // not an error by POSIX, but no progress either
      errno = EIO;
      return false;
    }
    bytes = bytes.subspan(size_t(n));
  }
  return true;
}

void sync_folder(const std::string& path) {
  std::string folder = folder_of(path);
  int fd = retry([&] { return calls().open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  if (fd < 0) throw IoError(path, "cannot write", "open of its folder", errno);
  // Some file systems know no fsync of a folder (EINVAL): nothing more can be done there.
  bool failed = retry([&] { return calls().fsync(fd); }) < 0 && errno != EINVAL;
  int error = errno;
  close_file(fd);
  if (failed) throw IoError(path, "cannot write", "fsync of its folder", error);
}

// Temporary files of PATH/NAME are called PATH/.NAME.PID-COUNT.tmp. The number of the process only tells people whose
// it is; whether the writer still lives is told by the lock that it holds on the file: numbers of processes are used
// again and differ between containers, the lock goes with its holder.
std::string temporary_prefix(const std::string& path) { return "." + name_of(path) + "."; }

bool is_temporary_of(const std::string& prefix, const char* name) {
  size_t n = strlen(name);
  if (n < prefix.size() + 7 || prefix.compare(0, prefix.size(), name, prefix.size()) != 0) return false;
  if (strcmp(name + n - 4, ".tmp") != 0) return false;
  int dashes = 0;
  for (const char* p = name + prefix.size(); p < name + n - 4; ++p) {
    if (*p == '-') ++dashes;
    else if (*p < '0' || *p > '9') return false;
  }
  return dashes == 1;
}

// Removes what dead writers left. Failures are none of the caller's business: they only leave a file lying.
void remove_stale(const std::string& path) {
  std::string folder = folder_of(path), prefix = temporary_prefix(path);
  DIR* dir = opendir(folder.c_str());
  if (!dir) return;
  while (const dirent* entry = readdir(dir)) {
    if (!is_temporary_of(prefix, entry->d_name)) continue;
    std::string name = folder + "/" + entry->d_name;
    int fd = ::open(name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(name.c_str());
    ::close(fd);
  }
  closedir(dir);
}

}  // namespace

const FileCalls* use_file_calls(const FileCalls* table) { return g_calls.exchange(table); }

IoError::IoError(const std::string& path, const std::string& action, const std::string& call, int error_number)
    : std::runtime_error(path + ": " + action + ": " + strerror(error_number) + " (" + call + "; " + free_space(path) +
                         ")"),
      error_number_(error_number) {}

std::string printable(std::string_view text, size_t most) {
  static const char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned char c : text.substr(0, most)) {
    if (c >= 0x20 && c < 0x7f) {
      out += char(c);
    } else {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  if (text.size() > most) out += "...";
  return out;
}

Bytes read_file(const std::string& path, uint64_t max_bytes) {
  struct Closer {
    int fd;
    ~Closer() {
      if (fd >= 0) ::close(fd);
    }
  };
  // O_NONBLOCK: a pipe without a writer must not hang us before we can see that it is one.
  Closer file{retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); })};
  if (file.fd < 0) throw FileError(path, std::string("cannot open: ") + strerror(errno));
  struct stat st;
  if (fstat(file.fd, &st) != 0) throw IoError(path, "cannot read", "fstat", errno);
  if (S_ISDIR(st.st_mode)) throw FileError(path, "is a folder");
  if (!S_ISREG(st.st_mode)) throw FileError(path, "is not a regular file");
  if (uint64_t(st.st_size) > max_bytes)
    throw FileError(path, std::to_string(st.st_size) + " bytes, at most " + std::to_string(max_bytes) + " allowed");
  Bytes bytes(size_t(st.st_size));
  size_t have = 0;
  while (have < bytes.size()) {
    ssize_t n = retry([&] { return ::read(file.fd, bytes.data() + have, bytes.size() - have); });
    if (n < 0) throw IoError(path, "cannot read", "read", errno);
    if (n == 0) throw FileError(path, "became shorter while it was read");
    have += size_t(n);
  }
  return bytes;
}

std::string read_text(const std::string& path, uint64_t max_bytes) {
  Bytes bytes = read_file(path, max_bytes);
  return std::string(as_text(bytes));
}

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  remove_stale(path);
  create();
}

void AtomicFile::create() {
  static std::atomic<uint64_t> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary_ = folder_of(path_) + "/" + temporary_prefix(path_) + std::to_string(getpid()) + "-" +
                 std::to_string(counter.fetch_add(1)) + ".tmp";
    fd_ = retry([&] { return calls().open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
    if (fd_ < 0) {
      if (errno == EEXIST) continue;  // of a dead process of the same number, which somebody is just removing
      throw IoError(path_, "cannot write", "open of a temporary file", errno);
    }
    // Whoever cleans up may have come between open and flock: then the name is gone, or will be.
    struct stat st;
    bool locked =
        flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;  // other errors: no locks here, no cleaners
    if (locked && fstat(fd_, &st) == 0 && st.st_nlink == 1) return;
    remove();
  }
  throw IoError(path_, "cannot write", "open of a temporary file", EEXIST);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) remove();
}

void AtomicFile::remove() {
  calls().unlink(temporary_.c_str());
  close_file(fd_);
  fd_ = -1;
}

void AtomicFile::write(ByteSpan bytes) {
  if (!write_all(fd_, bytes)) throw IoError(path_, "cannot write", "write", errno);
}

void AtomicFile::commit(bool keep_previous) {
#ifndef BANTAM_FAULT_ATOMIC_WRITE_NO_FSYNC
  if (retry([&] { return calls().fsync(fd_); }) < 0) throw IoError(path_, "cannot write", "fsync", errno);
#endif
  if (keep_previous) {
    std::string previous = path_ + ".prev";
    if (calls().unlink(previous.c_str()) < 0 && errno != ENOENT)
      throw IoError(previous, "cannot write", "unlink", errno);
    // A second name, not a rename: the path must name a whole file at every moment.
    if (calls().link(path_.c_str(), previous.c_str()) < 0 && errno != ENOENT)
      throw IoError(previous, "cannot write", "link", errno);
  }
  if (calls().rename(temporary_.c_str(), path_.c_str()) < 0) throw IoError(path_, "cannot write", "rename", errno);
  // Closed only now: the lock has to hold until the name is the final one.
  int fd = fd_;
  fd_ = -1;
  if (close_file(fd) < 0) throw IoError(path_, "cannot write", "close", errno);
  sync_folder(path_);
}

void atomic_write(const std::string& path, std::span<const ByteSpan> pieces, bool keep_previous) {
  AtomicFile file(path);
  for (ByteSpan piece : pieces) file.write(piece);
  file.commit(keep_previous);
}

void atomic_write(const std::string& path, std::string_view text, bool keep_previous) {
  ByteSpan piece = as_bytes(text);
  atomic_write(path, {&piece, 1}, keep_previous);
}

void AppendLog::open() {
  bool existed = access(path_.c_str(), F_OK) == 0;
  fd_ = retry([&] { return calls().open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666); });
  if (fd_ < 0) throw IoError(path_, "cannot write", "open", errno);
  struct stat st;
  if (fstat(fd_, &st) != 0) throw IoError(path_, "cannot write", "fstat", errno);
  size_ = uint64_t(st.st_size);
  if (!existed) sync_folder(path_);
}

AppendLog::AppendLog(const std::string& path) : path_(path) {
  try {
    open();
  } catch (...) {
    if (fd_ >= 0) close_file(fd_);
    throw;
  }
}

AppendLog::AppendLog(const std::string& path, uint64_t keep_bytes) : AppendLog(path) {
  if (size_ < keep_bytes)
    throw FileError(path, std::to_string(size_) + " bytes, but a checkpoint counts on " + std::to_string(keep_bytes));
  if (retry([&] { return calls().ftruncate(fd_, off_t(keep_bytes)); }) < 0)
    throw IoError(path, "cannot write", "ftruncate", errno);
  size_ = keep_bytes;
}

AppendLog::~AppendLog() {
  if (fd_ >= 0) close_file(fd_);
}

void AppendLog::write(std::string_view line) {
  std::string whole(line);  // one call, so that another reader of the file never sees half a line
  whole += '\n';
  if (!write_all(fd_, as_bytes(whole))) {
    int error = errno;
    // Takes back the part that did get through.
    retry([&] { return calls().ftruncate(fd_, off_t(size_)); });
    throw IoError(path_, "cannot write", "write", error);
  }
  size_ += whole.size();
}

void AppendLog::sync() {
  if (retry([&] { return calls().fsync(fd_); }) < 0) throw IoError(path_, "cannot write", "fsync", errno);
}

}  // namespace bantam
