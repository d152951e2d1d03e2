#include "cmd/recipe/recipe.h"

#include <filesystem>

#include "cmd/errors.h"
#include "cmd/report/text.h"
#include "core/file.h"
#include "core/nearest.h"
#include "nn/models/models.h"

namespace bantam {

void fields(DataConfig& c, FieldList& f) {
  f.section("data");
  f.add("name", &c.name, "data set",
        one_of({"fashion-mnist", "mnist", "cifar10", "cifar100", "tiny-imagenet", "image-folder"}));
  f.add("mean", &c.mean, "mean of the pixels in [0, 1], one a channel: x = (pixel / 255 - mean) / stddev",
        between(-10, 10));
  f.add("stddev", &c.stddev, "standard deviation of the pixels, one a channel", between(1e-6, 100));
  f.add("image_size", &c.image_size,
        "side of the square that the net sees; images of other sizes are resized; 0: the size of the images",
        between(0, 4096));
  f.add("eval_resize", &c.eval_resize,
        "images that are not cropped at random: their shorter side before the center is cut out (with 224: often 256); "
        "0: "
        "as little more than the center as possible",
        between(0, 8192));
  f.add("flip", &c.flip, "training images are mirrored, left to right, half of the time");
  f.add("crop", &c.crop,
        "how training images are cropped: pad: by data.pad_crop; resized: a random part, stretched to data.image_size");
  f.add("pad_crop", &c.pad_crop, "training images are padded by so many pixels and cropped back at random; 0: not",
        between(0, 64))
      .only_with("data.crop", {"pad"});
  f.add("crop_scale", &c.crop_scale, "least and largest share of the area of a random part", between(1e-4, 1))
      .only_with("data.crop", {"resized"});
  f.add("crop_ratio", &c.crop_ratio, "least and largest width / height of a random part", between(0.01, 100))
      .only_with("data.crop", {"resized"});
  f.add("brightness", &c.brightness, "training images are made darker or brighter by up to this factor; 0: not",
        between(0, 10));
  f.add("contrast", &c.contrast, "likewise their contrast", between(0, 10));
  f.add("saturation", &c.saturation, "likewise their saturation", between(0, 10));
  f.add("hue", &c.hue, "training images have their hue turned by up to this part of the circle; 0: not",
        between(0, 0.5));
  f.add("lighting", &c.lighting,
        "standard deviation of AlexNet's lighting: shifts along the principal components of ImageNet's colors; 0: not",
        between(0, 10));
  f.add("holdout", &c.holdout,
        "evaluate on the last so many training images, kept out of training, not on the test set; 0: not",
        between(0, 1e7));
  f.add("train_images", &c.train_images, "train on the first so many images only; 0: all", between(0, 1e8));
}

void fields(ModelConfig& c, FieldList& f) {
  f.section("model");
  std::vector<std::string> with_stem, with_orders;
  for (const NamedModel& m : models()) {
    if (m.has_stem) with_stem.push_back(m.name);
    if (m.orders.size() > 1) with_orders.push_back(m.name);
  }
  f.add("spec", &c.spec,
        "file of a net as JSON, as `bantam info --net` prints it, in place of one by name; a recipe's file means one "
        "beside it")
      .without_effect_at(std::string());
  f.add("name", &c.name, "net", one_of(model_names())).only_without("model.spec");
  f.add("width", &c.width, "multiplier of the hidden layers' channels", between(0.01, 16)).only_without("model.spec");
  f.add("order", &c.order,
        "how the layers of a block follow one another. standard: as the net was published; hardtanh: the same with "
        "Hardtanh behind each norm; reordered: convolution, ReLU, norm, and no ReLU behind a block's sum")
      .only_with("model.name", with_orders);
  f.add("stem", &c.stem,
        "imagenet: 7x7 stride 2, max pool; tiny-imagenet: 3x3 stride 1, max pool; cifar: 3x3 stride 1, no pool")
      .only_with("model.name", with_stem);
  f.add("classes", &c.classes, "classes of the net; 0: the data set's", between(0, 1e6)).only_without("model.spec");
}

// The words of the codebooks that can do that.
std::vector<std::string> schemes_where(bool (*can)(const SchemeTraits&)) {
  std::vector<std::string> words;
  for (Scheme scheme : all_values<Scheme>())
    if (can(traits_of(scheme))) words.push_back(name_of(scheme));
  return words;
}

void fields(QuantConfig& c, FieldList& f) {
  f.section("quant");
  f.add("weight", &c.weight.scheme,
        "codebook of each layer's weights. none: real values; sign: -1, 1; stochastic: the same, drawn at random in "
        "training; bwn, xnor: -s, s (xnor: with the scale's "
        "derivative); twn: -s, 0, s by a threshold; ternary: -s, 0, s by rounding; dorefa, tanh: weight_bits through "
        "tanh; uniform: weight_bits in even steps; pow2: 0 and powers of two; log, log2: powers of two by logarithm; "
        "kmeans: centroids of the layer's weights; f16, bf16: floats of 16 bits; int: as bantam quantize makes them")
      .range = one_of(schemes_where([](const SchemeTraits& t) { return t.weights; }));
  f.add("weight_bits", &c.weight.bits, "bits of a weight's code", between(1, kMaxQuantBits))
      .only_with("quant.weight", schemes_where([](const SchemeTraits& t) { return t.weights && !t.fixed_bits; }));
  f.add("granularity", &c.weight.granularity,
        "which weights share a scale: a layer's, an output channel's, or a kernel's (of one input and one output "
        "channel)")
      .only_with("quant.weight", schemes_where([](const SchemeTraits& t) { return t.weights && t.granular; }));
  f.add("scale", &c.weight.scale,
        "what that scale is. none: 1; mean: mean |w|; max: max |w|; learned: a parameter, from the mean on")
      .only_with("quant.weight", schemes_where([](const SchemeTraits& t) { return t.weights && t.scaled; }));
  f.add("weight_surrogate", &c.weight.surrogate,
        "what stands in for the gradient of a weight's quantizer. identity: 1; clip: 1 where the codebook reaches (of "
        "signs within [-1, 1]), 0 outside");
  f.add("activation", &c.activation.scheme,
        "codebook of what each layer reads. sign: -1, 1; stochastic: the same, drawn at random in training; ternary: "
        "-1, 0, 1; relu, dorefa: activation_bits in [0, 1]; uniform: activation_bits in [-1, 1]; tanh: activation_bits "
        "through tanh; hwgq: activation_bits from 0 up, fit to half a normal distribution; log, log2, pow2: 0 and "
        "powers of two; int: activation_bits from the least value to the largest, with a zero point")
      .range = one_of(schemes_where([](const SchemeTraits& t) { return t.activations; }));
  f.add("activation_bits", &c.activation.bits, "bits of an activation's code", between(1, kMaxQuantBits))
      .only_with("quant.activation",
                 schemes_where([](const SchemeTraits& t) { return t.activations && !t.fixed_bits; }));
  f.add("activation_scale", &c.activation.scale,
        "up to where an activation's codebook reaches. none: as it is, [0, 1] or [-1, 1]; max: the largest magnitude "
        "(of int the least and the largest value) of the batch in training, a running mean of it in evaluation; "
        "learned: a parameter for each, from the first batch on")
      .only_with("quant.activation", schemes_where([](const SchemeTraits& t) { return t.activations && t.reaches; }))
      .range = one_of({"none", "max", "learned"});
  f.add("activation_surrogate", &c.activation.surrogate, "likewise of an activation's quantizer");
  f.add(
       "input_scale", &c.input_scale,
       "are the sums of layers that read signs times the mean magnitude of what these were, as XNOR-Net's K? It is not "
       "packed")
      .without_effect_at(false);
  f.add("lazy", &c.lazy,
        "does training run on quantized weights, whose gradient moves the real ones? Otherwise it runs on the real "
        "ones, and only evaluation quantizes: [penalty] must then draw them to the codebook")
      .without_effect_at(true);
  f.add("first", &c.first, "is the first layer quantized, too?");
  f.add("last", &c.last, "is the last layer quantized, too?");
  f.add("layers", &c.layers,
        "layers by name that take others, '*' standing for any text: \"conv2: weight = none; layer3.*: weight = "
        "dorefa, weight_bits = 4, activation = none\"; later ones win, and win over first and last")
      .without_effect_at(std::string());
}

void fields(PenaltyConfig& c, FieldList& f) {
  f.section("penalty");
  f.add(
       "angle", &c.angle,
       "weight of the angle between real weights and what they are quantized to: a mean of 1 - cosine over the vectors "
       "that share a scale (APSQ)",
       between(0, 1e9))
      .without_effect_at(0.0);
  f.add("over", &c.over, "layers: that mean is one over a layer's vectors, then over layers; vectors: over all of them")
      .without_effect_at(std::string("layers"));
  f.add("distance_l1", &c.distance_l1, "weight of the L1 distance between real weights and what they are quantized to",
        between(0, 1e9))
      .without_effect_at(0.0);
  f.add("distance_l2", &c.distance_l2, "likewise of the L2 distance (with learned scales: BNN+)", between(0, 1e9))
      .without_effect_at(0.0);
  f.add("prox", &c.prox,
        "after each step every real weight goes so far times the learning rate towards what it is quantized to "
        "(ProxQuant; with quant.lazy = false)",
        between(0, 1e9))
      .without_effect_at(0.0);
  f.add("relax", &c.relax,
        "training runs on (w + relax * quantized w) / (1 + relax) (BinaryRelax; with quant.lazy = false)",
        between(0, 1e9))
      .without_effect_at(0.0);
  f.add("ramp", &c.ramp,
        "how these weights grow. constant: not; multistep: times growth^floor(epoch / every); exponential: times "
        "growth^epoch; linear: plus growth * epoch")
      .without_effect_at(std::string("constant"));
  f.add("growth", &c.growth, "of the ramp", between(0, 1e6))
      .only_with("penalty.ramp", {"multistep", "exponential", "linear"});
  f.add("every", &c.every, "epochs of one step of the ramp", above(0)).only_with("penalty.ramp", {"multistep"});
  f.add("cap", &c.cap, "no weight grows beyond this", above(0))
      .only_with("penalty.ramp", {"multistep", "exponential", "linear"});
}

void fields(OptimizerConfig& c, FieldList& f) {
  f.section("optimizer");
  f.add("name", &c.name, "optimizer");
  f.add("lr", &c.lr, "learning rate", above(0));
  f.add("momentum", &c.momentum, "momentum", between(0, 1)).only_with("optimizer.name", {"sgd"});
  f.add("nesterov", &c.nesterov, "Nesterov's momentum").only_with("optimizer.name", {"sgd"});
  f.add("beta1", &c.beta1, "decay of the mean of gradients", between(0, 1)).only_with("optimizer.name", {"adam"});
  f.add("beta2", &c.beta2, "decay of the mean of squared gradients", between(0, 1))
      .only_with("optimizer.name", {"adam"});
  f.add("eps", &c.eps, "added to the root of the mean of squares", above(0)).only_with("optimizer.name", {"adam"});
  f.add("weight_decay", &c.weight_decay, "L2 penalty's gradient is weight_decay * weight; biases and norms have none",
        at_least(0));
  f.add("scale_lr", &c.scale_lr, "learned scales of quantizers take optimizer.lr times this", at_least(0))
      .without_effect_at(1.0);
  f.add("fused_update", &c.fused_update,
        "each layer is updated as soon as backward has its gradient, which is then dropped: less memory, the same "
        "numbers; "
        "auto: unless train.clip_norm needs all gradients at once");
}

void fields(ScheduleConfig& c, FieldList& f) {
  f.section("schedule");
  f.add("kind", &c.kind, "how the learning rate goes");
  f.add("milestones", &c.milestones,
        "epochs of the full schedule at which the factor changes: step round(m / full_epochs * steps)", at_least(0))
      .only_with("schedule.kind", {"multistep"});
  f.add("factors", &c.factors, "learning rate / optimizer.lr from each milestone on", at_least(0))
      .only_with("schedule.kind", {"multistep"});
  f.add("full_epochs", &c.full_epochs,
        "epochs of the full schedule; train.epochs shrinks or stretches it; 0: train.epochs", at_least(0))
      .only_with("schedule.kind", {"multistep"});
  f.add("warmup_epochs", &c.warmup_epochs, "the learning rate rises linearly over so many epochs", at_least(0));
}

void fields(TrainConfig& c, FieldList& f) {
  f.section("train");
  f.add("epochs", &c.epochs, "passes over the training images", between(1, 1e6));
  f.add("batch", &c.batch, "images a step", between(1, 65536));
  f.add("seed", &c.seed, "of initial weights, order, augmentation and dropout", between(0, 9007199254740992.0));
  f.add("clip_norm", &c.clip_norm, "gradients are scaled down to this norm; 0: not", at_least(0));
  f.add("label_smoothing", &c.label_smoothing, "weight of the uniform distribution in the target", between(0, 0.99));
  f.add("l1", &c.l1, "weight of an L1 penalty on weights; biases, norms and slopes have none", between(0, 1000))
      .without_effect_at(0.0);
  f.add("clip_latent", &c.clip_latent,
        "latent weights of quantized layers are clipped to this bound after each update; 0: not", between(0, 1000))
      .without_effect_at(0.0);
  f.add("freeze", &c.freeze,
        "quantized: weights of quantized layers and their learned scales stay as they are (with --init); norms, biases "
        "and real layers go on")
      .without_effect_at(std::string("none"));
  f.add("log_every", &c.log_every, "steps between lines of the log; 0: only at the ends of epochs", between(0, 1e9));
  f.add("eval_every", &c.eval_every, "epochs between evaluations; the last epoch is always evaluated", between(1, 1e6));
  f.add("eval_batch", &c.eval_batch, "images a step of evaluation", between(1, 65536));
  f.add("save_every_seconds", &c.save_every_seconds,
        "seconds between checkpoints within an epoch, 0: none but at its end; no result depends on it", at_least(0));
  f.add("winograd", &c.winograd,
        "tiles of 3x3 convolutions and their input gradients in training: 2x2, exact as the direct sum; 4x4, faster, 5 "
        "times "
        "its rounding error");
}

SumOrder sum_order(const Recipe& recipe) {
  return recipe.train.winograd == Winograd::k4x4 ? SumOrder::kLoose : SumOrder::kAny;
}

FieldList fields(Recipe& r) {
  FieldList f;
  f.add("about", &r.about, "what the recipe is for");
  fields(r.data, f);
  fields(r.model, f);
  fields(r.quant, f);
  fields(r.penalty, f);
  fields(r.optimizer, f);
  fields(r.schedule, f);
  fields(r.train, f);
  return f;
}

std::string dump(const Recipe& recipe) {
  Recipe copy = recipe;
  const FieldList list = fields(copy);
  std::string out, section;
  for (const Field& field : list.all()) {
    if (!list.applies(field) || !field.has_effect()) continue;
    const size_t dot = field.key.find('.');
    if (dot != std::string::npos && field.key.substr(0, dot) != section) {
      section = field.key.substr(0, dot);
      out += "\n[" + section + "]\n";
    }
    out += field.key.substr(dot == std::string::npos ? 0 : dot + 1) + " = " + field.text() + "\n";
  }
  return out;
}

std::string document_recipe_keys() {
  Recipe defaults;
  const FieldList list = fields(defaults);
  std::string out;
  for (const Field& field : list.all()) {
    std::string text = field.meaning;
    if (const std::string range = field.range.text(); !range.empty()) text += " [" + range + "]";
    if (field.condition_values == std::vector<std::string>{""})
      text += " (without " + field.condition_key + ")";
    else if (!field.condition_key.empty())
      text += " (with " + field.condition_key + " = " + one_of(field.condition_values).text() + ")";
    out += wrapped("  " + field.key, text + "; default " + field.text(), 28);
  }
  return out;
}

std::pair<std::string, std::string> split_override(const std::string& text) {
  const size_t eq = text.find('=');
  if (eq == std::string::npos || eq == 0)
    throw UsageError("--set " + text + ": write key=value, as in --set optimizer.lr=0.01");
  std::string key = text.substr(0, eq);
  while (!key.empty() && key.back() == ' ') key.pop_back();
  return {key, text.substr(eq + 1)};
}

namespace {

bool ends_in_toml(const std::string& s) { return s.size() > 5 && s.compare(s.size() - 5, 5, ".toml") == 0; }

}  // namespace

bool names_recipe(const std::string& what) {
  if (ends_in_toml(what)) return true;
  std::error_code error;
  return what.find('/') == std::string::npos && !std::filesystem::exists(what, error);
}

Recipe load_recipe(const std::string& name, const std::vector<std::string>& settings) {
  Overrides overrides;
  for (const std::string& s : settings) overrides.push_back(split_override(s));
  const RecipeText text = find_recipe(name);
  return parse_recipe(text.toml, text.source, overrides);
}

RecipeText find_recipe(const std::string& name) {
  constexpr uint64_t kMaxBytes = 1 << 20;
  const bool is_file = name.find('/') != std::string::npos || ends_in_toml(name);
  if (is_file) return {name, read_text(name, kMaxBytes)};
  std::vector<std::string> names;
  for (const BuiltInRecipe& r : built_in_recipes()) {
    if (name == r.name) return {name, r.toml};
    names.push_back(r.name);
  }
  for (const char* end : {".bnt", ".safetensors"})
    if (std::filesystem::path(name).extension() == end) throw UsageError(name + ": no such file");
  throw UsageError("unknown recipe '" + name + "'" + did_you_mean(name, names) + "; known: " + one_of(names).text() +
                   "; a file is given by a path with a slash or by a name that ends in .toml");
}

}  // namespace bantam
