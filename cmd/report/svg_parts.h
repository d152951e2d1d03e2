// What figures are made of, for cmd/report/svg.cc and surface_svg.cc.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cmd/report/svg.h"
#include "cmd/report/text.h"

namespace bantam {

// Distinguishable with every kind of color vision (Okabe and Ito's palette).
constexpr const char* kChartColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

inline std::string escape(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

inline std::string xy(double v) { return fixed(v, 2); }

inline std::string text_at(double x, double y, const std::string& anchor, const std::string& s,
                           const std::string& more = "") {
  return "<text x=\"" + xy(x) + "\" y=\"" + xy(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" + escape(s) +
         "</text>\n";
}

inline std::string line_from(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + xy(x1) + "\" y1=\"" + xy(y1) + "\" x2=\"" + xy(x2) + "\" y2=\"" + xy(y2) + "\" " + style +
         "/>\n";
}

inline std::string header(int width, int height, const std::string& title) {
  const std::string w = std::to_string(width), h = std::to_string(height);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h + "\" viewBox=\"0 0 " + w + " " +
         h + "\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n<title>" + escape(title) +
         "</title>\n<rect width=\"" + w + "\" height=\"" + h + "\" fill=\"#fff\"/>\n" +
         text_at(16, 24, "start", title, " font-size=\"15\" font-weight=\"600\"");
}

// A tick as text, with as many decimals as the distance between ticks asks for.
inline std::string tick_text(double v, double step) {
  const int decimals = std::clamp(int(std::ceil(-std::log10(step) - 1e-9)), 0, 8);
  return fixed(std::fabs(v) < step * 1e-9 ? 0.0 : v, decimals);
}

struct Axis {
  double low = 0, high = 1, from = 0, to = 1;  // values, and the coordinates where they lie
  std::vector<double> ticks;
  double at(double v) const { return from + (v - low) / (high - low) * (to - from); }
};

inline double step_of(const Axis& a) { return a.ticks.size() > 1 ? a.ticks[1] - a.ticks[0] : 1; }

inline Axis make_axis(double low, double high, double from, double to, int ticks) {
  if (!(low <= high)) low = 0, high = 1;  // no data
  if (high - low < 1e-12 * std::max(1.0, std::fabs(high))) low -= 0.5, high += 0.5;
  Axis a{low, high, from, to, nice_ticks(low, high, ticks)};
  return a;
}

}  // namespace bantam
