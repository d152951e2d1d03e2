#include "cmd/report/surface_svg.h"

#include "cmd/report/svg_parts.h"

namespace bantam {
namespace {

constexpr int kSide = 290, kLeft = 34, kTop = 84, kGap = 46, kCells = 56;

using Point = std::array<double, 2>;

struct Frame {
  Axis x, y;
  std::string at(const Point& p) const { return xy(x.at(p[0])) + " " + xy(y.at(p[1])); }
};

// The line of one level in each cell of a grid, by linear interpolation along its edges (marching squares).
std::string contour(const Surface& s, const Frame& frame, double level) {
  const auto at = [&](int i, int j) {
    return Point{s.low[0] + (s.high[0] - s.low[0]) * i / kCells, s.low[1] + (s.high[1] - s.low[1]) * j / kCells};
  };
  std::string path;
  for (int i = 0; i < kCells; ++i)
    for (int j = 0; j < kCells; ++j) {
      const Point corner[4] = {at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)};
      double above[4];
      for (int c = 0; c < 4; ++c) above[c] = s.height(corner[c][0], corner[c][1]) - level;
      std::vector<Point> ends;
      for (int c = 0; c < 4; ++c) {
        const int d = (c + 1) % 4;
        if ((above[c] > 0) == (above[d] > 0)) continue;
        const double t = above[c] / (above[c] - above[d]);
        ends.push_back(
            {corner[c][0] + t * (corner[d][0] - corner[c][0]), corner[c][1] + t * (corner[d][1] - corner[c][1])});
      }
      for (size_t e = 0; e + 1 < ends.size(); e += 2) path += "M" + frame.at(ends[e]) + "L" + frame.at(ends[e + 1]);
    }
  return path;
}

// Contour lines, what can be reached, minima, ticks: once, in a frame of its own.
std::string surface_svg(const Surface& s, const Frame& frame) {
  std::string out = "<defs><clipPath id=\"frame\"><rect width=\"" + std::to_string(kSide) + "\" height=\"" +
                    std::to_string(kSide) + "\"/></clipPath>\n<g id=\"surface\">\n<g clip-path=\"url(#frame)\">\n";
  for (double level : s.levels)
    out += "<path d=\"" + contour(s, frame, level) + "\" fill=\"none\" stroke=\"#c4c4c4\" stroke-width=\"0.7\"/>\n";
  for (const auto& line : s.lines)
    out +=
        "<path d=\"M" + frame.at(line[0]) + "L" + frame.at(line[1]) + "\" stroke=\"#888\" stroke-dasharray=\"4 4\"/>\n";
  for (const Point& p : s.minima)
    out += "<circle cx=\"" + xy(frame.x.at(p[0])) + "\" cy=\"" + xy(frame.y.at(p[1])) +
           "\" r=\"5\" fill=\"none\" stroke=\"#009e73\" stroke-width=\"2\"/>\n";
  out += "</g>\n<rect width=\"" + std::to_string(kSide) + "\" height=\"" + std::to_string(kSide) +
         "\" fill=\"none\" stroke=\"#666\"/>\n";
  for (double t : frame.x.ticks) out += text_at(frame.x.at(t), kSide + 16, "middle", tick_text(t, step_of(frame.x)));
  for (double t : frame.y.ticks) out += text_at(-6, frame.y.at(t) + 4, "end", tick_text(t, step_of(frame.y)));
  return out + "</g></defs>\n";
}

std::string path_svg(const SurfacePath& path, const Frame& frame, const std::string& color) {
  std::string d, dots;
  for (const Point& p : path.points) {
    d += (d.empty() ? "M" : "L") + frame.at(p);
    dots += "<circle cx=\"" + xy(frame.x.at(p[0])) + "\" cy=\"" + xy(frame.y.at(p[1])) + "\" r=\"2.2\"/>\n";
  }
  return "<g clip-path=\"url(#frame)\" fill=\"" + color + "\">\n<path d=\"" + d + "\" fill=\"none\" stroke=\"" + color +
         "\" stroke-width=\"1.2\" stroke-opacity=\"0.7\"/>\n" + dots + "</g>\n";
}

}  // namespace

std::string surface_chart(const std::string& title, const Surface& surface, const std::vector<SurfacePanel>& panels,
                          int columns) {
  const int rows = (int(panels.size()) + columns - 1) / columns, step_y = kSide + kTop;
  const Frame frame{make_axis(surface.low[0], surface.high[0], 0, kSide, 6),
                    make_axis(surface.low[1], surface.high[1], kSide, 0, 6)};
  std::string out = header(kLeft + columns * (kSide + kGap), 30 + rows * step_y, title) + surface_svg(surface, frame);
  for (size_t i = 0; i < panels.size(); ++i) {
    const SurfacePanel& panel = panels[i];
    const int left = kLeft + int(i) % columns * (kSide + kGap), top = kTop + int(i) / columns * step_y;
    out += "<g transform=\"translate(" + std::to_string(left) + " " + std::to_string(top) + ")\">\n";
    out += text_at(0, -28, "start", panel.title, " font-weight=\"600\"") + text_at(0, -12, "start", panel.note);
    out += "<use href=\"#surface\"/>\n";
    double x = kSide;
    for (size_t p = panel.paths.size(); p-- > 0;) {
      const std::string color = kChartColors[p % std::size(kChartColors)];
      out += path_svg(panel.paths[p], frame, color);
      x -= 7.0 * double(panel.paths[p].name.size());
      out += text_at(x, -28, "start", panel.paths[p].name, " fill=\"" + color + "\"");
      x -= 12;
    }
    out += "</g>\n";
  }
  return out + "</svg>\n";
}

}  // namespace bantam
