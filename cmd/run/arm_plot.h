// Settings held against one another as a figure: accuracy by epoch with the spread of the seeds, and accuracy against
// the bytes of the weights with the Pareto front. [T 3.2.6]
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "cmd/run/arms.h"

namespace bantam {

// Of points (cost, benefit) those that no other beats in one of both and equals or beats in the other, by cost. Of
// equal points the first.
std::vector<size_t> pareto_front(const std::vector<std::pair<double, double>>& points);

// Runs without a checkpoint are left out of the second panel.
std::string arms_chart(const std::vector<Arm>& arms);

}  // namespace bantam
