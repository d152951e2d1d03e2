#include "data/tiny_imagenet.h"

#include "tests/data/made_files.h"

namespace bantam {
namespace {

const std::vector<std::string> kIds = {"n01", "n02", "n10"};

TEST_CASE("tiny-imagenet: class ids are sorted by byte, whatever their order in wnids.txt") {
  CHECK(parse_wnids(bytes_of("n10\nn02\r\n\nn01"), "f") == kIds);
  const auto read = [](const std::string& s) { return refusal([&] { parse_wnids(bytes_of(s), "f"); }); };
  CHECK(read("") == "names no class");
  CHECK(read("n01\n../etc\n") == "line 2 '../etc' is no class id");
  CHECK(read("n01\nn02\nn01\n") == "class id 'n01' stands twice");
  CHECK(read("n 1\n") == "line 1 'n 1' is no class id");
  CHECK(read(std::string(65, 'n')) == "line 1 '" + std::string(65, 'n') + "' is no class id");
  CHECK(read(std::string("n0\0\n", 4)) == "line 1 'n0\\x00' is no class id");
}

TEST_CASE("tiny-imagenet: a class is called by its id and the first of its words") {
  const std::string words = "n00\tentity\nn02\tgoldfish, Carassius auratus\nn10\tbox tortoise\r\n";
  CHECK(parse_words(bytes_of(words), kIds, "f") == std::vector<std::string>{"n01", "n02 goldfish", "n10 box tortoise"});
  const auto read = [](const std::string& s) { return refusal([&] { parse_words(bytes_of(s), kIds, "f"); }); };
  const std::string no_word = "has no plain word of 1 to 64 characters after its id and a tab";
  CHECK(read("n02\n") == "line 1 " + no_word);
  CHECK(read("n02\t, b\n") == "line 1 " + no_word);
  CHECK(read("n01\tok\nn02\tcaf\xc3\xa9\n") == "line 2 " + no_word);
  CHECK(read("n02\t" + std::string(65, 'a')) == "line 1 " + no_word);
  CHECK(read("n02\ta\nn02\tb\n") == "line 2 is the second one for 'n02'");
  CHECK(read("n99\tcaf\xc3\xa9\n") == "accepted");  // of no class of ours
}

TEST_CASE("tiny-imagenet: annotations give file and label; each malformed line is refused with its number") {
  const std::string good = "val_0.JPEG\tn10\t0\t32\t44\t62\nval_1.JPEG\tn01\t52\t55\t57\t59\n";
  const auto images = parse_val_annotations(bytes_of(good), kIds, "f");
  REQUIRE(images.size() == 2);
  CHECK((images[0].file == "val_0.JPEG" && images[0].label == 2));
  CHECK((images[1].file == "val_1.JPEG" && images[1].label == 0));
  const auto read = [](const std::string& s) {
    return refusal([&] { parse_val_annotations(bytes_of(s), kIds, "f"); });
  };
  CHECK(read("") == "names no image");
  CHECK(read(good + "../a.JPEG\tn10\t0\t0\t1\t1\n") == "line 3 '../a.JPEG' is not the name of a file");
  CHECK(read(".a.JPEG\tn10\t0\t0\t1\t1\n") == "line 1 '.a.JPEG' is not the name of a file");
  CHECK(read("\n") == "line 1 '' is not the name of a file");
  CHECK(read("a\tn11\t0\t0\t1\t1\n") == "line 1 'n11' is not among the classes of wnids.txt");
  CHECK(read("a\n") == "line 1 '' is not among the classes of wnids.txt");
  CHECK(read("a\tn10\t0\t0\t1\n") == "line 1 has no box of four numbers");
  CHECK(read("a\tn10\t0\t-1\t1\t1\n") == "line 1 has no box of four numbers");
  CHECK(read("a\tn10\t0\t0\t1\t123456\n") == "line 1 has no box of four numbers");
  CHECK(read("a\tn10\t0\t0\t1\t1\t1\n") == "line 1 has more than six fields");
  CHECK(read(good + good.substr(0, 27)) == "line 3 is the second one for 'val_0.JPEG'");
}

}  // namespace
}  // namespace bantam
