#include "data/tiny_imagenet.h"

#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  static const std::vector<std::string> ids = {"n01443537", "n01629819", "n01641577"};
  try {
    const auto found = parse_wnids(input, "f");
    FUZZ_CHECK(!found.empty());
    for (size_t i = 0; i < found.size(); ++i) {
      FUZZ_CHECK(is_class_id(found[i]) && found[i].find('/') == std::string::npos);
      FUZZ_CHECK(i == 0 || found[i - 1] < found[i]);
    }
  } catch (const FileError&) {
  }
  try {
    const auto names = parse_words(input, ids, "f");
    FUZZ_CHECK(names.size() == ids.size());
    for (size_t i = 0; i < ids.size(); ++i) FUZZ_CHECK(names[i].starts_with(ids[i]) && names[i].size() <= 9 + 1 + 64);
  } catch (const FileError&) {
  }
  try {
    for (const AnnotatedImage& image : parse_val_annotations(input, ids, "f")) {
      FUZZ_CHECK(image.label >= 0 && image.label < 3);
      FUZZ_CHECK(!image.file.empty() && image.file[0] != '.' && image.file.find('/') == std::string::npos);
    }
  } catch (const FileError&) {
  }
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  seed(as_bytes("n01629819\nn01443537\r\n\nn01641577"));
  seed(as_bytes("n01443537\nn01443537\n"));
  seed(as_bytes("n01443537\tgoldfish, Carassius auratus\nn00001740\tentity\nn01641577\tbullfrog\n"));
  seed(as_bytes("n01443537\tgoldfish\nn01443537\tgoldfish\n"));
  seed(as_bytes("n01443537\t\n"));
  seed(as_bytes("val_0.JPEG\tn01443537\t0\t32\t44\t62\nval_1.JPEG\tn01641577\t52\t55\t57\t59\n"));
  seed(as_bytes("a.JPEG\tn01443537\t0\t0\t1\t1\na.JPEG\tn01443537\t0\t0\t1\t1\n"));
  seed(as_bytes("a.JPEG\tn01443537\t0\t0\t1\t1\t1\n"));
  seed(as_bytes("../a.JPEG\tn01443537\t0\t0\t1\t1\n"));
  seed(as_bytes("a.JPEG\tn01443538\t0\t0\t1\t1\n"));
  seed(as_bytes("a.JPEG\tn01443537\t0\t0\t1\n"));
}

}  // namespace bantam
