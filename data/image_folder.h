// Folders of image files, one folder a class, as ImageNet is laid out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// Names of many files in one block of memory: ImageNet has 1.3 million.
class FileNames {
 public:
  void add(std::string_view name);
  size_t size() const { return begin_.size() - 1; }
  std::string_view operator[](size_t i) const {
    return std::string_view(text_).substr(begin_[i], begin_[i + 1] - begin_[i]);
  }

 private:
  std::string text_;
  std::vector<uint64_t> begin_ = {0};
};

// Whether a file is taken for an image: its name ends in .jpeg, .jpg or .png, in any case of letters, and does not
// start with a dot.
bool is_image_name(std::string_view name);

// Names of the folders, and of the images, that lie in a folder, sorted by byte; nothing where there is no such folder.
// Throws FileError on a folder that cannot be read, on the name of a folder that is not plain text of at most 100
// characters, and on more than 100,000 folders or 2^26 images.
std::vector<std::string> folders_in(const std::string& dir);
std::vector<std::string> images_in(const std::string& dir);

// Files of a data set, as paths from its folder, with their labels.
struct LabeledFiles {
  FileNames names;
  std::vector<int32_t> labels;
};

// DIR/CLASS[/SUB]/image for each class, whose label is its index. The files are dealt like cards: the k-th of n files
// of a class stands where (k + 1/2) / n says, so that any stretch of the list holds the classes in proportion, and the
// first or last images make a fair part of the set. Throws FileError on a class without images.
LabeledFiles files_of_classes(const std::string& dir, const std::vector<std::string>& classes, const std::string& sub);

}  // namespace bantam
