// bantam convert: a state dict saved from PyTorch -> checkpoint.
#include <filesystem>

#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/text.h"
#include "compress/net_checkpoint.h"
#include "core/fields.h"
#include "core/nearest.h"
#include "core/parallel.h"
#include "nn/models/models.h"
#include "nn/weights_file.h"

namespace bantam {
namespace {

// torchvision's name of a net, the zoo's, and the layers whose weights tell the stem and the classes.
struct Source {
  const char *name, *model, *first, *last;
  bool has_stem;
};
constexpr Source kSources[] = {
    {"resnet18", "resnet18", "conv1.weight", "fc.weight", true},
    {"resnet50", "resnet50", "conv1.weight", "fc.weight", true},
    {"vgg11", "vgg11-torchvision", "features.0.weight", "classifier.6.weight", false},
    {"vgg11_bn", "vgg11_bn", "features.0.weight", "classifier.6.weight", false},
};

const Source& source_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Source& s : kSources) {
    if (name == s.name || name == s.model) return s;
    names.push_back(s.name);
  }
  throw UsageError("--from " + name + ": no such net" + did_you_mean(name, names) + ", known: " + one_of(names).text());
}

// The one that --stem names; none if the flag is not there.
std::optional<Stem> stem_flag(const ConvertArgs& args, const Source& source) {
  if (args.stem.empty()) return {};
  if (!source.has_stem) throw UsageError("--stem is for ResNets; " + args.from + " has none");
  if (const std::optional<Stem> stem = from_name<Stem>(args.stem)) return stem;
  throw UsageError("--stem " + args.stem + ": unknown" + did_you_mean(args.stem, all_names<Stem>()) +
                   ", known: " + one_of(all_names<Stem>()).text());
}

Stem usual_stem(const Source& source, const WeightsFile& file) {
  const SafeTensor* first = file.find(source.first);
  if (source.has_stem && first && first->shape.size() == 4 && first->shape[2] == 3)
    throw UsageError(file.path() +
                     ": conv1 is 3x3: say --stem tiny-imagenet (a max pool comes after it) or --stem cifar (none)");
  return Stem::kImageNet;
}

// `usual`, one a channel, or what a flag says.
std::vector<double> numbers(const char* flag, const std::string& text, std::vector<double> usual) {
  const size_t channels = usual.size();
  if (text.empty()) return usual;
  Field field{flag, &usual, "", std::string(flag) == "--stddev" ? between(1e-6, 100) : between(-10, 10), "", {}, {}};
  field.set_text(text);
  if (usual.size() != 1 && usual.size() != channels)
    throw UsageError(std::string(flag) + ": 1 or " + std::to_string(channels) + " numbers, not " +
                     std::to_string(usual.size()));
  return usual;
}

