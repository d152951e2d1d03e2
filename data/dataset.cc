#include "data/dataset.h"

#include <algorithm>
#include <filesystem>

#include "core/base/bytes.h"
#include "core/base/crc32.h"
#include "core/file.h"
#include "core/tensor.h"
#include "data/cifar.h"
#include "data/idx.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKinds[] = {"auto", "mnist", "fashion-mnist", "cifar10"};
constexpr uint32_t kMaxSide = 4096;

// The two that share file names and sizes are told apart by their first labels.
struct KnownIdx {
  const char* name;
  uint8_t first_labels[2][10];  // train, test
  const char* class_names[10];
};
constexpr KnownIdx kKnownIdx[] = {
    {"mnist",
     {{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}, {7, 2, 1, 0, 4, 1, 4, 9, 5, 9}},
     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
    {"fashion-mnist",
     {{9, 0, 0, 3, 0, 2, 7, 2, 5, 5}, {9, 2, 1, 1, 6, 1, 4, 6, 5, 7}},
     {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}},
};

bool is_file(const fs::path& p) {
  std::error_code ec;
  return fs::is_regular_file(p, ec);
}

bool is_folder(const fs::path& p) {
  std::error_code ec;
  return fs::is_directory(p, ec);
}

// "train-images-idx3-ubyte" in its usual spellings; empty if none is there.
fs::path find_idx(const fs::path& dir, const std::string& stem, const char* suffix) {
  for (const char* sub : {"", "raw"})
    for (const char* joint : {"-", "."})
      for (const char* packed : {"", ".gz"}) {
        const fs::path p = dir / sub / (stem + joint + suffix + packed);
        if (is_file(p)) return p;
      }
  return {};
}

std::string idx_names(const std::string& prefix) {
  return prefix + "-images-idx3-ubyte and " + prefix + "-labels-idx1-ubyte (also .idx3, .idx1, .gz, in raw/)";
}

fs::path cifar_folder(const fs::path& dir) {
  for (const fs::path& p : {dir, dir / "cifar-10-batches-bin"})
    if (is_file(p / "data_batch_1.bin") || is_file(p / "test_batch.bin")) return p;
  return {};
}

IdxArray read_idx(const fs::path& p, int rank) {
  return parse_idx(read_file(p.string(), kMaxIdxBytes), rank, p.string());
}

void read_idx_pair(const fs::path& images_path, const fs::path& labels_path, const std::string& kind, Dataset& d) {
  IdxArray images = read_idx(images_path, 3);
  const IdxArray labels = read_idx(labels_path, 1);
  if (images.dims[0] != labels.dims[0])
    throw FileError(labels_path.string(), std::to_string(labels.dims[0]) + " labels, but " + images_path.string() +
                                              " holds " + std::to_string(images.dims[0]) + " images");
  if (images.dims[1] > kMaxSide || images.dims[2] > kMaxSide)
    throw FileError(images_path.string(), "images of " + std::to_string(images.dims[1]) + "x" +
                                              std::to_string(images.dims[2]) + " pixels, at most 4096x4096 are read");
  d.count = images.dims[0];
  d.h = int(images.dims[1]);
  d.w = int(images.dims[2]);
  d.c = 1;
  d.images = std::move(images.data);
  d.labels.assign(labels.data.begin(), labels.data.end());

  d.name = kind == "auto" ? "idx" : kind;
  for (const KnownIdx& k : kKnownIdx) {
    const bool same =
        d.count >= 10 && std::equal(k.first_labels[int(d.split)], k.first_labels[int(d.split)] + 10, d.labels.begin());
    if (kind == "auto" && same) d.name = k.name;
    if (d.name == k.name) d.class_names.assign(k.class_names, k.class_names + 10);
  }
  const int32_t largest = *std::max_element(d.labels.begin(), d.labels.end());
  if (d.class_names.empty())  // both splits must agree on the number of classes, so no fewer than ten
    for (int32_t i = 0; i <= std::max(largest, 9); ++i) d.class_names.push_back(std::to_string(i));
  if (largest >= d.classes())
    throw FileError(labels_path.string(), "label " + std::to_string(largest) + ", " + d.name + " has " +
                                              std::to_string(d.classes()) + " classes");
}

void read_cifar10(const fs::path& folder, Dataset& d) {
  d.name = "cifar10";
  d.h = d.w = kCifarSide;
  d.c = 3;
  const fs::path meta = folder / "batches.meta.txt";
  d.class_names = parse_cifar10_meta(read_file(meta.string(), 4097), meta.string());
  std::vector<std::string> files = {"test_batch.bin"};
  if (d.split == Split::kTrain)
    files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  d.images.reserve(files.size() * size_t(kCifarRecordsPerFile) * (kCifarRecord - 1));
  for (const std::string& file : files) {
    const std::string path = (folder / file).string();
    parse_cifar10(read_file(path, kCifarRecordsPerFile * kCifarRecord + 1), kCifarRecordsPerFile, path, d.images,
                  d.labels);
  }
  d.count = int64_t(d.labels.size());
}

}  // namespace

