#include "cmd/recipe/recipe.h"

#include <doctest/doctest.h>

#include <memory>

#include "cmd/errors.h"
#include "cmd/recipe/build.h"
#include "nn/net.h"
#include "tests/core/error_text.h"

using namespace bantam;

namespace {

std::string error_of(const std::string& toml, const Overrides& overrides = {}) {
  return error_text<UsageError>([&] { parse_recipe(toml, "r.toml", overrides); });
}

}  // namespace

TEST_CASE("recipe: values of every type are read") {
  const Recipe r = parse_recipe(
      "about = \"x\"\n[data]\nflip = true\nmean = [0.5, 1]\nstddev = [1, 2]\n[optimizer]\nlr = 1\n[train]\nbatch = 7\n",
      "r.toml");
  CHECK(r.about == "x");
  CHECK(r.data.flip);
  CHECK(r.data.mean == std::vector<double>{0.5, 1});
  CHECK(r.optimizer.lr == 1.0);
  CHECK(r.train.batch == 7);
}

TEST_CASE("recipe: each key can be overridden, and the dump shows it") {
  Recipe defaults;
  FieldList list = fields(defaults);
  CHECK(list.all().size() >= 30);
  for (const Field& f : list.all()) {
    CAPTURE(f.key);
    Overrides overrides;
    for (const Field* on = &f; !on->condition_key.empty(); on = &list.at(on->condition_key))
      overrides.insert(overrides.begin(), {on->condition_key, on->condition_values[0]});
    std::string other;  // a legal value that is not the default
    if (std::holds_alternative<bool>(f.value())) other = f.text() == "true" ? "false" : "true";
    if (std::holds_alternative<int64_t>(f.value())) other = f.range.high < 17 ? "7" : "17";
    if (std::holds_alternative<double>(f.value())) other = "0.123";
    if (std::holds_alternative<std::string>(f.value()))
      other = f.range.choices.empty()                        ? "word"
              : f.text() == "\"" + f.range.choices[0] + "\"" ? f.range.choices[1]
                                                             : f.range.choices[0];
    if (std::holds_alternative<std::vector<double>*>(f.member)) other = "[1, 2.5]";
    if (f.key == "quant.layers") other = "conv2: weight = none";
    if (f.key == "data.crop_scale") other = "[0.2, 0.9]";  // shares of an area
    overrides.push_back({f.key, other});
    if (f.key == "data.mean") overrides.push_back({"data.stddev", "1,2"});
    if (f.key == "data.stddev") overrides.push_back({"data.mean", "1,2"});
    if (f.key == "schedule.milestones") overrides.push_back({"schedule.factors", "1,2"});
    if (f.key == "schedule.factors") overrides.push_back({"schedule.milestones", "1,2"});
    const Recipe r = parse_recipe("", "r.toml", overrides);
    Recipe copy = r;
    CHECK(fields(copy).at(f.key).text() != Field(f).text());
    CHECK(dump(parse_recipe(dump(r), "dump")) == dump(r));
    const std::string name = f.key.substr(f.key.find('.') + 1);
    CHECK(("\n" + dump(r)).find("\n" + name + " = " + fields(copy).at(f.key).text() + "\n") != std::string::npos);
  }
}

TEST_CASE("recipe: built-in ones parse, say what they are for, and survive their dump") {
  CHECK(built_in_recipes().size() == 11);
  for (const BuiltInRecipe& b : built_in_recipes()) {
    CAPTURE(b.name);
    const Recipe r = parse_recipe(b.toml, b.name);
    CHECK(!r.about.empty());
    CHECK(r.data.mean.size() == (r.data.name.find("mnist") == std::string::npos ? 3 : 1));
    CHECK(dump(parse_recipe(dump(r), "dump")) == dump(r));
  }
}

