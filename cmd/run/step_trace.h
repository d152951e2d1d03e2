// A profile of some training steps as a Chrome trace (chrome://tracing, ui.perfetto.dev): JSON with one complete event
// ("ph":"X", times in microseconds) for each scope of work (core/work.h) and for each chunk of a parallel loop. Thread
// 0 holds the scopes of the training loop: step, phase, node; thread 1 + l the chunks that ran on lane l. Events of a
// thread nest, exactly: times are whole nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/work.h"

namespace bantam {

class StepTrace : public WorkObserver {
 public:
  // Of so many steps. An empty trace is written at once: a file that cannot be written is found before the training,
  // not after. Throws IoError.
  StepTrace(std::string file, int64_t steps);

  // Steps that will come: the first three are not observed if enough are left (by then all memory is there).
  void expect(int64_t steps_to_come);

  // While alive, the calling thread's step is observed, if its turn has come. Null: nothing happens.
  class Step {
   public:
    Step(StepTrace* trace, int64_t number);

   private:
    std::string name_;
    std::optional<ObserveWork> observe_;
    std::optional<WorkScope> scope_;
  };

  // Writes the file once all steps are there (`last`: also if they are not). True when it did. Call it between steps.
  bool write(bool last);
  int64_t observed() const { return observed_; }
  const std::string& file() const { return file_; }

  void begin(const Work& work) override;
  void end() override;
  void chunk_begin(int lane, const Work& work) override;
  void chunk_end(int lane) override;

 private:
  struct Event {
    const char* kind;
    std::string name;
    int64_t begin, end;  // ns
  };
  std::string json() const;

  std::string file_;
  int64_t steps_, warmup_ = 0, seen_ = 0, observed_ = 0;
  bool written_ = false;
  std::vector<Event> scopes_;
  std::vector<size_t> open_;                // of scopes_
  std::vector<std::vector<Event>> chunks_;  // by lane
};

}  // namespace bantam
