#include "data/cifar.h"

#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  // As many records as fit, and one more.
  const auto fit = int64_t(input.size() / kCifarRecord);
  for (const int64_t records : {fit, fit + 1}) {
    std::vector<uint8_t> images;
    std::vector<int32_t> labels;
    try {
      parse_cifar10(input, records, "f", images, labels);
      FUZZ_CHECK(input.size() == size_t(records) * kCifarRecord);
      FUZZ_CHECK(int64_t(labels.size()) == records && int64_t(images.size()) == records * 3072);
      for (const int32_t label : labels) FUZZ_CHECK(label >= 0 && label < kCifarClasses);
    } catch (const FileError&) {
      FUZZ_CHECK(images.empty() && labels.empty());
    }
  }
  try {
    const auto names = parse_cifar10_meta(input, "f");
    FUZZ_CHECK(names.size() == 10);
    for (const std::string& name : names) FUZZ_CHECK(!name.empty() && name.size() <= 64);
  } catch (const FileError&) {
  }
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  Bytes batch(2 * kCifarRecord);
  for (size_t i = 0; i < batch.size(); ++i) batch[i] = uint8_t(i * i >> 5);
  batch[0] = 9;
  batch[kCifarRecord] = 0;
  seed(batch);
  seed(as_bytes("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"));
  seed(as_bytes("a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\ni\r\n"));
}

}  // namespace bantam
