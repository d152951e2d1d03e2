// Where the time of a step goes: observes the work of a thread (core/work.h) and adds up, for each phase and node, the
// time that it did not spend in scopes inside of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/work.h"

namespace bantam {

class WorkTimes : public WorkObserver {
 public:
  struct Entry {
    std::string phase;  // the outermost scope's kind: "forward", "backward"
    std::string kind, name;
    double seconds = 0;
    int64_t calls = 0;
  };

  void begin(const Work& work) override;
  void end() override;
  void chunk_begin(int, const Work&) override {}
  void chunk_end(int) override {}

  // In the order in which they first came. A phase's own entry (kind == phase) is what no scope inside accounts for.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Open {
    size_t entry;
    double began, inside;  // inside: time of the scopes within
  };
  std::vector<Entry> entries_;
  std::vector<Open> open_;
};

}  // namespace bantam
