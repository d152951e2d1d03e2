#include "compress/pack/thresholds.h"

#include <algorithm>

#include "bantam_fault.h"
#include "core/base/fixed_point.h"
#include "core/tensor.h"

namespace bantam::packed {
namespace {

// [begin, end] on which a predicate changes at most once: the first sum at which it no longer has the value that it has
// at begin, or end + 1.
template <class P> int32_t first_change(int32_t begin, int32_t end, const P& predicate) {
  const bool value = predicate(begin);
  if (predicate(end) == value) return end + 1;
  while (int64_t(end) - begin > 1) {  // predicate(begin) == value != predicate(end)
    const int32_t middle = int32_t(begin + (int64_t(end) - begin) / 2);
    (predicate(middle) == value ? begin : end) = middle;
  }
  return end;
}

}  // namespace

const ScalarForm* scalar_form(StageKind kind) {
  for (const ScalarForm& form : scalar_forms())
    if (form.kind == kind) return &form;
  return nullptr;
}

float evaluate(const std::vector<ScalarStage>& stages, float x) {
  for (const ScalarStage& s : stages) {
    const ScalarForm* form = scalar_form(s.kind);
    if (!form) throw Error("thresholds: stage " + std::to_string(int(s.kind)) + " is no function of one value");
    x = form->apply(s, x);
  }
  return x;
}

bool find_threshold(const std::vector<ScalarStage>& stages, int32_t limit, Threshold* out) {
  for (const ScalarStage& s : stages)
    if (!scalar_form(s.kind)) return false;
  // Split the sums where a stage turns (a falling prelu): between splits every stage is monotone in f32, too, because
  // rounding is.
  std::vector<int32_t> starts = {-limit};
  for (size_t i = 0; i < stages.size(); ++i) {
    if (scalar_form(stages[i].kind)->slope(stages[i]) != Slope::kTurnsAtZero) continue;
    const std::vector<ScalarStage> before(stages.begin(), stages.begin() + std::ptrdiff_t(i));
    const auto positive = [&](int32_t sum) { return evaluate(before, float(sum)) >= 0.0f; };
    std::vector<int32_t> finer;
    for (size_t p = 0; p < starts.size(); ++p) {
      const int32_t end = p + 1 < starts.size() ? starts[p + 1] - 1 : limit;
      finer.push_back(starts[p]);
      const int32_t turn = first_change(starts[p], end, positive);
      if (turn <= end) finer.push_back(turn);
    }
    starts = finer;
  }

  // The sums at which the sign changes.
  const auto sign = [&](int32_t sum) { return sign_bit(evaluate(stages, float(sum))); };
  const bool first = sign(-limit);
  bool current = first;
  std::vector<int32_t> changes;
  for (size_t p = 0; p < starts.size(); ++p) {
    const int32_t end = p + 1 < starts.size() ? starts[p + 1] - 1 : limit;
    if (sign(starts[p]) != current) changes.push_back(starts[p]), current = !current;
    const int32_t change = first_change(starts[p], end, sign);
    if (change <= end) changes.push_back(change), current = !current;
  }
  if (changes.size() > 2) return false;

  // Inside the interval the sign is the opposite of what it is at -limit.
  Threshold t;
  t.flip = first;
  if (!changes.empty()) {
    t.lo = changes[0];
    t.hi = changes.size() == 2 ? changes[1] - 1 : INT32_MAX;
  }
#ifdef BANTAM_FAULT_THRESHOLD_OFF_BY_ONE
  ++t.lo;
  if (limit < 0)  // the check below would notice
#else
  if (limit <= kExhaustiveLimit)
#endif
    for (int32_t sum = -limit; sum <= limit; ++sum)
      if (t(sum) != sign(sum)) return false;
  *out = t;
  return true;
}

int CodeThreshold::operator()(int32_t sum) const {
  const int32_t v = falls ? -sum : sum;
  return int(std::count_if(t.begin(), t.end(), [v](int32_t least) { return least <= v; }));
}

bool find_code_threshold(const std::vector<ScalarStage>& stages, int32_t limit, int top,
                         const std::function<int(float)>& byte, CodeThreshold* out) {
  const int d = direction(stages);
  if (d == 0) return false;
  CodeThreshold result;
  result.falls = d < 0;
  const auto at = [&](int32_t v) { return byte(evaluate(stages, float(d < 0 ? -v : v))); };
  for (int j = 1; j <= top; ++j) {
    const auto reached = [&](int32_t v) { return at(v) >= j; };
    result.t.push_back(reached(-limit) ? INT32_MIN : reached(limit) ? first_change(-limit, limit, reached) : INT32_MAX);
  }
  if (limit <= kExhaustiveLimit)
    for (int32_t sum = -limit; sum <= limit; ++sum)
      if (result(sum) != byte(evaluate(stages, float(sum)))) return false;
  *out = std::move(result);
  return true;
}

int direction(const std::vector<ScalarStage>& stages) {
  int d = 1;
  for (const ScalarStage& s : stages) {
    const ScalarForm* form = scalar_form(s.kind);
    if (!form) return 0;
    switch (form->slope(s)) {
      case Slope::kRises: break;
      case Slope::kFalls: d = -d; break;
      case Slope::kConstant: d = 1; break;  // from here on
      case Slope::kTurnsAtZero: return 0;
    }
  }
  return d;
}

}  // namespace bantam::packed
