#include "cmd/report/terminal.h"

#include <doctest/doctest.h>

#include "cmd/report/text.h"

using namespace bantam;

namespace {

ProgressState some_state() {
  ProgressState s;
  s.title = "epoch 2/3";
  s.done = 580;
  s.total = 1000;
  s.loss = 0.43123;
  s.accuracy = 0.842;
  s.images_per_second = 3120.4;
  s.seconds_left = 72;
  return s;
}

}  // namespace

TEST_CASE("progress: a bar line shows loss, accuracy, images/s and time left") {
  const std::string line = progress_line(some_state(), {ProgressMode::kBar, false, 110});
  CHECK(line == "epoch 2/3  [#################-------------]   58%  loss 0.4312  acc 84.2%  3,120 img/s  1:12 left");
}

TEST_CASE("progress: 80 columns have room for everything") {
  const std::string line = progress_line(some_state(), {ProgressMode::kBar, false, 80});
  CHECK(line == "epoch 2/3  [######------]   58%  loss 0.4312  acc 84.2%  3,120 img/s  1:12 left");
}

TEST_CASE("progress: the line fits any width and loses the least important parts first") {
  for (int width : {1, 5, 10, 20, 40, 60, 79, 80, 81, 100, 200}) {
    CAPTURE(width);
    const std::string line = progress_line(some_state(), {ProgressMode::kBar, false, width});
    CHECK(int(line.size()) <= std::max(1, width - 1));
  }
  const std::string narrow = progress_line(some_state(), {ProgressMode::kBar, false, 40});
  CHECK(narrow == "epoch 2/3   58%  loss 0.4312  1:12 left");
}

TEST_CASE("progress: no escape and no carriage return unless it is a bar; color only if asked for") {
  double now = 0;
  std::string out;
  const auto sink = [&](std::string_view s) { out += s; };
  const auto clock = [&] { return now; };
  {
    Progress p({ProgressMode::kLines, false, 80}, sink, clock);
    for (now = 0; now < 25; now += 0.5) p.update(some_state());
    p.line("epoch 1 done");
  }
  CHECK(out.find('\r') == std::string::npos);
  CHECK(out.find('\x1b') == std::string::npos);
  CHECK(std::count(out.begin(), out.end(), '\n') == 3);  // at 10 s and 20 s, and the line that stays

  out.clear();
  {
    Progress p({ProgressMode::kBar, false, 80}, sink, clock);
    p.update(some_state());
    p.update(some_state());  // too early to redraw
  }
  CHECK(std::count(out.begin(), out.end(), '\r') == 2);  // drawn once, taken away once
  CHECK(out.find("\x1b[32m") == std::string::npos);
  CHECK(progress_line(some_state(), {ProgressMode::kBar, true, 120}).find("\x1b[32m") != std::string::npos);

  out.clear();
  {
    Progress p({ProgressMode::kQuiet, false, 80}, sink, clock);
    now += 100;
    p.update(some_state());
    p.line("x");
  }
  CHECK(out.empty());
}

TEST_CASE("text: numbers as people read them") {
  CHECK(thousands(0) == "0");
  CHECK(thousands(999) == "999");
  CHECK(thousands(1000) == "1,000");
  CHECK(thousands(-1234567) == "-1,234,567");
  CHECK(thousands(-123) == "-123");
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.00 KiB");
  CHECK(bytes_text(1205862) == "1.15 MiB");
  CHECK(count_text(5870000) == "5.87 M");
  CHECK(duration_text(7) == "0:07");
  CHECK(duration_text(3723) == "1:02:03");
  CHECK(duration_text(1e300) == "?");
  CHECK(fixed(1e308, 2).size() == 312);
}
