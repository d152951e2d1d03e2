#include "data/layouts.h"

#include "data/image_folder.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& p) {
  std::error_code ec;
  return fs::is_regular_file(p, ec);
}

// Whether a folder has folders in it, of which one of the first holds an image: a look, not a search.
bool has_class_folders(const fs::path& dir) {
  constexpr int kFolders = 8, kEntries = 64;
  std::error_code error;
  int folders = 0;
  for (fs::directory_iterator it(dir, error); !error && it != fs::directory_iterator(); it.increment(error)) {
    if (it->path().filename().string()[0] == '.' || !it->is_directory(error)) continue;
    int entries = 0;
    for (fs::directory_iterator in(it->path(), error); !error && in != fs::directory_iterator(); in.increment(error)) {
      if (is_image_name(in->path().filename().string())) return true;
      if (++entries == kEntries) break;
    }
    if (++folders == kFolders) break;
  }
  return false;
}

}  // namespace

fs::path find_idx(const fs::path& dir, const std::string& stem, const char* suffix) {
  for (const char* sub : {"", "raw"})
    for (const char* joint : {"-", "."})
      for (const char* packed : {"", ".gz"}) {
        const fs::path p = dir / sub / (stem + joint + suffix + packed);
        if (is_file(p)) return p;
      }
  return {};
}

fs::path find_cifar(const fs::path& dir, int classes) {
  const bool ten = classes == 10;
  for (const fs::path& p : {dir, dir / (ten ? "cifar-10-batches-bin" : "cifar-100-binary")})
    if (is_file(p / (ten ? "data_batch_1.bin" : "train.bin")) || is_file(p / (ten ? "test_batch.bin" : "test.bin")))
      return p;
  return {};
}

bool is_tiny_imagenet(const fs::path& dir) { return is_file(dir / "wnids.txt"); }

SplitFolder find_image_folder(const fs::path& dir, bool train) {
  std::error_code error;
  bool divided = false;
  for (const char* name : {"train", "val"}) {
    const fs::path p = dir / name;
    if (!fs::is_directory(p, error)) continue;
    divided = true;
    if (train == (std::string(name) == "train")) return {p, false};
  }
  if (!divided && has_class_folders(dir)) return {dir, true};
  return {};
}

std::vector<FoundLayout> find_layouts(const fs::path& dir) {
  std::vector<FoundLayout> found;
  const auto shown = [&](const fs::path& p) { return p.lexically_relative(dir).string(); };
  for (const char* stem : {"train-images", "t10k-images"})
    if (const fs::path p = find_idx(dir, stem, "idx3-ubyte"); !p.empty()) {
      found.push_back({"mnist or fashion-mnist", shown(p)});
      break;
    }
  for (const int classes : {10, 100})
    if (const fs::path p = find_cifar(dir, classes); !p.empty()) {
      const bool ten = classes == 10;
      const fs::path file = p / (ten ? "data_batch_1.bin" : "train.bin");
      found.push_back(
          {ten ? "cifar10" : "cifar100", shown(is_file(file) ? file : p / (ten ? "test_batch.bin" : "test.bin"))});
    }
  if (is_tiny_imagenet(dir)) {
    found.push_back({"tiny-imagenet", "wnids.txt"});
  } else {
    for (const bool train : {true, false})
      if (const SplitFolder f = find_image_folder(dir, train); !f.path.empty() && has_class_folders(f.path)) {
        found.push_back({"image-folder", f.undivided ? "folders with images" : shown(f.path) + "/"});
        break;
      }
  }
  return found;
}

std::string what_to_look_for(const std::string& kind, bool train) {
  const std::string idx = train ? "train" : "t10k";
  std::string all;
  const auto add = [&](const char* a, const char* b, const std::string& what) {
    if (kind == "auto" || kind == a || kind == b) all += (all.empty() ? "" : "; ") + what;
  };
  add("mnist", "fashion-mnist",
      idx + "-images-idx3-ubyte and " + idx + "-labels-idx1-ubyte (also .idx3, .idx1, .gz, in raw/)");
  add("cifar10", "", "data_batch_1.bin or test_batch.bin (also in cifar-10-batches-bin/)");
  add("cifar100", "", "train.bin or test.bin (also in cifar-100-binary/)");
  add("tiny-imagenet", "", "wnids.txt");
  add("image-folder", "", train ? "train/CLASS/*.JPEG or CLASS/*.JPEG" : "val/CLASS/*.JPEG or CLASS/*.JPEG");
  return all;
}

}  // namespace bantam
