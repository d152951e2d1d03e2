// Progress on stderr: a bar that redraws itself where a person looks on, plain lines where a file or a pipe listens.
// Results never come this way: they go to stdout.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace bantam {

enum class ProgressMode { kBar, kLines, kQuiet };

struct TerminalInfo {
  ProgressMode mode = ProgressMode::kLines;
  bool color = false;
  int width = 80;  // columns
};

// What stderr is: a bar only on a terminal with TERM other than dumb and without --no-progress, color unless NO_COLOR
// is set and not empty, the width that the terminal says (COLUMNS, then 80 where it does not).
TerminalInfo stderr_terminal(bool no_progress, bool quiet);

// What stands beside the bar.
struct ProgressState {
  std::string title;              // "epoch 2/3"
  int64_t done = 0, total = 0;    // of the whole run, in steps
  double loss = 0, accuracy = 0;  // running means of this epoch; accuracy in [0, 1]
  double images_per_second = 0;
  double seconds_left = 0;
  bool evaluating = false;  // loss and accuracy are not known yet
};

// One line, at most `width` columns, no line end: parts are dropped from the least important on until it fits.
std::string progress_line(const ProgressState& s, const TerminalInfo& terminal);

class Progress {
 public:
  using Sink = std::function<void(std::string_view)>;
  // `seconds` is a clock. The default sink is stderr, the default clock is monotonic.
  Progress(const TerminalInfo& terminal, Sink sink = {}, std::function<double()> seconds = {});
  ~Progress();  // takes the bar away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows the state if it is time: a bar every 0.1 s, a line every 10 s.
  void update(const ProgressState& s);
  // A line that stays (the bar makes room). Nothing in quiet mode.
  void line(const std::string& text);
  void clear();

 private:
  TerminalInfo terminal_;
  bool live_;  // writes to stderr itself
  Sink sink_;
  std::function<double()> seconds_;
  double next_ = 0;
  bool shown_ = false;
};

double monotonic_seconds();

}  // namespace bantam
