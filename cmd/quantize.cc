// bantam quantize: a checkpoint of floats -> one of int8 or fewer bits, without training.
#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/text.h"
#include "compress/post_training.h"
#include "core/nearest.h"
#include "core/parallel.h"

namespace bantam {
namespace {

RangeRule range_of(const std::string& word) {
  if (const std::optional<RangeRule> rule = from_name<RangeRule>(word)) return *rule;
  throw UsageError("--range " + word + ": unknown" + did_you_mean(word, all_names<RangeRule>()) +
                   ", known: " + one_of(all_names<RangeRule>()).text());
}

std::string text_of(const std::vector<MeasuredRange>& ranges) {
  size_t wide = 4;
  for (const MeasuredRange& r : ranges) wide = std::max(wide, r.node.size());
  std::string text = "  " + std::string("node") + std::string(wide - 4, ' ') + "      measured            taken\n";
  for (const MeasuredRange& r : ranges) {
    char line[128];
    snprintf(line, sizeof line, "  %9.4g to %-9.4g  %9.4g to %-9.4g\n", r.least, r.largest, r.low, r.high);
    text += "  " + r.node + std::string(wide - r.node.size(), ' ') + line;
  }
  return text;
}

// Its real weights as floats of 16 bits.
int halve(const QuantizeArgs& args, Scheme half, const AnyModel& model) {
  std::unique_ptr<Net> made;
  try {
    made = halve_weights(*model.net->net, half);
  } catch (const Error& e) {
    throw UsageError(args.checkpoint + ": " + e.what());
  }
  NetInfo info = model.net->info;
  info.spec = made->spec();
  save_net(args.out, made->parameters, info);
  if (args.common.json)
    print_report(
        "quantize",
        Json::object({{"checkpoint", model.path}, {"out", args.out}, {"weights", std::string(name_of(half))}}));
  else if (!args.common.quiet)
    print(model.path + " -> " + args.out + ", real weights as " + name_of(half) + "\n\nNext: bantam eval " + args.out +
          "\n");
  return kExitOk;
}

Scheme weights_of(const std::string& word) {
  const std::vector<std::string> known = {name_of(Scheme::kInt), name_of(Scheme::kF16), name_of(Scheme::kBf16)};
  for (Scheme s : {Scheme::kInt, Scheme::kF16, Scheme::kBf16})
    if (word == name_of(s)) return s;
  throw UsageError("--weights " + word + ": unknown" + did_you_mean(word, known) + ", known: int, f16, bf16");
}

}  // namespace

int run_quantize(const QuantizeArgs& args) {
  set_threads(args.common.threads);
  const Scheme weights = weights_of(args.weights);
  PostTraining how;
  how.weight_bits = args.weight_bits, how.activation_bits = args.activation_bits;
  how.range = range_of(args.range);
  how.percentile = args.percentile;
  how.first = !args.keep_first, how.last = !args.keep_last;
  how.bias_correction = !args.no_bias_correction;
  if (weights != Scheme::kInt && (args.weight_bits != 8 || args.activation_bits != 8))
    throw UsageError("--weights " + args.weights + " takes no bits: --weight-bits and --activation-bits are int's");
  AnyModel model = load_any(args.checkpoint);
  if (!model.net) throw UsageError(args.checkpoint + " is packed already: name the checkpoint that it was packed from");
  if (weights != Scheme::kInt) return halve(args, weights, model);
  EvalImages images(model, {args.data, args.kind, "train", args.images, 0});
  constexpr int64_t kBatch = 64;
  const Tensor byte_values = byte_values_of(*model.net);
  const auto batch = [&](int64_t i) {
    const int64_t begin = i * kBatch;
    return Input(images.get(begin, std::min(kBatch, images.count() - begin)), byte_values);
  };
  std::vector<MeasuredRange> ranges;
  std::unique_ptr<Net> made;
  try {
    made = quantize_after_training(*model.net->net, how, ceil_div(images.count(), kBatch), batch, &ranges);
  } catch (const Error& e) {
    throw UsageError(args.checkpoint + ": " + e.what());
  }
  NetInfo info = model.net->info;
  info.spec = made->spec();
  save_net(args.out, made->parameters, info);
  if (args.common.json) {
    Json list = Json::array();
    for (const MeasuredRange& r : ranges)
      list.push(Json::object(
          {{"node", r.node}, {"least", r.least}, {"largest", r.largest}, {"low", r.low}, {"high", r.high}}));
    print_report("quantize", Json::object({{"checkpoint", model.path},
                                           {"out", args.out},
                                           {"images", images.count()},
                                           {"weight_bits", args.weight_bits},
                                           {"activation_bits", args.activation_bits},
                                           {"ranges", list}}));
  } else if (!args.common.quiet) {
    print(model.path + " -> " + args.out + ", weights of " + std::to_string(args.weight_bits) + " and activations of " +
          std::to_string(args.activation_bits) + " bits, measured on " + thousands(images.count()) + " images\n\n" +
          text_of(ranges) + "\nNext: bantam eval " + args.out + "\n");
  }
  return kExitOk;
}

}  // namespace bantam
