// The shape of a dense row-major array, by value: at most kMaxRank dimensions, no allocation.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace bantam {

struct Shape {
  static constexpr int kMaxRank = 6;

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<int64_t> d) {
    for (int64_t v : d)
      if (rank < kMaxRank) dims[rank++] = v;
  }

  constexpr int64_t operator[](int i) const { return dims[i < 0 ? rank + i : i]; }  // -1 is the last dimension
  constexpr int64_t& operator[](int i) { return dims[i < 0 ? rank + i : i]; }

  // Number of elements; 1 for rank 0.
  constexpr int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }

  constexpr bool operator==(const Shape& o) const {
    if (rank != o.rank) return false;
    for (int i = 0; i < rank; ++i)
      if (dims[i] != o.dims[i]) return false;
    return true;
  }

  int64_t dims[kMaxRank] = {};
  int rank = 0;
};

}  // namespace bantam
