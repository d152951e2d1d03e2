// Files that survive: a file is replaced as a whole and durably, or not at all; a log is appended to durably and can be
// cut back to where a checkpoint found it. And bounded reads of files that nobody vouches for.
//
// Order of a replacement (tests/core/file_test.cc holds it): create a temporary file in the same folder, write it,
// fsync it, rename it over the old one, fsync the folder. Whenever the process or the machine stops, the path names
// either the whole old file or the whole new one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// The file is not what it should be: missing, too large, malformed. "PATH: REASON". The program exits with 3.
class FileError : public std::runtime_error {
 public:
  FileError(const std::string& path, const std::string& reason)
      : std::runtime_error(path + ": " + reason), path_(path), reason_(reason) {}
  const std::string& path() const { return path_; }
  const std::string& reason() const { return reason_; }

 private:
  std::string path_, reason_;
};

// The system refused to read or write: full disk, broken disk. The program exits with 5.
// "PATH: cannot write: No space left on device (fsync; 4096 bytes free)"
class IoError : public std::runtime_error {
 public:
  IoError(const std::string& path, const std::string& action, const std::string& call, int error_number);
  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

using Bytes = std::vector<uint8_t>;
using ByteSpan = std::span<const uint8_t>;
inline ByteSpan as_bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view as_text(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// What an error may show of a text from outside: printable ASCII, the rest as \xNN, the first `most` bytes of it.
std::string printable(std::string_view text, size_t most = 80);
inline std::string quote_name(std::string_view text) { return "'" + printable(text) + "'"; }

// The whole file. FileError if it cannot be opened, is no regular file or has more than max_bytes; IoError if reading
// fails.
Bytes read_file(const std::string& path, uint64_t max_bytes);
std::string read_text(const std::string& path, uint64_t max_bytes);

// Replaces a file atomically and durably. Until commit() nothing of it can be seen under the path; without commit()
// nothing stays. Throws IoError.
class AtomicFile {
 public:
  // Also removes what dead writers of the same path left behind.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(ByteSpan bytes);
  void write(std::string_view text) { write(as_bytes(text)); }
  // keep_previous: the file that is replaced stays as PATH.prev.
  void commit(bool keep_previous = false);

 private:
  void create();
  void remove();

  std::string path_, temporary_;
  int fd_ = -1;
};

void atomic_write(const std::string& path, std::span<const ByteSpan> pieces, bool keep_previous = false);
void atomic_write(const std::string& path, std::string_view text, bool keep_previous = false);

// A file of lines. A line is in the hands of the system when write() returns (it survives the death of the process) and
// on the disk when sync() returns (it survives a power loss). Throws IoError; then the file ends with the last whole
// line.
class AppendLog {
 public:
  // Opens or creates, to go on after what is there.
  explicit AppendLog(const std::string& path);
  // Opens and first cuts off what comes after keep_bytes: a run that goes on from a checkpoint forgets what came later.
  // FileError if the file is shorter.
  AppendLog(const std::string& path, uint64_t keep_bytes);
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;

  void write(std::string_view line);  // adds the end of the line
  void sync();
  uint64_t size() const { return size_; }

 private:
  void open();

  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace bantam
