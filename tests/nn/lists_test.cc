// The lists that a new kind of node and a new net must be in: what a user of the program cannot reach does not exist.
#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "nn/kinds/kind.h"
#include "nn/models/models.h"

using namespace bantam;

TEST_CASE("lists: each kind's room is that of its line in the list, by its word, and no word stands for two") {
  const char* const words[] = {
#define BANTAM_WORD(name, word) #word,
      BANTAM_KINDS(BANTAM_WORD)
#undef BANTAM_WORD
  };
  std::set<std::string> seen;
  for (size_t i = 0; i < std::size(words); ++i) {
    const KindRoom& room = room_of(Kind(i));
    CAPTURE(words[i]);
    CHECK(room.kind == Kind(i));
    CHECK(room.name == std::string(words[i]));
    CHECK(seen.insert(room.name).second);
    CHECK((room.run != nullptr || room.kind == Kind::kInput));
    CHECK((room.shape != nullptr));
    Kind found = Kind::kInput;
    CHECK((kind_from_name(room.name, &found) && found == room.kind));
  }
  CHECK(all_kinds().size() == std::size(words));
}

TEST_CASE("lists: every net that models.h declares can be built by its name") {
  std::ifstream in("nn/models/models.h");
  REQUIRE_MESSAGE(in, "run the tests from the root of the sources");
  std::stringstream text;
  text << in.rdbuf();
  const std::string header = text.str(), before = "\nNetSpec ", after = "(const ModelOptions& o);";
  std::set<std::string> declared;
  for (size_t at = header.find(before); at != std::string::npos; at = header.find(before, at + 1)) {
    const size_t begin = at + before.size(), end = header.find('(', begin);
    if (header.compare(end, after.size(), after) == 0) declared.insert(header.substr(begin, end - begin));
  }
  CHECK(declared.size() >= 8);
  CHECK(declared.size() == models().size());
  std::set<NetSpec (*)(const ModelOptions&)> built;
  for (const NamedModel& m : models()) {
    CAPTURE(m.name);
    CHECK(built.insert(m.build).second);
    CHECK(!m.orders.empty());
  }
}
