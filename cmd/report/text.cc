#include "cmd/report/text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bantam {
namespace {

// Three significant digits with the first unit that leaves less than `base`.
std::string scaled(double v, double base, const char* const* units, int n_units) {
  int unit = 0;
  while (unit + 1 < n_units && v >= base) {
    v /= base;
    ++unit;
  }
  if (unit == 0) return fixed(v, 0) + units[0];
  return fixed(v, v < 9.995 ? 2 : v < 99.95 ? 1 : 0) + units[unit];
}

std::string table_line(const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  std::string s = "|";
  for (size_t i = 0; i < cells.size(); ++i)
    s += " " + (i == 0 ? pad_right(cells[i], widths[i]) : pad_left(cells[i], widths[i])) + " |";
  return s + "\n";
}

}  // namespace

std::string fixed(double v, int decimals) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  char buffer[400];  // 309 digits before the point at most
  snprintf(buffer, sizeof buffer, "%.*f", decimals, v);
  return buffer;
}

std::string thousands(int64_t v) {
  std::string s = std::to_string(v);
  for (int i = int(s.size()) - 3; i > (v < 0 ? 1 : 0); i -= 3) s.insert(size_t(i), ",");
  return s;
}

std::string bytes_text(uint64_t bytes) {
  static const char* const kUnits[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  return scaled(double(bytes), 1024, kUnits, 5);
}

std::string count_text(double v) {
  static const char* const kUnits[] = {"", " k", " M", " G", " T"};
  return scaled(v, 1000, kUnits, 5);
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 3.6e8) return "?";
  const int64_t s = int64_t(seconds + 0.5);
  char buffer[64];
  if (s >= 3600)
    snprintf(buffer, sizeof buffer, "%lld:%02d:%02d", (long long)(s / 3600), int(s / 60 % 60), int(s % 60));
  else
    snprintf(buffer, sizeof buffer, "%d:%02d", int(s / 60), int(s % 60));
  return buffer;
}

std::string pad_left(const std::string& s, size_t width) {
  return s.size() >= width ? s : std::string(width - s.size(), ' ') + s;
}
std::string pad_right(const std::string& s, size_t width) {
  return s.size() >= width ? s : s + std::string(width - s.size(), ' ');
}

std::string wrapped(const std::string& first, const std::string& text, size_t indent, size_t width) {
  std::string out = pad_right(first, indent);
  size_t column = out.size();
  bool line_begins = true;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (!line_begins && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      line_begins = true;
    }
    out += (line_begins ? "" : " ") + word;
    column += word.size() + (line_begins ? 0 : 1);
    line_begins = false;
  }
  return out + "\n";
}

std::string markdown_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows[0].size(), 3);
  for (const auto& r : rows)
    for (size_t i = 0; i < r.size(); ++i) widths[i] = std::max(widths[i], r[i].size());
  std::string s = table_line(rows[0], widths) + "|";
  for (size_t i = 0; i < widths.size(); ++i)
    s += (i == 0 ? ":" : "-") + std::string(widths[i], '-') + (i == 0 ? "-|" : ":|");
  s += "\n";
  for (size_t i = 1; i < rows.size(); ++i) s += table_line(rows[i], widths);
  return s;
}

std::string csv_field(const std::string& s) {
  if (s.find_first_of(",\"\n") == std::string::npos) return s;
  std::string out = "\"";
  for (char c : s) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace bantam
