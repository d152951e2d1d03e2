// Image classification data sets as u8. Recognized layouts, in DIR:
//   mnist, fashion-mnist   {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, also with a dot before
//                          "idx", plain or .gz, also in raw/
//   cifar10                data_batch_1..5.bin, test_batch.bin, batches.meta.txt, also in cifar-10-batches-bin/
//   cifar100               train.bin, test.bin, fine_label_names.txt, also in cifar-100-binary/
//   tiny-imagenet          wnids.txt, words.txt, train/WNID/images/*.JPEG, val/images/*.JPEG, val/val_annotations.txt
//   image-folder           train/CLASS/*.JPEG and val/CLASS/*.JPEG (ImageNet's), or CLASS/*.JPEG, which is not divided
// docs/files.md says more. Images of the first four, and those of tiny-imagenet up to kMaxDecodedBytes, lie in memory;
// others are decoded each time that they are used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/image_folder.h"

namespace bantam {

enum class Split { kTrain, kTest };
const char* name_of(Split split);  // "train", "test"

struct Dataset {
  std::string name;  // one of the kinds above, or "idx": IDX files that are neither of the first two
  Split split = Split::kTrain;
  int64_t count = 0;
  int h = 0, w = 0, c = 0;      // of every image; h = w = 0: each has a size of its own, and is made c channels
  std::vector<uint8_t> images;  // [count,h,w,c]; empty where images are decoded when they are used:
  std::string folder;           // they lie in FOLDER/FILES[i]
  FileNames files;
  std::vector<int32_t> labels;           // [count], each in [0, class_names.size())
  std::vector<std::string> class_names;  // in label order
  bool undivided = false;                // this "split" is all that there is: the other one has the same images

  int classes() const { return int(class_names.size()); }
  bool decoded() const { return files.size() == 0; }
  int64_t image_bytes() const { return int64_t(h) * w * c; }
  const uint8_t* image(int64_t i) const { return images.data() + i * image_bytes(); }  // only of decoded() ones
  std::string path(int64_t i) const { return folder + "/" + std::string(files[size_t(i)]); }
};

// Tiny ImageNet's training images take 1.23e9 bytes at 64 x 64.
constexpr int64_t kMaxDecodedBytes = int64_t{3} << 29;

// Reads one split. `kind` is "auto" or one of the names above ("mnist" takes any IDX pair whose labels are below 10).
// `limit` > 0 keeps only the first so many images; those of folders are in the order of image_folder.h, a fair part of
// all classes. Throws FileError, saying what was looked for and where, and what lies there instead, or what is wrong
// with which file; Error for an unknown kind. Images that are not decoded here may still turn out to be damaged.
Dataset open_dataset(const std::string& dir, Split split, const std::string& kind = "auto", int64_t limit = 0);

std::span<const char* const> dataset_kinds();  // what `kind` may be

// Image i in its own size, with data.c channels. The memory of `out` is used again. Throws FileError, also if the image
// has not the size that the data set has.
void load_image(const Dataset& data, int64_t i, Image* out);

// Images [begin, end).
Dataset part_of(const Dataset& data, int64_t begin, int64_t end);

// CRC-32 over sizes, labels, and images (of files that are not decoded: their names): tells whether a run is resumed,
// or a net evaluated, on the same data.
uint32_t fingerprint(const Dataset& data);

}  // namespace bantam
