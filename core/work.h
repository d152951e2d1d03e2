// What a thread works at, by name: the node of a net, the phase of a step. Whoever runs a piece of work opens a
// WorkScope; whoever wants to know (a profile, a table of times) observes. A node remembers the scope in which it was
// recorded, so that its backward pass goes by the same name. Unobserved, a scope costs a few moves and one test of a
// pointer.
#pragma once

#include <string>

namespace bantam {

struct Work {
  const char* kind = nullptr;         // "conv", "batch_norm"; of a phase "forward", "backward". Of static lifetime
  const std::string* name = nullptr;  // the node's; null for a phase
};

// Is told of the work of the thread that installed it. Scopes nest: the end belongs to the last begin that is open.
class WorkObserver {
 public:
  virtual ~WorkObserver() = default;
  virtual void begin(const Work& work) = 0;
  virtual void end() = 0;
  // A chunk of one of that thread's parallel loops, on the thread that runs it: concurrent calls have different lanes.
  // `work` is the scope in which the loop stands.
  virtual void chunk_begin(int lane, const Work& work) = 0;
  virtual void chunk_end(int lane) = 0;
};

namespace work_detail {
inline constinit thread_local Work t_work = {};
inline constinit thread_local WorkObserver* t_observer = nullptr;
}  // namespace work_detail

inline const Work& current_work() { return work_detail::t_work; }
inline WorkObserver* work_observer() { return work_detail::t_observer; }

class WorkScope {
 public:
  explicit WorkScope(const Work& work) : old_(work_detail::t_work), observer_(work_detail::t_observer) {
    work_detail::t_work = work;
    if (observer_) observer_->begin(work);
  }
  ~WorkScope() {
    if (observer_) observer_->end();
    work_detail::t_work = old_;
  }
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;

 private:
  Work old_;
  WorkObserver* observer_;  // that of the begin: the end goes to nobody else
};

// Observes this thread while alive; null observes nothing. Make and destroy it between scopes.
class ObserveWork {
 public:
  explicit ObserveWork(WorkObserver* observer) : old_(work_detail::t_observer) { work_detail::t_observer = observer; }
  ~ObserveWork() { work_detail::t_observer = old_; }
  ObserveWork(const ObserveWork&) = delete;
  ObserveWork& operator=(const ObserveWork&) = delete;

 private:
  WorkObserver* old_;
};

}  // namespace bantam
