#pragma once

#include <stdexcept>

namespace bantam {

// What went wrong in an operation, naming it and the shapes: "conv2d: weight has 16 input channels, input has 3
// [8,32,32,3]".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace bantam
