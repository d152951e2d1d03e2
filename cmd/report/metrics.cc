#include "cmd/report/metrics.h"

#include <algorithm>
#include <cmath>

#include "bantam_fault.h"
#include "cmd/report/text.h"

namespace bantam {

Interval wilson95(int64_t right, int64_t n) {
  if (n <= 0) return {};
  const double z = 1.959963984540054;  // 97.5 % quantile of the normal distribution
  const double p = double(right) / double(n), zz = z * z / double(n);
  const double middle = (p + zz / 2) / (1 + zz);
  const double half = z / (1 + zz) * std::sqrt(p * (1 - p) / double(n) + zz / (4 * double(n)));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

namespace {

bool above(float a, float b) { return a > b || (std::isnan(b) && !std::isnan(a)); }

std::string percent_or_dash(const std::optional<double>& v) { return v ? fixed(100 * *v, 1) : "-"; }

}  // namespace

int rank_of(const float* scores, int classes, int label) {
  int rank = 0;
  for (int c = 0; c < classes; ++c) {
    if (c == label) continue;
#ifdef BANTAM_FAULT_LAST_OF_EQUALS_RANKS_FIRST
    const bool first = above(scores[c], scores[label]) || (c > label && !above(scores[label], scores[c]));
#else
    const bool first = above(scores[c], scores[label]) || (c < label && !above(scores[label], scores[c]));
#endif
    rank += first ? 1 : 0;
  }
  return rank;
}

int best_class(const float* scores, int classes) {
  int best = 0;
  for (int c = 1; c < classes; ++c)
    if (above(scores[c], scores[best])) best = c;
  return best;
}

Metrics::Metrics(int classes) : classes_(classes), confusion_(size_t(classes) * size_t(classes)) {}

void Metrics::add(const float* scores, const int32_t* labels, int64_t n, double loss_sum) {
  for (int64_t i = 0; i < n; ++i) {
    const float* row = scores + i * classes_;
    const int label = labels[i];
    const int rank = rank_of(row, classes_, label);
    top1_ += rank == 0 ? 1 : 0;
    top5_ += rank < 5 ? 1 : 0;
    ++confusion_[size_t(label) * size_t(classes_) + size_t(best_class(row, classes_))];
  }
  images_ += n;
  loss_sum_ += loss_sum;
}

ClassFigures Metrics::figures_of(int label) const {
  ClassFigures f;
  int64_t predicted = 0;
  for (int c = 0; c < classes_; ++c) {
    f.images += confusion(label, c);
    predicted += confusion(c, label);
  }
  const double right = double(confusion(label, label));
  if (f.images) f.recall = right / double(f.images);
  if (predicted) f.precision = right / double(predicted);
  if (f.images + predicted) f.f1 = 2 * right / double(f.images + predicted);
  return f;
}

std::string confusion_csv(const Metrics& m, const std::vector<std::string>& class_names) {
  std::string out = "truth\\predicted";
  for (int c = 0; c < m.classes(); ++c) out += "," + csv_field(class_names[size_t(c)]);
  out += "\n";
  for (int t = 0; t < m.classes(); ++t) {
    out += csv_field(class_names[size_t(t)]);
    for (int p = 0; p < m.classes(); ++p) out += "," + std::to_string(m.confusion(t, p));
    out += "\n";
  }
  return out;
}

std::string metrics_text(const Metrics& m, const std::vector<std::string>& class_names) {
  const auto line = [&](const char* name, int64_t right) {
    const Interval i = wilson95(right, m.images());
    return std::string(name) + "  " + fixed(100.0 * double(right) / double(std::max<int64_t>(1, m.images())), 2) +
           " %  (95 % interval " + fixed(100 * i.low, 2) + " to " + fixed(100 * i.high, 2) + ", " + thousands(right) +
           " of " + thousands(m.images()) + ")\n";
  };
  std::string out =
      line("top-1", m.top1_right()) + line("top-5", m.top5_right()) + "loss   " + fixed(m.loss(), 4) + "\n\n";

  size_t width = 5;
  for (const std::string& name : class_names) width = std::max(width, name.size());
  const size_t number = std::max<size_t>(6, std::to_string(m.images()).size());
  out += pad_right("class", width) + pad_left("images", number + 2) + pad_left("recall %", 10) +
         pad_left("precision %", 13) + pad_left("f1 %", 8) + "\n";
  for (int c = 0; c < m.classes(); ++c) {
    const ClassFigures f = m.figures_of(c);
    out += pad_right(class_names[size_t(c)], width) + pad_left(std::to_string(f.images), number + 2) +
           pad_left(percent_or_dash(f.recall), 10) + pad_left(percent_or_dash(f.precision), 13) +
           pad_left(percent_or_dash(f.f1), 8) + "\n";
  }
  if (m.classes() > 20)
    return out + "\n(the confusion matrix has more than 20 classes: --json or --confusion FILE.csv holds it)\n";
  out += "\nconfusion matrix: a row for each true class, a column for each prediction, in the order above\n";
  for (int t = 0; t < m.classes(); ++t) {
    out += pad_right(class_names[size_t(t)], width);
    for (int p = 0; p < m.classes(); ++p) out += pad_left(std::to_string(m.confusion(t, p)), number);
    out += "\n";
  }
  return out;
}

}  // namespace bantam
