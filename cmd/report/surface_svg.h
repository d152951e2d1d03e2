// Trajectories over a surface's contour lines, as a self-contained SVG.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace bantam {

struct SurfacePath {
  std::string name = {};
  std::vector<std::array<double, 2>> points = {};
};
struct SurfacePanel {
  std::string title = {}, note = {};
  std::vector<SurfacePath> paths = {};
};
struct Surface {
  std::function<double(double x, double y)> height;
  std::array<double, 2> low = {}, high = {};                     // corners of the part that is shown
  std::vector<double> levels = {};                               // of contour lines
  std::vector<std::array<double, 2>> minima = {};                // marked
  std::vector<std::array<std::array<double, 2>, 2>> lines = {};  // drawn dashed: what can be reached
};

// Panels in rows of `columns`, all over the same surface. The same data give the same bytes.
std::string surface_chart(const std::string& title, const Surface& surface, const std::vector<SurfacePanel>& panels,
                          int columns);

}  // namespace bantam
