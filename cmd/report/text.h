// Numbers and columns as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bantam {

std::string fixed(double v, int decimals);  // "91.52"; "nan", "inf"
std::string thousands(int64_t v);           // "60,000"
std::string bytes_text(uint64_t bytes);     // "930 B", "12.4 KiB", "1.15 MiB"
std::string duration_text(double seconds);  // "0:07", "12:05", "1:02:03"
std::string count_text(double v);           // "930", "12.4 k", "5.87 M"
std::string pad_left(const std::string& s, size_t width);
std::string pad_right(const std::string& s, size_t width);

// A field of CSV, in quotes where it must be.
std::string csv_field(const std::string& s);

// `first` and then the words of `text`, in lines of at most `width` columns; further lines begin with `indent` blanks.
std::string wrapped(const std::string& first, const std::string& text, size_t indent, size_t width = 100);

// A table in Markdown that also reads well as it is; the first row is the head, the first column stands to the left.
std::string markdown_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace bantam
