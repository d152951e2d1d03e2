// The lists that a new kind of node and a new net must be in: what a user of the program cannot reach does not exist.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "core/rng.h"
#include "nn/kinds/kind.h"
#include "nn/models/models.h"
#include "nn/net.h"

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

// quantize() goes by it: signs of values that are never negative are refused.
TEST_CASE("lists: a kind whose values are never negative says so, and no other does") {
  int never = 0;
  for (const Kind kind : all_kinds()) {
    const KindRoom& room = room_of(kind);
    if (room.config || room.inputs != 1) continue;  // those with a config pass values on, or learn them
    CAPTURE(room.name);
    NetBuilder g(2, 2, 8, 3);
    const int it = g.unary(kind, "it", g.input());
    const bool flat = kind == Kind::kFlatten || kind == Kind::kGlobalAvgPool;
    g.linear("fc", flat ? it : g.unary(Kind::kGlobalAvgPool, "pool", it), {.out_features = 3});
    Net net(g.build());
    Tensor x = Tensor::empty({16, 2, 2, 8});
    const Rng rng(1, kRngTest);
    for (int64_t i = 0; i < x.size(); ++i) x.mutable_data<float>()[i] = float(4 * rng.normal(uint64_t(i)));
    double least = 0;
    Context context = Context::evaluation();
    context.tap = [&](const NodeSpec& node, const Tensor& value) {
      if (node.name != "it") return;
      const std::vector<double> all = value.values();
      least = *std::min_element(all.begin(), all.end());
    };
    const NoGrad no_grad;
    (void)forward(net.plan, net.parameters, x, context);
    CHECK((room.sign == SignRule::kNeverNegative) == (least >= 0));
    never += least >= 0;
  }
  CHECK(never >= 3);  // relu, sigmoid, softmax
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
