#include "data/image_folder.h"

#include <filesystem>
#include <map>

#include "tests/core/temp_folder.h"
#include "tests/data/made_files.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

TEST_CASE("image folder: folders and images are sorted by byte; other files, hidden ones and folders are no images") {
  const TempFolder folder;
  const fs::path dir = folder.path();
  for (const char* name : {"b.JPEG", "B.jpg", "a10.png", "a9.Jpeg", "notes.txt", ".hidden.jpg", "jpeg", "x.jpeg.bak"})
    put(dir / name, bytes_of("x"));
  fs::create_directories(dir / "sub.jpg");
  fs::create_directories(dir / "A");
  fs::create_directories(dir / ".git");
  CHECK(images_in(dir.string()) == std::vector<std::string>{"B.jpg", "a10.png", "a9.Jpeg", "b.JPEG"});
  CHECK(folders_in(dir.string()) == std::vector<std::string>{"A", "sub.jpg"});
  CHECK(images_in((dir / "nowhere").string()).empty());
  fs::create_directories(dir / "new\nline");
  CHECK_THROWS_WITH_AS(
      folders_in(dir.string()),
      (dir.string() + ": the folder 'new\\x0aline' has no plain name of at most 100 characters").c_str(), FileError);
}

TEST_CASE("image folder: files of unequal classes are dealt in proportion") {
  const TempFolder folder;
  const fs::path dir = folder.path();
  const std::map<std::string, int> counts = {{"a", 4}, {"b", 2}, {"c", 1}};
  for (const auto& [name, n] : counts)
    for (int i = 0; i < n; ++i) put(dir / name / (std::to_string(i) + ".png"), bytes_of("x"));
  const LabeledFiles files = files_of_classes(dir.string(), {"a", "b", "c"}, "");
  // Places: a 1/8 3/8 5/8 7/8, b 1/4 3/4, c 1/2.
  const std::vector<std::string> want = {"a/0.png", "b/0.png", "a/1.png", "c/0.png", "a/2.png", "b/1.png", "a/3.png"};
  REQUIRE(files.names.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    CHECK(files.names[i] == want[i]);
    CHECK(files.labels[i] == want[i][0] - 'a');
  }
  CHECK_THROWS_WITH_AS(files_of_classes(dir.string(), {"a", "d"}, ""),
                       (dir.string() + "/d: holds no image (.JPEG, .jpg, .png)").c_str(), FileError);
}

}  // namespace
}  // namespace bantam
