#include "core/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "core/file_calls.h"
#include "tests/core/error_text.h"
#include "tests/core/temp_folder.h"

namespace bantam {
namespace {

// A table of calls in which the k-th call (from 0) goes wrong and every call leaves a word in a trace.
struct Injection {
  enum Mode { kNone, kError, kShortWrite, kInterrupted };
  Mode mode = kNone;
  int at = -1;
  int error = 0;
  int made = 0;
  bool hit = false;
  std::string trace;
};
Injection g_injection;

// True if this call shall fail. An interruption happens once: the call that repeats the interrupted one is another
// call.
bool injected(const char* name) {
  Injection& in = g_injection;
  in.trace += in.trace.empty() ? name : std::string(" ") + name;
  bool now = in.made++ == in.at && in.mode != Injection::kNone;
  if (!now) return false;
  in.hit = true;
  if (in.mode == Injection::kShortWrite) return strcmp(name, "write") == 0;
  errno = in.mode == Injection::kInterrupted ? EINTR : in.error;
  return true;
}

const FileCalls kInjecting = {
    [](const char* path, int flags, mode_t mode) {
      return injected(flags & O_DIRECTORY ? "open-folder" : "open") ? -1 : ::open(path, flags, mode);
    },
    [](int fd, const void* data, size_t size) -> ssize_t {
      if (!injected("write")) return ::write(fd, data, size);
      return g_injection.mode == Injection::kShortWrite ? ::write(fd, data, (size + 1) / 2) : -1;
    },
    [](int fd) {
      struct stat st;
      bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
      return injected(folder ? "fsync-folder" : "fsync") ? -1 : 0;  // a real one would only cost time here
    },
    [](int fd, off_t size) { return injected("ftruncate") ? -1 : ::ftruncate(fd, size); },
    [](const char* from, const char* to) { return injected("link") ? -1 : ::link(from, to); },
    [](const char* from, const char* to) { return injected("rename") ? -1 : ::rename(from, to); },
    [](const char* path) { return injected("unlink") ? -1 : ::unlink(path); },
    [](int fd) {
      bool fail = injected("close");
      int r = ::close(fd);  // the descriptor is gone whatever close returns
      if (fail) errno = g_injection.mode == Injection::kInterrupted ? EINTR : g_injection.error;
      return fail ? -1 : r;
    }};

class WithInjection {
 public:
  explicit WithInjection(Injection::Mode mode = Injection::kNone, int at = -1, int error = 0) {
    g_injection = {};
    g_injection.mode = mode;
    g_injection.at = at;
    g_injection.error = error;
    old_ = use_file_calls(&kInjecting);
  }
  ~WithInjection() { use_file_calls(old_); }