TEST_CASE("recipe: a mistake is named with its place and the nearest key") {
  CHECK(error_of("[optimizer]\nmomentun = 0.9\n") ==
        "r.toml:2:12: unknown key 'optimizer.momentun' (did you mean 'optimizer.momentum'?)");
  CHECK(error_of("[trian]\nepochs = 1\n") == "r.toml:2:10: unknown key 'trian.epochs' (did you mean 'train.epochs'?)");
  CHECK(error_of("epochs = 1\n") == "r.toml:1:10: unknown key 'epochs' (did you mean 'train.epochs'?)");
  CHECK(error_of("[foo]\n").find("unknown key 'foo'") != std::string::npos);
  CHECK(error_of("", {{"lr", "1"}}) == "--set lr=1: unknown key 'lr' (did you mean 'optimizer.lr'?)");
  // A key of an earlier version says what took its place.
  CHECK(error_of("[model]\nform = \"bnn\"\n").find("r.toml:2:8: unknown key 'model.form': how a net is quantized") ==
        0);
}

TEST_CASE("recipe: wrong types and ranges are refused") {
  CHECK(error_of("[train]\nbatch = 1.5\n") == "r.toml:2:9: train.batch: 1.5 is not an integer (1 to 65536)");
  CHECK(error_of("[train]\nbatch = 0\n") == "r.toml:2:9: train.batch: 0 is out of range, it must be 1 to 65536");
  CHECK(error_of("[optimizer]\nlr = \"0.1\"\n").find("optimizer.lr: \"0.1\" is not a number (above 0)") !=
        std::string::npos);
  CHECK(error_of("[optimizer]\nlr = 0\n").find("it must be above 0") != std::string::npos);
  CHECK(error_of("[optimizer]\nlr = nan\n").find("out of range") != std::string::npos);
  CHECK(error_of("[optimizer]\nlr = inf\n").find("out of range") != std::string::npos);
  CHECK(error_of("[optimizer]\nlr = 1979-05-27\n").find("neither a table nor a date") != std::string::npos);
  CHECK(error_of("[data]\nmean = [\"a\"]\n").find("a list holds numbers only") != std::string::npos);
  CHECK(error_of("[model]\nname = \"vgg1\"\n").find("(did you mean 'vgg11'?)") != std::string::npos);
  CHECK(error_of("[train]\nepochs = 1\nepochs = 2\n") != "accepted");
  CHECK(error_of("[train\n").substr(0, 7) == "r.toml:");
  CHECK(error_of("", {{"train.batch", "12x"}}) ==
        "--set train.batch=12x: train.batch: '12x' is not an integer (1 to 65536)");
  CHECK(error_of("", {{"data.flip", "yes"}}).find("is not true or false") != std::string::npos);
  CHECK(
      error_of("", {{"schedule.kind", "multistep"}, {"schedule.milestones", "1,"}}).find("is not a list of numbers") !=
      std::string::npos);
  CHECK(error_of(std::string((1 << 20) + 1, '\n')).find("at most 1 MiB") != std::string::npos);
}

TEST_CASE("recipe: a key without effect is refused, never ignored") {
  CHECK(error_of("[optimizer]\nname = \"adam\"\nmomentum = 0.5\n") ==
        "r.toml: optimizer.momentum has no effect with optimizer.name = \"adam\"; it goes with sgd");
  CHECK(error_of("[model]\nname = \"resnet14\"\n", {{"optimizer.momentum", "0.5"}}).find("has no effect") !=
        std::string::npos);
  // An override may put the recipe's own keys out of action.
  CHECK(error_of("[optimizer]\nbeta1 = 0.5\n", {{"optimizer.name", "sgd"}}) == "accepted");
}

TEST_CASE("recipe: values that do not fit together are refused") {
  CHECK(error_of("[data]\nmean = [1, 2]\nstddev = [1]\n").find("data.mean has 2 values, data.stddev has 1") !=
        std::string::npos);
  CHECK(error_of("[schedule]\nkind = \"multistep\"\nmilestones = [1, 2]\nfactors = [1]\n")
            .find("schedule.factors has 1") != std::string::npos);
  CHECK(error_of("[schedule]\nkind = \"multistep\"\nmilestones = [2, 2]\nfactors = [1, 1]\n").find("must rise") !=
        std::string::npos);
}

