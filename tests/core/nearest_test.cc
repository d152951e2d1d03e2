#include "core/nearest.h"

#include <doctest/doctest.h>

using namespace bantam;

TEST_CASE("edit distance: worked by hand") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("momentum", "momnetum") == 1);  // a swap is one edit
  CHECK(edit_distance("lr", "lr") == 0);
}

TEST_CASE("nearest: the closest name, nothing where none is close") {
  const std::vector<std::string> names = {"train", "eval", "predict", "info"};
  CHECK(nearest("trian", names) == "train");
  CHECK(nearest("predct", names) == "predict");
  CHECK(nearest("zzzzzzzz", names) == "");
  CHECK(nearest("batch", {"train.epochs", "train.batch"}) == "train.batch");
  CHECK(nearest("fashion", {"lenet-mnist", "fashion-mnist-bnn"}) == "fashion-mnist-bnn");
  CHECK(did_you_mean("evla", names) == " (did you mean 'eval'?)");
}