 private:
  const FileCalls* old_;
};

std::string content(const std::string& path) { return read_text(path, 1 << 20); }

TEST_CASE("atomic_write: create, write, fsync, rename, close, then fsync of the folder") {
  TempFolder folder;
  WithInjection injection;
  atomic_write(folder / "a", "new");
  CHECK(g_injection.trace == "open write fsync rename close open-folder fsync-folder close");
  CHECK(content(folder / "a") == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic_write: the previous file is kept on demand, and the path always names a whole file") {
  TempFolder folder;
  atomic_write(folder / "a", "one", true);
  CHECK(folder.count() == 1);
  atomic_write(folder / "a", "two", true);
  CHECK(content(folder / "a.prev") == "one");
  WithInjection injection;
  atomic_write(folder / "a", "three", true);
  CHECK(g_injection.trace == "open write fsync unlink link rename close open-folder fsync-folder close");
  CHECK(content(folder / "a") == "three");
  CHECK(content(folder / "a.prev") == "two");
}

TEST_CASE("atomic_write: pieces are written one after the other; an empty file is a file") {
  TempFolder folder;
  std::vector<ByteSpan> pieces = {as_bytes("ab"), {}, as_bytes("c")};
  atomic_write(folder / "a", pieces);
  CHECK(content(folder / "a") == "abc");
  atomic_write(folder / "a", "");
  CHECK(content(folder / "a").empty());
}

TEST_CASE(
    "atomic_write: whichever call fails, the old or the new file is whole, no other file stays, the error says it "
    "all") {
  for (int error : {ENOSPC, EIO, EDQUOT}) {
    for (bool keep : {false, true}) {
      for (int at = 0;; ++at) {
        TempFolder folder;
        atomic_write(folder / "net", "old");
        std::string message;
        bool hit, renamed;
        {
          WithInjection injection(Injection::kError, at, error);
          try {
            std::vector<ByteSpan> pieces = {as_bytes("new "), as_bytes("content")};
            atomic_write(folder / "net", pieces, keep);
          } catch (const IoError& e) {
            message = e.what();
            CHECK(e.error_number() == error);
          }
          hit = g_injection.hit;
          renamed = g_injection.trace.find("rename close") != std::string::npos;
        }
        CAPTURE(at);
        CAPTURE(message);
        if (!hit) {
          CHECK(message.empty());
          CHECK(at >= 9);  // all of them were tried
          break;
        }
        std::string now = content(folder / "net");
        if (renamed && now != "old") CHECK(now == "new content");
        else CHECK(now == "old");
        // A close that fails at the very end, after the folder was synced, changes nothing any more.
        bool harmless = message.empty();
        if (harmless) {
          CHECK(now == "new content");
        } else {
          CHECK(message.find(folder / "net") == 0);
          CHECK(message.find(strerror(error)) != std::string::npos);
          CHECK(message.find(" bytes free)") != std::string::npos);
        }
        size_t others = folder.count() - 1;
        CHECK(others <= size_t(keep));  // net.prev, never a temporary file
      }
    }
  }
}

TEST_CASE("atomic_write: an interrupted call or a short write loses nothing") {
  for (auto mode : {Injection::kInterrupted, Injection::kShortWrite}) {
    for (int at = 0;; ++at) {
      TempFolder folder;
      atomic_write(folder / "net", "old");
      WithInjection injection(mode, at);
      const std::string message = error_text<IoError>([&] { atomic_write(folder / "net", "new content"); });
      CAPTURE(at);
      CAPTURE(g_injection.trace);
      if (!g_injection.hit) break;
      // rename does not sleep where signals interrupt: EINTR from it would be an error like any other.
      bool rename_failed = message.find("(rename;") != std::string::npos;
      if (!rename_failed) CHECK(message == "accepted");
      CHECK(content(folder / "net") == (rename_failed ? "old" : "new content"));
      CHECK(folder.count() == 1);
    }
  }
}

TEST_CASE("AtomicFile: without commit nothing is left and nothing has changed") {
  TempFolder folder;
  atomic_write(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("half of the n");
    CHECK(folder.count() == 2);
    CHECK(content(folder / "a") == "old");
  }
  CHECK(folder.count() == 1);
  CHECK(content(folder / "a") == "old");
}

TEST_CASE("AtomicFile: what a killed writer left is removed by the next one, what a living one holds is not") {
  TempFolder folder;
  std::string path = folder / "net.safetensors";
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AtomicFile file(path);
    file.write("half");
    if (write(pipe_ends[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char c;
  REQUIRE(read(pipe_ends[0], &c, 1) == 1);
  atomic_write(path, "one");
  CHECK(folder.count() == 2);  // the child lives: its file stays
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  CHECK(folder.count() == 2);
  // Files that only look alike stay: of another path, or not of our pattern.
  std::string keep[] = {folder / ".other.1-1.tmp", folder / ".net.safetensors.1.tmp",
                        folder / ".net.safetensors.x-1.tmp"};
  for (const std::string& k : keep) close(open(k.c_str(), O_CREAT | O_WRONLY, 0666));
  atomic_write(path, "two");
  CHECK(folder.count() == 4);
  for (const std::string& k : keep) CHECK(access(k.c_str(), F_OK) == 0);
  CHECK(content(path) == "two");
}

TEST_CASE("atomic_write: two writers of one path leave one of the two files, whole") {
  TempFolder folder;
  std::string path = folder / "a", one(100000, '1'), two(200000, '2');
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (int i = 0; i < 30; ++i) atomic_write(path, one);
    _exit(0);
  }
  for (int i = 0; i < 30; ++i) atomic_write(path, two);
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  std::string now = content(path);
  CHECK((now == one || now == two));
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic_write: a folder that is missing or a path that is a folder is an IoError with its path") {
  TempFolder folder;
  CHECK_THROWS_AS(atomic_write(folder / "no/a", "x"), IoError);
  REQUIRE(mkdir((folder / "d").c_str(), 0777) == 0);
  CHECK_THROWS_AS(atomic_write(folder / "d", "x"), IoError);
  CHECK(folder.count() == 1);
}

TEST_CASE("read_file: whole files up to the limit; the rest is refused with path and reason") {
  TempFolder folder;
  atomic_write(folder / "a", "12345");
  CHECK(as_text(read_file(folder / "a", 5)) == "12345");
  auto error = [&](const std::string& path, uint64_t limit) -> std::string {
    return refusal(path, [&] { read_file(path, limit); });
  };
  CHECK(error(folder / "a", 4) == "5 bytes, at most 4 allowed");
  CHECK(error(folder / "b", 4) == "cannot open: No such file or directory");
  CHECK(error(folder.path(), 4) == "is a folder");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0666) == 0);
  CHECK(error(folder / "pipe", 4) == "is not a regular file");
  CHECK(error("/dev/zero", 4) == "is not a regular file");
}

TEST_CASE("AppendLog: lines come after what is there, and can be cut back to a remembered size") {
  TempFolder folder;
  std::string path = folder / "log.jsonl";
  uint64_t mark;
  {
    AppendLog log(path);
    CHECK(log.size() == 0);
    log.write("one");
    log.sync();
    mark = log.size();
    log.write("two");
    CHECK(content(path) == "one\ntwo\n");  // there without sync: the process may die
  }
  {
    AppendLog log(path);
    CHECK(log.size() == 8);
    log.write("three");
  }
  AppendLog log(path, mark);
  CHECK(content(path) == "one\n");
  log.write("zwei");
  CHECK(content(path) == "one\nzwei\n");
  CHECK_THROWS_WITH_AS(AppendLog(path, 10), (path + ": 9 bytes, but a checkpoint counts on 10").c_str(), FileError);
}

TEST_CASE("AppendLog: a line that does not fit on the disk leaves no part of itself") {
  TempFolder folder;
  std::string path = folder / "log";
  AppendLog log(path);
  log.write("first");
  {
    // The first write gets half of the line through, the second fails.
    static bool half_done;
    half_done = false;
    FileCalls full = kSystemCalls;
    full.write = [](int fd, const void* data, size_t size) -> ssize_t {
      if (!half_done) {
        half_done = true;
        return ::write(fd, data, size / 2);
      }
      errno = ENOSPC;
      return -1;
    };
    const FileCalls* old = use_file_calls(&full);
    CHECK_THROWS_AS(log.write("second line"), IoError);
    use_file_calls(old);
  }
  CHECK(content(path) == "first\n");
  log.write("third");
  CHECK(content(path) == "first\nthird\n");
}

TEST_CASE("AppendLog: whichever call fails, the error names the file and whole lines stay") {
  for (int at = 0;; ++at) {
    TempFolder folder;
    std::string path = folder / "log";
    bool failed = false, hit;
    {
      WithInjection injection(Injection::kError, at, ENOSPC);
      try {
        AppendLog log(path);
        log.write("a");
        log.sync();
        log.write("b");
        log.sync();
      } catch (const IoError& e) {
        failed = true;
        CHECK(std::string(e.what()).find(path + ": cannot write: No space left on device (") == 0);
      }
      hit = g_injection.hit;
    }
    if (!hit) {
      CHECK(at >= 8);
      break;
    }
    if (access(path.c_str(), F_OK) != 0) continue;
    std::string now = content(path);
    CHECK((now == "" || now == "a\n" || now == "a\nb\n"));
    if (!failed) CHECK(now == "a\nb\n");
  }
}

}  // namespace
}  // namespace bantam