std::vector<std::string> class_names(const ConvertArgs& args, int64_t classes) {
  std::vector<std::string> names;
  if (args.class_names.empty()) {
    for (int64_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
    return names;
  }
  const std::string text = read_text(args.class_names, 1 << 24);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    names.push_back(line);
    begin = end + 1;
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (int64_t(names.size()) != classes)
    throw UsageError("--class-names " + args.class_names + ": " + std::to_string(names.size()) +
                     " names, the net has " + std::to_string(classes) + " classes");
  return names;
}

ModelOptions options_of(const ConvertArgs& args, const Source& source, std::optional<Stem> stem,
                        const WeightsFile& file) {
  ModelOptions o;
  const SafeTensor* first = file.find(source.first);
  o.c =
      first && first->shape.size() == 4 && first->shape[1] >= 1 && first->shape[1] <= 64 ? int64_t(first->shape[1]) : 3;
  o.width = args.width;
  o.stem = stem ? *stem : usual_stem(source, file);
  o.h = o.w = args.input ? args.input : o.stem == Stem::kImageNet ? 224 : o.stem == Stem::kTinyImageNet ? 64 : 32;
  const SafeTensor* last = file.find(source.last);
  if (args.classes)
    o.classes = args.classes;
  else if (last && last->shape.size() == 2 && last->shape[0] >= 1 && last->shape[0] <= 1000000)
    o.classes = int64_t(last->shape[0]);
  else if (!last)
    throw FileError(file.path(),
                    "has no tensor '" + std::string(source.last) + "' to tell the classes: say --classes N");
  else
    throw FileError(file.path(), "'" + std::string(source.last) + "' is no matrix of classes and features");
  return o;
}

// The names of another net's tensors are a better answer than the first tensor that does not fit.
void refuse_another_net(const Source& source, const WeightsFile& file) {
  if (file.has_names_of(build_model(source.model, {.h = 32, .w = 32, .c = 3}))) return;
  for (const Source& other : kSources)
    if (file.has_names_of(build_model(other.model, {.h = 32, .w = 32, .c = 3})))
      throw FileError(file.path(), std::string("holds the tensors of ") + other.name + ", not of " + source.name +
                                       ": --from " + other.name);
}

std::string notes(const LoadedWeights& w) {
  std::string s;
  if (w.widened) s += "  " + std::to_string(w.widened) + " tensors were F16 or BF16: widened to f32, exactly\n";
  if (w.rounded) s += "  " + std::to_string(w.rounded) + " tensors were F64: rounded to f32\n";
  if (!w.missing.empty())
    s += "  " + w.missing[0] + (w.missing.size() > 1 ? " and " + std::to_string(w.missing.size() - 1) + " more" : "") +
         " start from initial values, as a new net's\n";
  for (const std::string& name : w.not_finite) s += "  warning: " + name + " holds NaN or infinity\n";
  return s;
}

Json names_json(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push(name);
  return list;
}

}  // namespace

int run_convert(const ConvertArgs& args) {
  set_threads(args.common.threads);
  if (!(args.width >= 0.01 && args.width <= 16)) throw UsageError("--width: it must be 0.01 to 16");
  const Source& source = source_of(args.from);
  const std::optional<Stem> stem_given = stem_flag(args, source);
  const WeightsFile file(SafeTensors::read(args.file), {args.allow_missing, args.allow_unexpected});
  refuse_another_net(source, file);
  const ModelOptions options = options_of(args, source, stem_given, file);
  NetInfo info;
  try {
    info.spec = build_model(source.model, options);
  } catch (const Error& e) {
    throw UsageError("--input " + std::to_string(options.h) + ": " + e.what());
  }
  const bool color = options.c == 3;  // then ImageNet's, else none
  info.mean = numbers("--mean", args.mean,
                      color ? std::vector{0.485, 0.456, 0.406} : std::vector<double>(size_t(options.c), 0.0));
  info.stddev = numbers("--stddev", args.stddev,
                        color ? std::vector{0.229, 0.224, 0.225} : std::vector<double>(size_t(options.c), 1.0));
  info.class_names = class_names(args, options.classes);
  file.check(info.spec);  // before any memory is taken
  Parameters parameters(info.spec);
  parameters.initialize(0);
  const LoadedWeights loaded = file.load(info.spec, &parameters);
  save_net(args.out, parameters, info, nullptr, nullptr);

  const std::string stem = source.has_stem ? name_of(options.stem) : "";
  if (args.common.json) {
    print_report("convert", Json::object({{"file", args.file},
                                          {"checkpoint", args.out},
                                          {"net", source.model},
                                          {"stem", source.has_stem ? Json(stem) : Json()},
                                          {"input", options.h},
                                          {"channels", options.c},
                                          {"classes", options.classes},
                                          {"wanted", loaded.wanted},
                                          {"loaded", loaded.loaded},
                                          {"missing", names_json(loaded.missing)},
                                          {"unexpected", names_json(loaded.left_out)},
                                          {"widened", loaded.widened},
                                          {"rounded", loaded.rounded},
                                          {"not_finite", names_json(loaded.not_finite)}}));
    return kExitOk;
  }
  const std::string side = std::to_string(options.h);
  print(args.file + ": " + loaded.text() + "\n" + notes(loaded) + args.out + ": " + source.model +
        (stem.empty() ? "" : ", stem " + stem) + ", images " + side + "x" + side + "x" + std::to_string(options.c) +
        ", " + thousands(options.classes) + " classes, " + bytes_text(std::filesystem::file_size(args.out)) +
        "\nNext: bantam predict " + args.out + " IMAGE...\n");
  return kExitOk;
}

}  // namespace bantam