TEST_CASE("recipe: enums, conditions two deep, and lists of layers are checked") {
  // Weights and activations have codebooks of their own.
  const std::string weights =
      "none | sign | stochastic | bwn | xnor | twn | ternary | dorefa | tanh | uniform | pow2 | log | log2 | kmeans | "
      "f16 | bf16 | int";
  const std::string activations =
      "none | sign | stochastic | ternary | dorefa | tanh | relu | uniform | hwgq | pow2 | log | log2 | int";
  CHECK(error_of("[quant]\nweight = \"sing\"\n") ==
        "r.toml:2:10: quant.weight: unknown value 'sing' (did you mean 'sign'?), known: " + weights);
  CHECK(error_of("[quant]\nweight = 1\n") == "r.toml:2:10: quant.weight: 1 is not a word (" + weights + ")");
  CHECK(error_of("[quant]\nactivation = \"sing\"\n") ==
        "r.toml:2:14: quant.activation: unknown value 'sing' (did you mean 'sign'?), known: " + activations);
  CHECK(error_of("[quant]\nactivation = 1\n") ==
        "r.toml:2:14: quant.activation: 1 is not a word (" + activations + ")");
  for (const char* word : {"relu", "hwgq"})
    CHECK(error_of("", {{"quant.weight", word}}).find("known: " + weights) != std::string::npos);
  for (const char* word : {"bwn", "xnor", "twn", "kmeans"})
    CHECK(error_of("", {{"quant.activation", word}}).find("known: " + activations) != std::string::npos);
  // What a codebook does not take has no effect with it.
  for (const auto& without : std::vector<std::pair<const char*, const char*>>{{"sign", "quant.weight_bits=4"},
                                                                               {"bwn", "quant.weight_bits=4"},
                                                                               {"tanh", "quant.granularity=layer"},
                                                                               {"xnor", "quant.scale=max"},
                                                                               {"none", "quant.granularity=kernel"}}) {
    CAPTURE(without.second);
    CHECK(error_of("", {{"quant.weight", without.first}, split_override(without.second)}).find("has no effect with") !=
          std::string::npos);
  }
  // One list of rules for scales, of which activations take three; with signs there is none.
  CHECK(error_of("", {{"quant.weight", "bwn"}, {"quant.scale", "most"}}).find("known: none | mean | max | learned") !=
        std::string::npos);
  CHECK(error_of("", {{"quant.activation", "relu"}, {"quant.activation_scale", "mean"}})
            .find("known: none | max | learned") != std::string::npos);
  CHECK(error_of("", {{"quant.activation", "sign"}, {"quant.activation_scale", "max"}}).find("has no effect with") !=
        std::string::npos);
  CHECK(error_of("", {{"quant.activation", "int"}, {"quant.activation_scale", "max"}}) == "accepted");
  CHECK(error_of("", {{"quant.activation", "ternary"}, {"quant.activation_bits", "4"}}).find("has no effect with") !=
        std::string::npos);
  CHECK(error_of("", {{"quant.weight", "dorefa"}, {"quant.weight_bits", "9"}}).find("it must be 1 to 8") !=
        std::string::npos);
  CHECK(error_of("[optimizer]\nname = \"SGD\"\n").find("known: sgd | adam") != std::string::npos);
  CHECK(error_of("[quant]\nlayers = \"conv2 weight = sign\"\n").find("quant.layers: ") != std::string::npos);
  // A net from a file has neither a name nor what goes with names.
  for (const char* key :
       {"model.name=lenet", "model.width=2", "model.classes=3", "model.stem=cifar", "model.order=hardtanh"}) {
    CAPTURE(key);
    CHECK(error_of("", {{"model.spec", "n.json"}, split_override(key)}).find("has no effect with") !=
          std::string::npos);
  }
  CHECK(error_of("[model]\nname = \"lenet\"\norder = \"hardtanh\"\n") != "accepted");
}

