// Image classification data sets that fit in memory, as u8. Recognized layouts:
//   mnist, fashion-mnist   {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, also with a dot before
//                          "idx", plain or .gz, in DIR or DIR/raw
//   cifar10                data_batch_1..5.bin, test_batch.bin, batches.meta.txt in DIR or DIR/cifar-10-batches-bin
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bantam {

enum class Split { kTrain, kTest };
const char* name_of(Split split);  // "train", "test"

struct Dataset {
  std::string name;  // "mnist", "fashion-mnist", "cifar10", or "idx": IDX files that are neither of the first two
  Split split = Split::kTrain;
  int64_t count = 0;
  int h = 0, w = 0, c = 0;
  std::vector<uint8_t> images;           // [count,h,w,c]
  std::vector<int32_t> labels;           // [count], each in [0, class_names.size())
  std::vector<std::string> class_names;  // in label order

  int classes() const { return int(class_names.size()); }
  int64_t image_bytes() const { return int64_t(h) * w * c; }
  const uint8_t* image(int64_t i) const { return images.data() + i * image_bytes(); }
};

// Reads one split. `kind` is "auto" or one of the names above ("mnist" takes any IDX pair whose labels are below 10).
// `limit` > 0 keeps only the first so many images. Throws FileError, saying what was looked for and where, or what is
// wrong with which file; Error for an unknown kind.
Dataset open_dataset(const std::string& dir, Split split, const std::string& kind = "auto", int64_t limit = 0);

std::span<const char* const> dataset_kinds();  // what `kind` may be

// CRC-32 over sizes, labels, images: tells whether a run is resumed, or a net evaluated, on the same data.
uint32_t fingerprint(const Dataset& data);

}  // namespace bantam
