#include "data/cifar.h"

#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  for (const CifarFormat& format : {kCifar10, kCifar100}) {
    // As many records as fit, and one more.
    const auto fit = int64_t(input.size() / format.record());
    for (const int64_t records : {fit, fit + 1}) {
      std::vector<uint8_t> images;
      std::vector<int32_t> labels;
      try {
        parse_cifar(format, input, records, "f", images, labels);
        FUZZ_CHECK(input.size() == size_t(records) * format.record());
        FUZZ_CHECK(int64_t(labels.size()) == records && int64_t(images.size()) == records * 3072);
        for (const int32_t label : labels) FUZZ_CHECK(label >= 0 && label < format.classes);
      } catch (const FileError&) {
        FUZZ_CHECK(images.empty() && labels.empty());
      }
    }
    try {
      const auto names = parse_cifar_names(format, input, "f");
      FUZZ_CHECK(int(names.size()) == format.classes);
      for (const std::string& name : names) FUZZ_CHECK(!name.empty() && name.size() <= 64);
    } catch (const FileError&) {
    }
  }
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  Bytes batch(2 * kCifar10.record());
  for (size_t i = 0; i < batch.size(); ++i) batch[i] = uint8_t(i * i >> 5);
  batch[0] = 9;
  batch[kCifar10.record()] = 0;
  seed(batch);
  batch.resize(kCifar100.record());
  batch[0] = 19;
  batch[1] = 99;
  seed(batch);
  batch[0] = 20;
  seed(batch);
  seed(as_bytes("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"));
  seed(as_bytes("a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\ni\r\n"));
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += "class" + std::to_string(i) + "\n";
  seed(as_bytes(hundred));
}

}  // namespace bantam