const char* name_of(Split split) { return split == Split::kTrain ? "train" : "test"; }

std::span<const char* const> dataset_kinds() { return kKinds; }

Dataset open_dataset(const std::string& dir, Split split, const std::string& kind, int64_t limit) {
  if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds)) {
    std::string known;
    for (const char* k : kKinds) known += std::string(known.empty() ? "" : ", ") + k;
    throw Error("data set kind '" + kind + "' is unknown (known: " + known + ")");
  }
  if (!is_folder(dir)) throw FileError(dir, "no such folder");
  Dataset d;
  d.split = split;
  const bool want_idx = kind != "cifar10", want_cifar = kind == "cifar10" || kind == "auto";
  const std::string prefix = split == Split::kTrain ? "train" : "t10k";
  const fs::path images = want_idx ? find_idx(dir, prefix + "-images", "idx3-ubyte") : fs::path();
  const fs::path labels = want_idx ? find_idx(dir, prefix + "-labels", "idx1-ubyte") : fs::path();
  const fs::path cifar = want_cifar ? cifar_folder(dir) : fs::path();
  if (!images.empty() && !labels.empty()) {
    if (!cifar.empty())
      throw FileError(dir, "holds IDX files and CIFAR-10 batches: say which with the data set's kind");
    read_idx_pair(images, labels, kind, d);
  } else if (!cifar.empty()) {
    read_cifar10(cifar, d);
  } else {
    std::string sought;
    if (want_idx) sought = idx_names(prefix);
    if (want_cifar)
      sought +=
          std::string(want_idx ? "; " : "") + "data_batch_1.bin or test_batch.bin (also in cifar-10-batches-bin/)";
    if (!images.empty() || !labels.empty())
      throw FileError(dir, "found " + (images.empty() ? labels : images).string() + " but no " + prefix +
                               (images.empty() ? "-images-idx3-ubyte" : "-labels-idx1-ubyte") + " beside it");
    throw FileError(dir,
                    "no " + (kind == "auto" ? "known" : kind) + " " + name_of(split) + " data: looked for " + sought);
  }
  if (limit > 0 && limit < d.count) {
    d.count = limit;
    d.images.resize(size_t(limit * d.image_bytes()));
    d.labels.resize(size_t(limit));
  }
  return d;
}

uint32_t fingerprint(const Dataset& data) {
  const int64_t sizes[4] = {data.count, data.h, data.w, data.c};
  uint32_t crc = 0;
  for (const int64_t v : sizes) {
    uint8_t bytes[8];
    store_le64(bytes, uint64_t(v));
    crc = crc32(bytes, 8, crc);
  }
  for (const int32_t label : data.labels) {
    uint8_t bytes[4];
    store_le32(bytes, uint32_t(label));
    crc = crc32(bytes, 4, crc);
  }
  return crc32(data.images.data(), data.images.size(), crc);
}

}  // namespace bantam
