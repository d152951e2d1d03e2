// What an evaluation counts: top-1, top-5, the confusion matrix and what follows from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bantam {

// Wilson's score interval of a proportion right / n, at 95 %; {0, 1} for n = 0.
struct Interval {
  double low = 0, high = 1;
};
Interval wilson95(int64_t right, int64_t n);

// Position of `label` in the order of falling scores, 0 is the best. Equal scores: the lower index comes first. A NaN
// is below every number.
int rank_of(const float* scores, int classes, int label);
int best_class(const float* scores, int classes);  // the one of rank 0

struct ClassFigures {
  int64_t images = 0;               // that are of this class
  std::optional<double> recall;     // right / images
  std::optional<double> precision;  // right / predicted as this class
  std::optional<double> f1;         // harmonic mean of the two
};

class Metrics {
 public:
  explicit Metrics(int classes);

  // scores [n, classes], labels [n]; loss_sum: summed over the n images.
  void add(const float* scores, const int32_t* labels, int64_t n, double loss_sum);

  int classes() const { return classes_; }
  int64_t images() const { return images_; }
  int64_t top1_right() const { return top1_; }
  int64_t top5_right() const { return top5_; }  // top-k with k = min(5, classes)
  double top1() const { return images_ ? double(top1_) / double(images_) : 0; }
  double top5() const { return images_ ? double(top5_) / double(images_) : 0; }
  double loss() const { return images_ ? loss_sum_ / double(images_) : 0; }
  int64_t confusion(int truth, int predicted) const {
    return confusion_[size_t(truth) * size_t(classes_) + size_t(predicted)];
  }
  ClassFigures figures_of(int label) const;

 private:
  int classes_;
  int64_t images_ = 0, top1_ = 0, top5_ = 0;
  double loss_sum_ = 0;
  std::vector<int64_t> confusion_;  // [truth, predicted]
};

// The matrix as CSV: a header of names, then a row for each true class.
std::string confusion_csv(const Metrics& m, const std::vector<std::string>& class_names);

// The whole report as lines of text for a person.
std::string metrics_text(const Metrics& m, const std::vector<std::string>& class_names);

}  // namespace bantam
