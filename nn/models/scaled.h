// A channel count of the zoo, times the net's width.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bantam {

inline int64_t scaled(int64_t channels, double width) {
  return std::max<int64_t>(1, std::llround(double(channels) * width));
}

}  // namespace bantam
