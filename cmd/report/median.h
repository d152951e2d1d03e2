// The median of measured times: what a neighbour's burst of work does not move.
#pragma once

#include <algorithm>
#include <vector>

namespace bantam {

inline double median(std::vector<double> v) {  // at least one
  std::sort(v.begin(), v.end());
  return (v[(v.size() - 1) / 2] + v[v.size() / 2]) / 2;
}

}  // namespace bantam
