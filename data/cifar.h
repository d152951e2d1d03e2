// The "binary versions" of CIFAR-10 and CIFAR-100: records of one label byte (CIFAR-100: two, superclass and class) and
// 3 x 32 x 32 bytes, the red, green and blue plane, each row-major. Class names are the lines of a text file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bantam {

constexpr int kCifarSide = 32;
constexpr size_t kCifarPixels = 3 * kCifarSide * kCifarSide;

struct CifarFormat {
  const char* title;
  int superclasses;  // 0: records have no such byte
  int classes;
  int64_t test_records, train_records;  // of each file
  size_t record() const { return (superclasses ? 2 : 1) + kCifarPixels; }
};
constexpr CifarFormat kCifar10 = {"CIFAR-10", 0, 10, 10000, 10000};  // five files of training images
constexpr CifarFormat kCifar100 = {"CIFAR-100", 20, 100, 10000, 50000};

// Appends the images [32,32,3] and labels (of classes) of a file, which must hold exactly `records` of them. Throws
// FileError, with `name` in front; then neither vector has changed.
void parse_cifar(const CifarFormat& format, std::span<const uint8_t> file, int64_t records, const std::string& name,
                 std::vector<uint8_t>& images, std::vector<int32_t>& labels);

// The class names of batches.meta.txt or fine_label_names.txt, one a line; blank lines at the end are allowed. Throws
// FileError.
std::vector<std::string> parse_cifar_names(const CifarFormat& format, std::span<const uint8_t> file,
                                           const std::string& name);

}  // namespace bantam
