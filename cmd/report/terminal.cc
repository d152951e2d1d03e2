#include "cmd/report/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cmd/report/text.h"

namespace bantam {
namespace {

constexpr double kBarSeconds = 0.1;
constexpr double kLineSeconds = 10;

int stderr_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = getenv("COLUMNS");
  const int n = columns ? atoi(columns) : 0;
  return n > 0 ? n : 80;
}

void write_stderr(std::string_view text) {
  fwrite(text.data(), 1, text.size(), stderr);
  fflush(stderr);
}

}  // namespace

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TerminalInfo stderr_terminal(bool no_progress, bool quiet) {
  const char* term = getenv("TERM");
  const char* no_color = getenv("NO_COLOR");
  const bool terminal = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
  TerminalInfo info;
  info.mode = quiet ? ProgressMode::kQuiet : terminal && !no_progress ? ProgressMode::kBar : ProgressMode::kLines;
  info.color = info.mode == ProgressMode::kBar && !(no_color && *no_color);
  info.width = stderr_width();
  return info;
}

std::string progress_line(const ProgressState& s, const TerminalInfo& terminal) {
  const double share = s.total > 0 ? std::clamp(double(s.done) / double(s.total), 0.0, 1.0) : 0;
  // The parts in the order in which they stand, each with a rank: the highest ranks are dropped first.
  struct Part {
    std::string text;
    int rank;
  };
  std::vector<Part> parts = {{s.title, 1}, {pad_left(fixed(100 * share, 0), 3) + "%", 0}};
  if (s.evaluating) {
    parts.push_back({"evaluating", 2});
  } else {
    parts.push_back({"loss " + fixed(s.loss, 4), 2});
    parts.push_back({"acc " + fixed(100 * s.accuracy, 1) + "%", 4});
  }
  if (s.images_per_second > 0) parts.push_back({thousands(int64_t(s.images_per_second + 0.5)) + " img/s", 5});
  parts.push_back({duration_text(s.seconds_left) + " left", 3});

  const bool bar = terminal.mode == ProgressMode::kBar;
  const int room = bar ? std::max(1, terminal.width - 1) : 1 << 20;  // the last column stays free: writing it may wrap
  const auto length = [&] {
    size_t n = 0;
    for (const Part& p : parts) n += p.text.size() + 2;
    return int(n) - 2;
  };
  while (length() > room && parts.size() > 1)
    parts.erase(
        std::max_element(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.rank < b.rank; }));

  std::string bar_text;
  if (const int cells = std::min(30, room - length() - 4); bar && cells >= 8) {
    const int filled = int(share * cells);
    const std::string full(size_t(filled), '#'), rest(size_t(cells - filled), '-');
    bar_text = terminal.color ? "[\x1b[32m" + full + "\x1b[0m" + rest + "]" : "[" + full + rest + "]";
  }
  std::string line;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i == 1 && !bar_text.empty()) line += "  " + bar_text;
    line += (i ? "  " : "") + parts[i].text;
  }
  return bar && int(line.size()) > room && bar_text.empty() ? line.substr(0, size_t(room)) : line;
}

Progress::Progress(const TerminalInfo& terminal, Sink sink, std::function<double()> seconds)
    : terminal_(terminal),
      live_(!sink),
      sink_(sink ? std::move(sink) : write_stderr),
      seconds_(seconds ? std::move(seconds) : monotonic_seconds) {
  next_ = terminal.mode == ProgressMode::kLines ? seconds_() + kLineSeconds : seconds_();
}

Progress::~Progress() { clear(); }

void Progress::update(const ProgressState& s) {
  if (terminal_.mode == ProgressMode::kQuiet) return;
  const double now = seconds_();
  if (now < next_) return;
  if (terminal_.mode == ProgressMode::kBar) {
    next_ = now + kBarSeconds;
    if (live_) terminal_.width = stderr_width();  // it may have been resized
    sink_("\r" + progress_line(s, terminal_) + "\x1b[K");
    shown_ = true;
  } else {
    next_ = now + kLineSeconds;
    sink_(progress_line(s, terminal_) + "\n");
  }
}

void Progress::line(const std::string& text) {
  if (terminal_.mode == ProgressMode::kQuiet) return;
  clear();
  sink_(text + "\n");
}

void Progress::clear() {
  if (!shown_) return;
  sink_("\r\x1b[K");
  shown_ = false;
  next_ = 0;  // redraw at the next update
}

}  // namespace bantam
