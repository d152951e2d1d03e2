// Figures of a run as self-contained SVG: the same data give the same bytes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cmd/report/metrics.h"

namespace bantam {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y; a y that is not finite breaks the line
  std::vector<std::pair<double, double>> band =
      {};  // beside each point the least and the largest y, as a shade; or none
  bool dots_only = false;
};
struct Panel {
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

// About `want` round values (1, 2 or 5 times a power of ten apart) within [low, high].
std::vector<double> nice_ticks(double low, double high, int want);

// Panels side by side, each with axes, ticks, grid and legend.
std::string line_chart(const std::string& title, const std::vector<Panel>& panels);

// The confusion matrix as a heat map: a row a true class, shares of the row as shades, counts as text.
std::string confusion_chart(const Metrics& m, const std::vector<std::string>& class_names);

}  // namespace bantam
