// The "binary version" of CIFAR-10: records of one label byte and 3 x 32 x 32 bytes, the red, green and blue plane,
// each row-major; 10,000 records a file. Class names are the lines of batches.meta.txt.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bantam {

constexpr int kCifarSide = 32;
constexpr size_t kCifarRecord = 1 + 3 * kCifarSide * kCifarSide;
constexpr int64_t kCifarRecordsPerFile = 10000;
constexpr int kCifarClasses = 10;

// Appends the images [32,32,3] and labels of a file, which must hold exactly `records` of them. Throws FileError, with
// `name` in front; then neither vector has changed.
void parse_cifar10(std::span<const uint8_t> file, int64_t records, const std::string& name,
                   std::vector<uint8_t>& images, std::vector<int32_t>& labels);

// The 10 class names of batches.meta.txt, one a line; blank lines at the end are allowed. Throws FileError.
std::vector<std::string> parse_cifar10_meta(std::span<const uint8_t> file, const std::string& name);

}  // namespace bantam
