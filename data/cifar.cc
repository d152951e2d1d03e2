#include "data/cifar.h"

#include "core/file.h"

namespace bantam {

void parse_cifar(const CifarFormat& format, std::span<const uint8_t> file, int64_t records, const std::string& name,
                 std::vector<uint8_t>& images, std::vector<int32_t>& labels) {
  constexpr size_t kPlane = size_t{kCifarSide} * kCifarSide;
  const std::string title = format.title;
  const size_t record_bytes = format.record();
  if (file.size() != size_t(records) * record_bytes)
    throw FileError(name, title + " batch of " + std::to_string(file.size()) + " bytes, " + std::to_string(records) +
                              " records need exactly " + std::to_string(size_t(records) * record_bytes));
  const auto check = [&](int64_t r, const char* what, int label, int most) {
    if (label >= most)
      throw FileError(name, "record " + std::to_string(r) + " has " + what + " " + std::to_string(label) + ", " +
                                title + " has " + std::to_string(most) + (most == 20 ? " superclasses" : " classes"));
  };
  for (int64_t r = 0; r < records; ++r) {
    const uint8_t* record = file.data() + size_t(r) * record_bytes;
    if (format.superclasses) check(r, "superclass", record[0], format.superclasses);
    check(r, "label", record[format.superclasses ? 1 : 0], format.classes);
  }
  const size_t old = images.size();
  images.resize(old + size_t(records) * kCifarPixels);
  uint8_t* out = images.data() + old;
  for (int64_t r = 0; r < records; ++r) {
    const uint8_t* planes = file.data() + size_t(r + 1) * record_bytes - kCifarPixels;
    labels.push_back(planes[-1]);
    for (size_t p = 0; p < kPlane; ++p)
      for (size_t c = 0; c < 3; ++c) *out++ = planes[c * kPlane + p];
  }
}

std::vector<std::string> parse_cifar_names(const CifarFormat& format, std::span<const uint8_t> file,
                                           const std::string& name) {
  constexpr size_t kMaxBytes = 8192, kMaxName = 64;
  const std::string classes = std::to_string(format.classes);
  if (file.size() > kMaxBytes)
    throw FileError(name, std::to_string(file.size()) + " bytes are too many for " + classes + " class names");
  std::vector<std::string> names(1);
  for (const uint8_t b : file) {
    if (b == '\n') {
      names.emplace_back();
    } else if (b != '\r') {
      if (b < 0x20 || b > 0x7e) throw FileError(name, "line " + std::to_string(names.size()) + " is not plain text");
      names.back().push_back(char(b));
    }
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (names.size() != size_t(format.classes))
    throw FileError(name, std::to_string(names.size()) + " class names, " + format.title + " has " + classes);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i].size() > kMaxName)
      throw FileError(name, "line " + std::to_string(i + 1) + " is empty or longer than 64 characters");
    for (size_t j = 0; j < i; ++j)
      if (names[j] == names[i]) throw FileError(name, "class name '" + names[i] + "' stands twice");
  }
  return names;
}

}  // namespace bantam
