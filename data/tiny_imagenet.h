// The text files of Tiny ImageNet's original layout. Where its images lie: train/WNID/images, val/images.
//
//   wnids.txt                one class id a line, in any order: classes are numbered by the order of their ids
//   words.txt                "WNID<tab>word, synonym, ..." for all of WordNet; the first word is kept
//   val/val_annotations.txt  "FILE<tab>WNID<tab>x0<tab>y0<tab>x1<tab>y1"; the object's box is checked and dropped
//
// Each throws FileError "NAME: line N ..." and takes memory in proportion to its file, at most kMaxListBytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"

namespace bantam {

constexpr uint64_t kMaxListBytes = uint64_t{1} << 26;
constexpr size_t kMaxListClasses = 100000;

// What may be the name of a class's folder: 1 to 64 letters, digits, '_', '-' and '.', not starting with '.'.
bool is_class_id(std::string_view s);

// The ids, each once, sorted by byte.
std::vector<std::string> parse_wnids(ByteSpan file, const std::string& name);

// "WNID word" for each of these sorted ids; only the id where the file has no line for it.
std::vector<std::string> parse_words(ByteSpan file, const std::vector<std::string>& ids, const std::string& name);

struct AnnotatedImage {
  std::string file;  // the plain name of a file
  int32_t label;     // index of its id among the sorted ones
};
std::vector<AnnotatedImage> parse_val_annotations(ByteSpan file, const std::vector<std::string>& ids,
                                                  const std::string& name);

}  // namespace bantam