TEST_CASE("recipe: a net's file lies beside the recipe's file; on the command line it is a path from here") {
  const std::string toml = "[model]\nspec = \"nets/n.json\"\n";
  const auto spec = [&](const std::string& source, const Overrides& o = {}) {
    return parse_recipe(toml, source, o).model.spec;
  };
  CHECK(spec("a/b/r.toml") == "a/b/nets/n.json");
  CHECK(spec("r.toml") == "nets/n.json");
  CHECK(spec("a/b/r.toml", {{"model.spec", "m.json"}}) == "m.json");
  CHECK(parse_recipe("[model]\nspec = \"/n.json\"\n", "a/r.toml").model.spec == "/n.json");
}

TEST_CASE("recipe: learned scales are a group of the optimizer: a rate of their own, no weight decay") {
  const Overrides keys = {{"quant.weight", "uniform"},    {"quant.scale", "learned"},
                          {"quant.activation", "relu"},   {"quant.activation_scale", "learned"},
                          {"optimizer.scale_lr", "0.25"}, {"optimizer.weight_decay", "0.5"}};
  const Recipe recipe = parse_recipe("[model]\nname = \"lenet\"\n", "r.toml", keys);
  Net net(net_of(recipe, 28, 28, 1, 10));
  const std::unique_ptr<Optimizer> adam = make_optimizer(recipe.optimizer, net.parameters);
  REQUIRE(adam->groups().size() == 2);
  const ParameterGroup &most = adam->groups()[0], &scales = adam->groups()[1];
  CHECK(most.weight_decay == 0.5);
  CHECK(most.lr_scale == 1);
  CHECK(scales.weight_decay == 0);
  CHECK(scales.lr_scale == 0.25);
  CHECK(most.parameters.size() + scales.parameters.size() == net.parameters.all().size());
  int layers = 0, nodes = 0;
  for (const Parameter* p : scales.parameters) {
    const bool layer = p->name.ends_with(".weight_scale");
    CHECK((layer || p->name.ends_with(".scale")));
    ++(layer ? layers : nodes);
  }
  CHECK(layers == 3);  // all but the first and the last
  CHECK(nodes == 3);
  CHECK(make_optimizer(recipe.optimizer, Net(lenet({})).parameters)->groups().size() == 1);
}

TEST_CASE("recipe: int activations want a range; the scale of signs' inputs is a node") {
  const auto net = [](const Overrides& keys) {
    return net_of(parse_recipe("[model]\nname = \"resnet14\"\nwidth = 0.1\n", "r.toml", keys), 32, 32, 3, 10);
  };
  const std::string what = error_text<UsageError>([&] { net({{"quant.activation", "int"}}); });
  CHECK(what.find("[quant]: ") == 0);
  CHECK(what.find("int has no range of its own: set quant.activation_scale = max") != std::string::npos);
  CHECK(net({{"quant.activation", "int"}, {"quant.activation_scale", "max"}}).nodes.size() > 10);
  const Overrides signs = {{"quant.weight", "xnor"}, {"quant.activation", "sign"}};
  Overrides scaled = signs;
  scaled.push_back({"quant.input_scale", "true"});
  CHECK(net(signs).find("layer1.0.conv1.input_scale") == -1);
  CHECK(net(scaled).find("layer1.0.conv1.input_scale") > 0);
}

TEST_CASE("recipe: --set wants key=value") {
  CHECK(split_override("a.b=c=d") == std::pair<std::string, std::string>{"a.b", "c=d"});
  CHECK_THROWS_AS(split_override("abc"), UsageError);
  CHECK_THROWS_AS(split_override("=1"), UsageError);
}

TEST_CASE("recipe: a method's strength is written out where there is the method") {
  const auto dumped = [](const Overrides& o) { return dump(parse_recipe("", "r.toml", o)); };
  CHECK(dumped({}).find("l1") == std::string::npos);
  CHECK(dumped({}).find("clip_latent") == std::string::npos);
  const std::string with = dumped({{"train.l1", "0.25"}, {"train.clip_latent", "1"}});
  CHECK(with.find("l1 = 0.25\nclip_latent = 1.0\n") != std::string::npos);
  CHECK(dump(parse_recipe(with, "r.toml")) == with);
}
