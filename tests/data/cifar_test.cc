#include "data/cifar.h"

#include "tests/data/made_files.h"

namespace bantam {
namespace {

const char kNames[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

TEST_CASE("cifar10: the planes of a record become channels of pixels") {
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  parse_cifar(kCifar10, make_cifar(2), 2, "f", images, labels);
  parse_cifar(kCifar10, make_cifar(1), 1, "f", images, labels);  // appends
  CHECK(labels == std::vector<int32_t>{0, 1, 0});
  REQUIRE(images.size() == 3 * 3072);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t p = 0; p < 1024; ++p)
      for (int64_t c = 0; c < 3; ++c) REQUIRE(images[size_t(i * 3072 + 3 * p + c)] == made_cifar_value(i % 2, p, c));
}

TEST_CASE("cifar10: each malformed batch is refused with its own line and changes nothing") {
  std::vector<uint8_t> images = {1};
  std::vector<int32_t> labels = {2};
  const auto read = [&](const Bytes& file, int64_t records) {
    return refusal([&] { parse_cifar(kCifar10, file, records, "f", images, labels); });
  };
  Bytes longer = make_cifar(2), bad_label = make_cifar(2);
  longer.push_back(0);
  bad_label[kCifar10.record()] = 10;
  CHECK(read({}, 2) == "CIFAR-10 batch of 0 bytes, 2 records need exactly 6146");
  CHECK(read(longer, 2) == "CIFAR-10 batch of 6147 bytes, 2 records need exactly 6146");
  CHECK(read(make_cifar(1), kCifar10.train_records) ==
        "CIFAR-10 batch of 3073 bytes, 10000 records need exactly 30730000");
  CHECK(read(bad_label, 2) == "record 1 has label 10, CIFAR-10 has 10 classes");
  const Bytes whole = make_cifar(1);
  for (size_t n = 0; n < whole.size(); ++n)
    REQUIRE(read(Bytes(whole.begin(), whole.begin() + ptrdiff_t(n)), 1) != "accepted");
  CHECK(images.size() == 1);
  CHECK(labels.size() == 1);
}

TEST_CASE("cifar10: class names are ten distinct plain lines") {
  const std::string names = kNames;
  CHECK(parse_cifar_names(kCifar10, bytes_of(names), "f").back() == "truck");
  CHECK(parse_cifar_names(kCifar10, bytes_of(names), "f").size() == 10);
  const auto read = [](const std::string& s) {
    return refusal([&] { parse_cifar_names(kCifar10, bytes_of(s), "f"); });
  };
  CHECK(read("") == "0 class names, CIFAR-10 has 10");
  CHECK(read(names.substr(0, 40)) == "7 class names, CIFAR-10 has 10");
  CHECK(read(names.substr(0, names.size() - 2) + "\nvan") == "11 class names, CIFAR-10 has 10");
  CHECK(read("air\tplane\n" + names) == "line 1 is not plain text");
  CHECK(read("\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck") ==
        "line 1 is empty or longer than 64 characters");
  CHECK(read(std::string(65, 'a') + names.substr(8)) == "line 1 is empty or longer than 64 characters");
  CHECK(read("bird" + names.substr(8)) == "class name 'bird' stands twice");
  CHECK(read(std::string(9000, 'a')) == "9000 bytes are too many for 10 class names");
}

TEST_CASE("cifar100: a record's second byte is its class, the first its superclass") {
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  parse_cifar(kCifar100, make_cifar100(3), 3, "f", images, labels);
  CHECK(labels == std::vector<int32_t>{99, 92, 85});
  REQUIRE(images.size() == 3 * 3072);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t p = 0; p < 1024; ++p)
      for (int64_t c = 0; c < 3; ++c) REQUIRE(images[size_t(i * 3072 + 3 * p + c)] == made_cifar_value(i, p, c));
}

TEST_CASE("cifar100: each malformed file is refused with its own line and changes nothing") {
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  const auto read = [&](const Bytes& file, int64_t records) {
    return refusal([&] { parse_cifar(kCifar100, file, records, "f", images, labels); });
  };
  Bytes superclass = make_cifar100(2), label = make_cifar100(2);
  superclass[kCifar100.record()] = 20;
  label[1] = 100;
  CHECK(read({}, 2) == "CIFAR-100 batch of 0 bytes, 2 records need exactly 6148");
  CHECK(read(make_cifar(2), 2) == "CIFAR-100 batch of 6146 bytes, 2 records need exactly 6148");
  CHECK(read(superclass, 2) == "record 1 has superclass 20, CIFAR-100 has 20 superclasses");
  CHECK(read(label, 2) == "record 0 has label 100, CIFAR-100 has 100 classes");
  const Bytes whole = make_cifar100(1);
  for (size_t n = 0; n < whole.size(); ++n)
    REQUIRE(read(Bytes(whole.begin(), whole.begin() + ptrdiff_t(n)), 1) != "accepted");
  CHECK(images.empty());
  CHECK(labels.empty());
  CHECK(refusal([&] { parse_cifar_names(kCifar100, bytes_of(kNames), "f"); }) == "10 class names, CIFAR-100 has 100");
}

}  // namespace
}  // namespace bantam
