// A recipe's text, and after the first NUL the overrides of a command line, one KEY=VALUE a line.
#include "cmd/recipe/recipe.h"

#include "cmd/errors.h"
#include "tests/fuzz/fuzz.h"

namespace bantam {

void fuzz_one(ByteSpan input) {
  std::string_view text = as_text(input), more;
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    more = text.substr(nul + 1);
    text = text.substr(0, nul);
  }
  Recipe recipe;
  try {
    Overrides overrides;
    while (!more.empty()) {
      const size_t end = std::min(more.find('\n'), more.size());
      overrides.push_back(split_override(std::string(more.substr(0, end))));
      more.remove_prefix(std::min(end + 1, more.size()));
    }
    recipe = parse_recipe(text, "fuzz", overrides);
  } catch (const UsageError&) {
    return;
  }
  const std::string resolved = dump(recipe);
  FUZZ_CHECK(dump(parse_recipe(resolved, "resolved")) == resolved);
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  for (const BuiltInRecipe& r : built_in_recipes()) seed(as_bytes(r.toml));
  const auto with_overrides = [&](const std::string& toml, const std::string& overrides) {
    seed(as_bytes(toml + '\0' + overrides));
  };
  with_overrides(
      "about = \"a \\\\ b \\\" c\"\n[optimizer]\nname = 'sgd'\nnesterov = true\n",
      "optimizer.lr=+0.5\ndata.flip=false\ndata.mean=[1, 2.5]\ndata.stddev=1,2\ntrain.batch= 7 \nabout=\"x\"\n");
  with_overrides("[data]\nmean = [1, 2]\nstddev = [1.0, 2]\n[train]\n", "optimizer.name=sgd\nschedule.kind=constant\n");
  with_overrides("[train]\nseed = 1979-05-27\n", "x=1\n");
  with_overrides("[data]\nmean = [[1]]\n", "");
  with_overrides("[foo]\n", "train.batch=0\n");
  with_overrides("", "train.batch=x\n");
  with_overrides("", "data.mean=1,\n");
  with_overrides("", "data.mean=1,x\n");
  with_overrides("", "optimizer.lr=nan\n");
  with_overrides("", "data.flip=maybe\n");
  with_overrides("", "model.name=vgg1\n");
  with_overrides("[optimizer]\nnesterov = true\n", "");
  with_overrides("", "schedule.kind=multistep\nschedule.milestones=2,1\nschedule.factors=1,1\n");
  with_overrides("", "schedule.kind=multistep\nschedule.milestones=2\n");
  with_overrides("", "optimizer.name=sgd\noptimizer.momentum=0\noptimizer.nesterov=true\n");
  with_overrides("", "data.mean=1,2\n");
  with_overrides("[train]\nbatch = \"7\"\nclip_norm = 1\n", "");
}

}  // namespace bantam
