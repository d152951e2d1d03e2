// What lies in a folder that is said to hold a data set.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bantam {

// "train-images-idx3-ubyte" in its usual spellings (a dot for the second dash, .gz, in raw/); empty if none is there.
std::filesystem::path find_idx(const std::filesystem::path& dir, const std::string& stem, const char* suffix);

// The folder in which the files of CIFAR lie: DIR or DIR/SUB, by which of the two names is there; empty if neither.
std::filesystem::path find_cifar(const std::filesystem::path& dir, int classes);

bool is_tiny_imagenet(const std::filesystem::path& dir);

// ImageNet's layout: the folder of a split, or DIR itself if it holds class folders; empty if neither.
struct SplitFolder {
  std::filesystem::path path;
  bool undivided = false;
};
SplitFolder find_image_folder(const std::filesystem::path& dir, bool train);

// The layouts of which something is there, each with what gives it away: "cifar100 (train.bin)". Kinds as open_dataset
// names them, IDX files as "mnist or fashion-mnist".
struct FoundLayout {
  std::string kind, evidence;
};
std::vector<FoundLayout> find_layouts(const std::filesystem::path& dir);

// What to look for, of a kind and a split: the end of the sentence "looked for ...".
std::string what_to_look_for(const std::string& kind, bool train);

}  // namespace bantam
