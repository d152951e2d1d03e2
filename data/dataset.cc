#include "data/dataset.h"

#include <algorithm>
#include <filesystem>

#include "core/base/bytes.h"
#include "core/base/crc32.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/image_check.h"
#include "data/layouts.h"
#include "data/tiny_imagenet.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKinds[] = {"auto",     "mnist",         "fashion-mnist", "cifar10",
                                  "cifar100", "tiny-imagenet", "image-folder"};
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

std::string list_of(const std::vector<FoundLayout>& found) {
  std::string s;
  for (size_t i = 0; i < found.size(); ++i)
    s += (i == 0 ? "" : i + 1 == found.size() ? " and " : ", ") + found[i].kind + " (" + found[i].evidence + ")";
  return s;
}

[[noreturn]] void nothing_there(const std::string& dir, Split split, const std::string& asked,
                                const std::vector<FoundLayout>& found) {
  throw FileError(dir, "no " + (asked == "auto" ? "known" : asked) + " " + name_of(split) + " data: looked for " +
                           what_to_look_for(asked, split == Split::kTrain) +
                           (found.empty() ? "" : "; but it holds " + list_of(found)));
}

IdxArray read_idx(const fs::path& p, int rank) {
  return parse_idx(read_file(p.string(), kMaxIdxBytes), rank, p.string());
}

void read_idx_pair(const fs::path& dir, const std::string& kind, Dataset& d) {
  const std::string prefix = d.split == Split::kTrain ? "train" : "t10k";
  const fs::path images_path = find_idx(dir, prefix + "-images", "idx3-ubyte");
  const fs::path labels_path = find_idx(dir, prefix + "-labels", "idx1-ubyte");
  if (images_path.empty() && labels_path.empty()) nothing_there(dir.string(), d.split, kind, {});
  if (images_path.empty() || labels_path.empty())
    throw FileError(dir.string(), "found " + (images_path.empty() ? labels_path : images_path).string() + " but no " +
                                      prefix + (images_path.empty() ? "-images-idx3-ubyte" : "-labels-idx1-ubyte") +
                                      " beside it");
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

void read_cifar(const CifarFormat& format, const fs::path& folder, Dataset& d) {
  const bool ten = format.classes == 10, train = d.split == Split::kTrain;
  d.name = ten ? "cifar10" : "cifar100";
  d.h = d.w = kCifarSide;
  d.c = 3;
  const fs::path names = folder / (ten ? "batches.meta.txt" : "fine_label_names.txt");
  d.class_names = parse_cifar_names(format, read_file(names.string(), 1 << 16), names.string());
  std::vector<std::string> files = {ten ? "test_batch.bin" : train ? "train.bin" : "test.bin"};
  if (ten && train)
    files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  const int64_t records = train ? format.train_records : format.test_records;
  d.images.reserve(files.size() * size_t(records) * kCifarPixels);
  for (const std::string& file : files) {
    const std::string path = (folder / file).string();
    parse_cifar(format, read_file(path, uint64_t(records) * format.record() + 1), records, path, d.images, d.labels);
  }
  d.count = int64_t(d.labels.size());
}

void take_files(const std::string& folder, LabeledFiles files, Dataset& d) {
  d.c = 3;
  d.folder = folder;
  d.files = std::move(files.names);
  d.labels = std::move(files.labels);
  d.count = int64_t(d.labels.size());
}

void list_tiny_imagenet(const fs::path& dir, Dataset& d) {
  d.name = "tiny-imagenet";
  const auto read = [&](const fs::path& p) { return read_file(p.string(), kMaxListBytes); };
  const std::vector<std::string> ids = parse_wnids(read(dir / "wnids.txt"), (dir / "wnids.txt").string());
  d.class_names = parse_words(read(dir / "words.txt"), ids, (dir / "words.txt").string());
  if (d.split == Split::kTrain) {
    take_files((dir / "train").string(), files_of_classes((dir / "train").string(), ids, "images"), d);
    return;
  }
  const std::string list = (dir / "val/val_annotations.txt").string();
  LabeledFiles files;
  for (const AnnotatedImage& image : parse_val_annotations(read(list), ids, list)) {
    files.names.add(image.file);
    files.labels.push_back(image.label);
  }
  take_files((dir / "val/images").string(), std::move(files), d);
}

// Classes are those of the training images, so that a split which lacks some counts the others alike.
void list_image_folder(const fs::path& dir, const SplitFolder& split, Dataset& d) {
  d.name = "image-folder";
  d.undivided = split.undivided;
  const std::string folder = split.path.string();
  d.class_names = folders_in(folder);
  if (d.class_names.empty()) throw FileError(folder, "holds no folders, which would be the classes");
  std::vector<std::string> present = d.class_names;
  if (const SplitFolder train = find_image_folder(dir, true); !split.undivided && !train.path.empty())
    d.class_names = folders_in(train.path.string());
  for (const std::string& name : present)
    if (!std::binary_search(d.class_names.begin(), d.class_names.end(), name))
      throw FileError(folder, "has a class '" + name + "' that the training images have not");
  LabeledFiles files = files_of_classes(folder, present, "");
  for (int32_t& label : files.labels)
    label = int32_t(std::lower_bound(d.class_names.begin(), d.class_names.end(), present[size_t(label)]) -
                    d.class_names.begin());
  take_files(folder, std::move(files), d);
}

// Images that all have the size of the first are decoded once, if they fit.
void decode_all(Dataset& d) {
  Image first;
  load_image(d, 0, &first);
  const int64_t bytes = int64_t(first.pixels.size());
  if (bytes * d.count > kMaxDecodedBytes) return;
  d.h = first.h, d.w = first.w;
  std::vector<uint8_t> images(size_t(bytes * d.count));
  parallel_for(d.count, 16, [&](int64_t begin, int64_t end, int) {
    Image image;
    for (int64_t i = begin; i < end; ++i) {
      load_image(d, i, &image);
      std::copy(image.pixels.begin(), image.pixels.end(), images.begin() + i * bytes);
    }
  });
  d.images = std::move(images);
  d.files = FileNames();
}

// The kind to read: what was asked for, or the only one that is there.
std::string choose_kind(const std::string& dir, Split split, const std::string& asked) {
  const bool train = split == Split::kTrain;
  const std::vector<FoundLayout> found = find_layouts(dir);
  const auto is = [](const FoundLayout& f, const std::string& kind) {
    return f.kind == kind || (f.kind == "mnist or fashion-mnist" && (kind == "mnist" || kind == "fashion-mnist"));
  };
  if (asked == "auto" && found.size() > 1)
    throw FileError(dir, "holds " + list_of(found) + ": say which with the data set's kind");
  if (asked == "auto" && found.size() == 1) return found[0].kind;
  if (std::any_of(found.begin(), found.end(), [&](const FoundLayout& f) { return is(f, asked); })) return asked;
  // Not all of a layout: half of a pair of IDX files, empty folders of classes. Reading it says what is missing.
  if (asked == "image-folder" && !find_image_folder(dir, train).path.empty()) return asked;
  if (asked == "mnist" || asked == "fashion-mnist" || asked == "auto")
    if (!find_idx(dir, train ? "train-labels" : "t10k-labels", "idx1-ubyte").empty()) return asked;
  nothing_there(dir, split, asked, found);
}

}  // namespace

