#include "cmd/report/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cmd/report/svg_parts.h"
#include "cmd/report/text.h"

namespace bantam {
namespace {

constexpr int kPanelWidth = 440, kPanelHeight = 320, kLeft = 62, kRight = 18, kTop = 64, kBottom = 50;

std::string color_of(size_t series) { return kChartColors[series % std::size(kChartColors)]; }

// In the title's row, from the right; names that do not fit there stand one below the other within the frame.
std::string legend_svg(const Panel& p, const Axis& ax, const Axis& ay) {
  double wanted = 7.5 * double(p.title.size());
  for (const Series& s : p.series) wanted += 7.0 * double(s.name.size()) + 32;
  const bool stacked = wanted > ax.to - ax.from;
  std::string out;
  double x = ax.to, y = stacked ? ay.from - 10 : kTop;
  for (size_t i = p.series.size(); i-- > 0;) {  // from the right: the first series comes to stand leftmost
    const std::string& name = p.series[i].name;
    x -= 7.0 * double(name.size());
    out += text_at(x, y, "start", name) +
           line_from(x - 20, y - 4, x - 5, y - 4, "stroke=\"" + color_of(i) + "\" stroke-width=\"3\"");
    x -= 32;
    if (stacked) x = ax.to, y -= 16;
  }
  return out;
}

std::string band_svg(const Series& s, const std::string& color, const Axis& ax, const Axis& ay) {
  std::string there, back;
  for (size_t i = 0; i < s.band.size(); ++i) {
    const auto [low, high] = s.band[i];
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const std::string x = xy(ax.at(s.points[i].first));
    there += (there.empty() ? "M" : "L") + x + " " + xy(ay.at(high));
    back = "L" + x + " " + xy(ay.at(low)) + back;
  }
  if (there.empty()) return "";
  return "<path d=\"" + there + back + "Z\" fill=\"" + color + "\" fill-opacity=\"0.15\"/>\n";
}

std::string series_svg(const Series& s, const std::string& color, const Axis& ax, const Axis& ay) {
  std::string path;
  bool pen_down = false;
  for (const auto& [px, py] : s.points) {
    if (std::isfinite(py)) path += (pen_down ? " L" : " M") + xy(ax.at(px)) + " " + xy(ay.at(py));
    pen_down = std::isfinite(py);
  }
  if (path.empty()) return "";
  std::string out = band_svg(s, color, ax, ay);
  if (!s.dots_only)
    out += "<path d=\"" + path.substr(1) + "\" fill=\"none\" stroke=\"" + color +
           "\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>\n";
  if (s.points.size() > 60) return out;
  for (const auto& [px, py] : s.points)
    if (std::isfinite(py))
      out += "<circle cx=\"" + xy(ax.at(px)) + "\" cy=\"" + xy(ay.at(py)) + "\" r=\"" + (s.dots_only ? "4.5" : "2.6") +
             "\" fill=\"" + color + "\"/>\n";
  return out;
}

std::string panel_svg(const Panel& p, double left) {
  double x_low = std::numeric_limits<double>::infinity(), x_high = -x_low, y_low = x_low, y_high = -x_low;
  for (const Series& s : p.series)
    for (const auto& [x, y] : s.points) {
      if (!std::isfinite(y)) continue;
      x_low = std::min(x_low, x), x_high = std::max(x_high, x);
      y_low = std::min(y_low, y), y_high = std::max(y_high, y);
    }
  for (const Series& s : p.series)
    for (const auto& [low, high] : s.band)
      if (std::isfinite(low) && std::isfinite(high)) y_low = std::min(y_low, low), y_high = std::max(y_high, high);
  const double margin = 0.05 * (y_high - y_low);
  const Axis ax = make_axis(std::min(0.0, x_low), x_high, left + kLeft, left + kPanelWidth - kRight, 6);
  const Axis ay = make_axis(y_low - margin, y_high + margin, kTop + kPanelHeight - kBottom - 30, kTop + 24, 6);

  std::string out = text_at(left + kLeft, kTop, "start", p.title, " font-weight=\"600\"");
  const double step_y = step_of(ay);
  for (double t : ay.ticks) {
    out += line_from(ax.from, ay.at(t), ax.to, ay.at(t), "stroke=\"#e4e4e4\"");
    out += text_at(ax.from - 6, ay.at(t) + 4, "end", tick_text(t, step_y));
  }
  const double step_x = step_of(ax);
  for (double t : ax.ticks) {
    out += line_from(ax.at(t), ay.from, ax.at(t), ay.from + 5, "stroke=\"#666\"");
    out += text_at(ax.at(t), ay.from + 18, "middle", tick_text(t, step_x));
  }
  out += line_from(ax.from, ay.from, ax.to, ay.from, "stroke=\"#666\"") +
         line_from(ax.from, ay.from, ax.from, ay.to, "stroke=\"#666\"");
  out += text_at((ax.from + ax.to) / 2, ay.from + 36, "middle", p.x_label);
  const double middle = (ay.from + ay.to) / 2, x = left + 16;
  out += text_at(x, middle, "middle", p.y_label, " transform=\"rotate(-90 " + xy(x) + " " + xy(middle) + ")\"");

  out += legend_svg(p, ax, ay);
  for (size_t i = 0; i < p.series.size(); ++i) out += series_svg(p.series[i], color_of(i), ax, ay);
  return out;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int want) {
  const double raw = (high - low) / std::max(1, want);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) ticks.push_back(i * step);
  return ticks;
}

std::string line_chart(const std::string& title, const std::vector<Panel>& panels) {
  std::string out = header(kPanelWidth * int(panels.size()), kTop + kPanelHeight, title);
  for (size_t i = 0; i < panels.size(); ++i) out += panel_svg(panels[i], double(i) * kPanelWidth);
  return out + "</svg>\n";
}

std::string confusion_chart(const Metrics& m, const std::vector<std::string>& class_names) {
  const int n = m.classes();
  const bool with_counts = n <= 20;
  const int cell = with_counts ? 44 : std::max(2, 880 / n);
  size_t longest = 0;
  for (const std::string& name : class_names) longest = std::max(longest, name.size());
  const int left = with_counts ? 30 + int(longest) * 7 : 40, top = with_counts ? 60 + int(longest) * 6 : 50;
  std::string out = header(left + n * cell + 20, top + n * cell + 40, "Confusion matrix: rows true, columns predicted");
  for (int t = 0; t < n; ++t) {
    const double total = double(std::max<int64_t>(1, m.figures_of(t).images));
    for (int p = 0; p < n; ++p) {
      const double share = double(m.confusion(t, p)) / total;
      const double x = left + p * cell, y = top + t * cell;
      const int r = int(std::lround(255 - share * 255)), g = int(std::lround(255 - share * 141)),
                b = int(std::lround(255 - share * 77));
      out += "<rect x=\"" + xy(x) + "\" y=\"" + xy(y) + "\" width=\"" + std::to_string(cell) + "\" height=\"" +
             std::to_string(cell) + "\" fill=\"rgb(" + std::to_string(r) + "," + std::to_string(g) + "," +
             std::to_string(b) + ")\"" + (with_counts ? " stroke=\"#eee\"" : "") + "/>\n";
      if (with_counts && m.confusion(t, p))
        out += text_at(x + cell / 2.0, y + cell / 2.0 + 4, "middle", std::to_string(m.confusion(t, p)),
                       share > 0.5 ? " fill=\"#fff\"" : "");
    }
    if (!with_counts) continue;
    out += text_at(left - 8, top + t * cell + cell / 2.0 + 4, "end", class_names[size_t(t)]);
    const double x = left + t * cell + cell / 2.0, y = top - 8;
    out += text_at(x, y, "start", class_names[size_t(t)], " transform=\"rotate(-55 " + xy(x) + " " + xy(y) + ")\"");
  }
  return out + "</svg>\n";
}

}  // namespace bantam
