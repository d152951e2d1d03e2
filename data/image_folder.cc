#include "data/image_folder.h"

#include <algorithm>
#include <filesystem>

#include "core/file.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFolders = 100000, kMaxFiles = size_t{1} << 26, kMaxFolderName = 100;

template <class Take>
std::vector<std::string> entries(const std::string& dir, size_t most, Take&& take) {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::is_directory(dir, error)) return names;
  fs::directory_iterator it(dir, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::string name = it->path().filename().string();
    if (!take(*it, name)) continue;
    if (names.size() == most) throw FileError(dir, "holds more than " + std::to_string(most) + " entries");
    names.push_back(std::move(name));
  }
  if (error) throw FileError(dir, "cannot be listed: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void FileNames::add(std::string_view name) {
  text_ += name;
  begin_.push_back(text_.size());
}

bool is_image_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name[0] == '.') return false;
  std::string end(name.substr(dot + 1));
  for (char& c : end)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return end == "jpeg" || end == "jpg" || end == "png";
}

std::vector<std::string> folders_in(const std::string& dir) {
  return entries(dir, kMaxFolders, [&](const fs::directory_entry& e, const std::string& name) {
    std::error_code error;
    if (name[0] == '.' || !e.is_directory(error)) return false;
    if (name.size() > kMaxFolderName || printable(name, kMaxFolderName) != name)
      throw FileError(dir, "the folder " + quote_name(name) + " has no plain name of at most 100 characters");
    return true;
  });
}

std::vector<std::string> images_in(const std::string& dir) {
  return entries(dir, kMaxFiles, [&](const fs::directory_entry& e, const std::string& name) {
    std::error_code error;
    return is_image_name(name) && e.is_regular_file(error);
  });
}

LabeledFiles files_of_classes(const std::string& dir, const std::vector<std::string>& classes, const std::string& sub) {
  struct Place {
    uint64_t k, n;  // the position is (2 k + 1) / (2 n)
    int32_t label;
  };
  std::vector<FileNames> names(classes.size());
  std::vector<Place> places;
  for (size_t c = 0; c < classes.size(); ++c) {
    const std::string folder = dir + "/" + classes[c] + (sub.empty() ? "" : "/" + sub);
    const std::vector<std::string> files = images_in(folder);
    if (files.empty()) throw FileError(folder, "holds no image (.JPEG, .jpg, .png)");
    for (size_t k = 0; k < files.size(); ++k) {
      names[c].add(files[k]);
      places.push_back({k, files.size(), int32_t(c)});
    }
    if (places.size() > kMaxFiles) throw FileError(dir, "holds more than 2^26 images");
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    const uint64_t left = (2 * a.k + 1) * b.n, right = (2 * b.k + 1) * a.n;
    return left != right ? left < right : a.label < b.label;
  });
  LabeledFiles all;
  all.labels.reserve(places.size());
  for (const Place& p : places) {
    const auto c = size_t(p.label);
    all.names.add(classes[c] + "/" + (sub.empty() ? "" : sub + "/") + std::string(names[c][p.k]));
    all.labels.push_back(p.label);
  }
  return all;
}

}  // namespace bantam