const char* name_of(Split split) { return split == Split::kTrain ? "train" : "test"; }

std::span<const char* const> dataset_kinds() { return kKinds; }

Dataset open_dataset(const std::string& dir, Split split, const std::string& asked, int64_t limit) {
  if (std::find(std::begin(kKinds), std::end(kKinds), asked) == std::end(kKinds)) {
    std::string known;
    for (const char* k : kKinds) known += std::string(known.empty() ? "" : ", ") + k;
    throw Error("data set kind '" + asked + "' is unknown (known: " + known + ")");
  }
  std::error_code error;
  if (!fs::is_directory(dir, error)) throw FileError(dir, "no such folder");
  const std::string kind = choose_kind(dir, split, asked);
  Dataset d;
  d.split = split;
  if (kind == "cifar10" || kind == "cifar100") {
    const CifarFormat& format = kind == "cifar10" ? kCifar10 : kCifar100;
    read_cifar(format, find_cifar(dir, format.classes), d);
  } else if (kind == "tiny-imagenet") {
    list_tiny_imagenet(dir, d);
  } else if (kind == "image-folder") {
    const SplitFolder folder = find_image_folder(dir, split == Split::kTrain);
    if (folder.path.empty())
      throw FileError(
          dir, std::string("has no folder ") + (split == Split::kTrain ? "train/, only val/" : "val/, only train/"));
    list_image_folder(dir, folder, d);
  } else {
    read_idx_pair(dir, asked, d);
  }
  if (limit > 0 && limit < d.count) d = part_of(d, 0, limit);
  if (kind == "tiny-imagenet") decode_all(d);
  return d;
}

void load_image(const Dataset& data, int64_t i, Image* out) {
  if (data.decoded()) {
    out->h = data.h, out->w = data.w, out->c = data.c;
    out->pixels.assign(data.image(i), data.image(i) + data.image_bytes());
    return;
  }
  const std::string path = data.path(i);
  decode_image(read_file(path, kMaxImageFile), data.c, path, out);
  if (data.h != 0 && (out->h != data.h || out->w != data.w))
    throw FileError(path, "has " + std::to_string(out->w) + "x" + std::to_string(out->h) +
                              " pixels, the first image of the set " + std::to_string(data.w) + "x" +
                              std::to_string(data.h));
}

Dataset part_of(const Dataset& data, int64_t begin, int64_t end) {
  Dataset part;
  part.name = data.name;
  part.split = data.split;
  part.count = end - begin;
  part.h = data.h, part.w = data.w, part.c = data.c;
  part.folder = data.folder;
  if (data.decoded())
    part.images.assign(data.images.begin() + begin * data.image_bytes(),
                       data.images.begin() + end * data.image_bytes());
  else
    for (int64_t i = begin; i < end; ++i) part.files.add(data.files[size_t(i)]);
  part.labels.assign(data.labels.begin() + begin, data.labels.begin() + end);
  part.class_names = data.class_names;
  part.undivided = data.undivided;
  return part;
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
  const uint8_t kEnd = 0;
  for (size_t i = 0; i < data.files.size(); ++i) {
    const ByteSpan name = as_bytes(data.files[i]);
    crc = crc32(name.data(), name.size(), crc);
    crc = crc32(&kEnd, 1, crc);
  }
  return crc32(data.images.data(), data.images.size(), crc);
}

}  // namespace bantam
