#include "cmd/report/svg.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>

#include "cmd/report/surface_svg.h"

using namespace bantam;

TEST_CASE("svg: ticks are round numbers within the range") {
  CHECK(nice_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  const std::vector<double> t = nice_ticks(0.13, 0.58, 5);
  CHECK(t.size() == 4);
  CHECK(t[0] == doctest::Approx(0.2));  // round multiples of 0.1 within [0.13, 0.58]: 0.2, 0.3, 0.4, 0.5
}

TEST_CASE("svg: a chart is well formed, escapes its names, has a curve a series, and holds no NaN") {
  const Panel loss{"loss",
                   "epoch",
                   "loss",
                   {{"train <a&b>", {{1, 2.0}, {2, std::nan("")}, {3, 1.0}}}, {"test", {{1, 3.0}, {2, 1.5}}}}};
  const Panel empty{"empty", "epoch", "y", {{"nothing", {}}}};
  const std::string svg = line_chart("a < b", {loss, empty});
  CHECK(svg.find("train &lt;a&amp;b&gt;") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  size_t paths = 0;
  for (size_t at = svg.find("<path"); at != std::string::npos; at = svg.find("<path", at + 1)) ++paths;
  CHECK(paths == 2);
  CHECK(svg.find("M") != std::string::npos);
  CHECK(svg == line_chart("a < b", {loss, empty}));
}

TEST_CASE("svg: contour lines lie where the surface has their height; paths lie on it") {
  Surface cone{.height = [](double x, double y) { return std::hypot(x, y); },
               .low = {-2, -2},
               .high = {2, 2},
               .levels = {1},
               .minima = {{0, 0}}};
  const std::vector<SurfacePanel> panels = {{"a < b", "note", {{"path", {{-2, -2}, {2, 2}}}}}, {"c", "", {}}};
  const std::string svg = surface_chart("title", cone, panels, 2);
  CHECK(svg.find("a &lt; b") != std::string::npos);
  CHECK(svg == surface_chart("title", cone, panels, 2));
  // The first path of all is the contour, whose ends must all lie on the circle of a quarter of the frame's side.
  const size_t begin = svg.find("<path d=\"") + 9;
  const std::string d = svg.substr(begin, svg.find('"', begin) - begin);
  int points = 0;
  double side = 0;
  REQUIRE(sscanf(svg.c_str() + svg.find("<rect width=\"", svg.find("<clipPath")), "<rect width=\"%lf", &side) == 1);
  for (size_t at = 0; at < d.size(); ++at) {
    double x, y;
    if ((d[at] != 'M' && d[at] != 'L') || sscanf(d.c_str() + at + 1, "%lf %lf", &x, &y) != 2) continue;
    // Interpolation along the edge of a cell errs by its square over 8, times the curvature: 0.05 cells.
    CHECK(std::hypot(x - side / 2, y - side / 2) == doctest::Approx(side / 4).epsilon(1e-3));
    ++points;
  }
  CHECK(points > 100);
}

TEST_CASE("svg: the confusion matrix shows counts for few classes and shades for many") {
  Metrics m(3);
  const float scores[] = {1, 0, 0};
  const int32_t label = 2;
  m.add(scores, &label, 1, 0);
  const std::string svg = confusion_chart(m, {"a", "b", "c"});
  CHECK(svg.find(">1</text>") != std::string::npos);
  CHECK(svg.find("rgb(0,114,178)") != std::string::npos);
  const std::string big = confusion_chart(Metrics(100), std::vector<std::string>(100, "x"));
  CHECK(big.find(">x</text>") == std::string::npos);
}
