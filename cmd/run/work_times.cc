#include "cmd/run/work_times.h"

#include "cmd/report/terminal.h"

namespace bantam {

void WorkTimes::begin(const Work& work) {
  const std::string kind = work.kind ? work.kind : "", name = work.name ? *work.name : "";
  const std::string phase = open_.empty() ? kind : entries_[open_.front().entry].phase;
  size_t i = 0;
  while (i < entries_.size() && !(entries_[i].phase == phase && entries_[i].kind == kind && entries_[i].name == name))
    ++i;
  if (i == entries_.size()) entries_.push_back({phase, kind, name, 0, 0});
  open_.push_back({i, monotonic_seconds(), 0});
}

void WorkTimes::end() {
  const Open o = open_.back();
  open_.pop_back();
  const double seconds = monotonic_seconds() - o.began;
  entries_[o.entry].seconds += seconds - o.inside;
  ++entries_[o.entry].calls;
  if (!open_.empty()) open_.back().inside += seconds;
}

}  // namespace bantam
