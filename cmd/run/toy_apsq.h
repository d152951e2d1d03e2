// Chapter 6's toy problem: two weights with one scale on a loss surface, quantized to +-alpha each, so that what the
// loss sees lies on one of the plane's two diagonals. [T 6.2] [T 6.5]
//
//   L(x, y) = log2((x^4 + (y - 3)^4) ((x - 1)^2 + (y - 1)^2) + 1)
//
// has its minima, both 0, at (1, 1), which a quantized vector can reach, and at (0, 3), which it cannot. The real
// weights start at (1.5, 3), near the second; SGD with a rate of 0.05 moves them by the gradient at the quantized ones.
// The arms run on the engine's own quantizers, penalties and optimizer.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace bantam {

using Point2 = std::array<double, 2>;

double toy_loss(const Point2& at);
Point2 toy_gradient(const Point2& at);

struct ToyArm {
  std::string name = {};
  bool learned = false;  // the scale is a parameter, from 2.25 on; otherwise mean |w|
  double l2 = 0;         // weight of the L2 distance [Eq. 6.15], as a norm, not by element
  double angle = 0;      // weight of 1 - cosine [Eq. 6.7]
  int steps = 20;
};
// Those of Figs. 6.1 and 6.5, and the two that these leave out.
std::vector<ToyArm> toy_arms();

struct ToyStep {
  Point2 real = {}, quantized = {};
  double loss = 0, cosine = 0;
};
struct ToyTrajectory {
  ToyArm arm = {};
  std::vector<ToyStep> steps = {};  // before each step, and after the last
  int flips = 0;                    // how often one of the two weights changed its sign
};
ToyTrajectory run_toy(const ToyArm& arm);

}  // namespace bantam
