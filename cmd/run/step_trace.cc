#include "cmd/run/step_trace.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "core/file.h"
#include "core/json.h"
#include "core/parallel.h"

namespace bantam {
namespace {

// Of one thread of the trace: what comes later is left out. About 20 MB of JSON.
constexpr size_t kMaxEvents = size_t(1) << 17;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string microseconds(int64_t ns) {
  char text[32];
  snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ns / 1000), static_cast<long long>(ns % 1000));
  return text;
}

std::string thread_name(int tid) {
  return "{\"ph\":\"M\",\"pid\":1,\"tid\":" + std::to_string(tid) + ",\"name\":\"thread_name\",\"args\":{\"name\":" +
         json_quote(tid == 0 ? "training loop" : "lane " + std::to_string(tid - 1)) + "}}";
}

}  // namespace

StepTrace::StepTrace(std::string file, int64_t steps) : file_(std::move(file)), steps_(steps), chunks_(kMaxThreads) {
  atomic_write(file_, json());
}

void StepTrace::expect(int64_t steps_to_come) { warmup_ = std::clamp<int64_t>(steps_to_come - steps_, 0, 3); }

StepTrace::Step::Step(StepTrace* trace, int64_t number) {
  if (!trace || trace->written_ || trace->seen_++ < trace->warmup_ || trace->observed_ == trace->steps_) return;
  ++trace->observed_;
  name_ = "step " + std::to_string(number);
  observe_.emplace(trace);
  scope_.emplace(Work{"step", &name_});
}

void StepTrace::begin(const Work& work) {
  open_.push_back(scopes_.size());
  scopes_.push_back({work.kind, work.name ? *work.name : "", now_ns(), 0});
}

void StepTrace::end() {
  scopes_[open_.back()].end = now_ns();
  open_.pop_back();
}

void StepTrace::chunk_begin(int lane, const Work& work) {
  auto& events = chunks_[size_t(lane)];
  if (events.size() < kMaxEvents) events.push_back({work.kind, work.name ? *work.name : "", now_ns(), 0});
}

void StepTrace::chunk_end(int lane) {
  auto& events = chunks_[size_t(lane)];
  if (events.back().end == 0) events.back().end = now_ns();
}

bool StepTrace::write(bool last) {
  if (written_ || (observed_ < steps_ && !last)) return false;
  written_ = true;
  atomic_write(file_, json());
  scopes_.clear();
  chunks_.clear();
  return true;
}

std::string StepTrace::json() const {
  std::string out = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + thread_name(0);
  const int64_t zero = scopes_.empty() ? 0 : scopes_[0].begin;
  const auto add = [&](const std::vector<Event>& events, int tid) {
    for (size_t i = 0; i < std::min(events.size(), kMaxEvents); ++i) {
      const Event& e = events[i];
      const std::string kind = e.kind ? e.kind : "other";
      out += ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":" + std::to_string(tid) +
             ",\"name\":" + json_quote(e.name.empty() ? kind : e.name) + ",\"cat\":" + json_quote(kind) +
             ",\"ts\":" + microseconds(e.begin - zero) + ",\"dur\":" + microseconds(e.end - e.begin) + "}";
    }
  };
  add(scopes_, 0);
  for (size_t lane = 0; lane < chunks_.size(); ++lane) {
    if (chunks_[lane].empty()) continue;
    out += ",\n" + thread_name(int(lane) + 1);
    add(chunks_[lane], int(lane) + 1);
  }
  return out + "\n]}\n";
}

}  // namespace bantam
