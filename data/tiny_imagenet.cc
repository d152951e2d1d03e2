#include "data/tiny_imagenet.h"

#include <algorithm>
#include <unordered_set>

namespace bantam {
namespace {

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_plain(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// Reads a text line by line: "\n" or "\r\n", the last one with or without.
class Lines {
 public:
  Lines(ByteSpan file, const std::string& name) : rest_(as_text(file)), name_(name) {
    if (file.size() > kMaxListBytes) throw FileError(name, "a list of more than 64 MiB is not read");
  }
  bool next() {
    if (rest_.empty()) return false;
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    return true;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(name_, "line " + std::to_string(number_) + " " + what);
  }
  // The text up to the next tab, which is taken away with it.
  std::string_view field() {
    const size_t end = std::min(line.find('\t'), line.size());
    const std::string_view f = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return f;
  }

  std::string_view line;

 private:
  std::string_view rest_;
  const std::string& name_;
  int64_t number_ = 0;
};

// -1: none.
int64_t index_of(const std::vector<std::string>& sorted, std::string_view id) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), id);
  return at != sorted.end() && *at == id ? at - sorted.begin() : -1;
}

}  // namespace

bool is_class_id(std::string_view s) {
  return !s.empty() && s.size() <= 64 && s[0] != '.' && std::all_of(s.begin(), s.end(), [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
  });
}

std::vector<std::string> parse_wnids(ByteSpan file, const std::string& name) {
  Lines lines(file, name);
  std::vector<std::string> ids;
  while (lines.next()) {
    if (lines.line.empty()) continue;
    if (!is_class_id(lines.line)) lines.fail(quote_name(lines.line) + " is no class id");
    if (ids.size() == kMaxListClasses) lines.fail("is one class too many: at most 100000 are read");
    ids.emplace_back(lines.line);
  }
  if (ids.empty()) throw FileError(name, "names no class");
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) throw FileError(name, "class id '" + *twice + "' stands twice");
  return ids;
}

std::vector<std::string> parse_words(ByteSpan file, const std::vector<std::string>& ids, const std::string& name) {
  constexpr size_t kMaxWord = 64;
  Lines lines(file, name);
  std::vector<std::string> names = ids;
  while (lines.next()) {
    const int64_t i = index_of(ids, lines.field());
    if (i < 0) continue;
    const std::string_view word = lines.line.substr(0, lines.line.find(','));
    if (word.empty() || word.size() > kMaxWord || !is_plain(word))
      lines.fail("has no plain word of 1 to 64 characters after its id and a tab");
    if (names[size_t(i)] != ids[size_t(i)]) lines.fail("is the second one for '" + ids[size_t(i)] + "'");
    names[size_t(i)] += " " + std::string(word);
  }
  return names;
}

std::vector<AnnotatedImage> parse_val_annotations(ByteSpan file, const std::vector<std::string>& ids,
                                                  const std::string& name) {
  constexpr size_t kMaxName = 128, kMaxDigits = 5;
  Lines lines(file, name);
  std::vector<AnnotatedImage> images;
  std::unordered_set<std::string> seen;
  while (lines.next()) {
    const std::string_view image = lines.field(), id = lines.field();
    if (image.empty() || image.size() > kMaxName || image[0] == '.' || !is_plain(image) ||
        image.find('/') != std::string_view::npos)
      lines.fail(quote_name(image) + " is not the name of a file");
    const int64_t label = index_of(ids, id);
    if (label < 0) lines.fail(quote_name(id) + " is not among the classes of wnids.txt");
    for (int i = 0; i < 4; ++i) {
      const std::string_view number = lines.field();
      if (number.empty() || number.size() > kMaxDigits ||
          !std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }))
        lines.fail("has no box of four numbers");
    }
    if (!lines.line.empty()) lines.fail("has more than six fields");
    if (!seen.emplace(image).second) lines.fail("is the second one for " + quote_name(image));
    images.push_back({std::string(image), int32_t(label)});
  }
  if (images.empty()) throw FileError(name, "names no image");
  return images;
}

}  // namespace bantam
