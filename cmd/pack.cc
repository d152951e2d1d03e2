// bantam pack: checkpoint -> packed model.
#include <filesystem>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/output.h"
#include "cmd/trainer/errors.h"
#include "cmd/trainer/net_report.h"
#include "cmd/trainer/text.h"
#include "compress/pack/pack.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "data/transforms.h"

namespace bantam {
namespace {

// The image of the model's self test: noise, always the same.
std::vector<uint8_t> test_image(size_t bytes) {
  std::vector<uint8_t> image(bytes);
  const Rng rng(0, kRngTest);
  for (size_t i = 0; i < bytes; ++i) image[i] = uint8_t(rng.below(i, 256));
  return image;
}

}  // namespace

int run_pack(const PackArgs& args) {
  set_threads(args.common.threads);
  const NetCheckpoint net = load_net(args.checkpoint);
  const Shape in = infer_shapes(net.info.spec)[0];
  PackOptions options;
  options.lut = normalize_tables(int(in[3]), net.info.mean, net.info.stddev);
  options.class_names = net.info.class_names;
  options.test_image = test_image(size_t(in.size()));
  const Bytes bytes = pack(*net.model, options);
  const PackedModel packed(bytes);  // for its sizes
  atomic_write(args.out, as_text(bytes));

  const uint64_t checkpoint_bytes = std::filesystem::file_size(net.path);
  const NetCost cost = cost_of(net.info.spec);
  if (args.common.json) {
    print_report("pack", Json::object({{"checkpoint", net.path},
                                       {"packed", args.out},
                                       {"checkpoint_bytes", checkpoint_bytes},
                                       {"weight_bytes", 4 * cost.parameters},
                                       {"packed_bytes", bytes.size()},
                                       {"arena_bytes", packed.arena_bytes()},
                                       {"model_bytes", packed.info().model_bytes},
                                       {"ops", packed.info().ops},
                                       {"macs", packed.info().macs}}));
  } else {
    print(net.path + " -> " + args.out + "\n" + "  checkpoint    " + bytes_text(checkpoint_bytes) + "\n" +
          "  f32 weights   " + bytes_text(uint64_t(4 * cost.parameters)) + "\n" + "  packed model  " +
          bytes_text(bytes.size()) + "\n" + "  arena         " + bytes_text(packed.arena_bytes()) + " (" +
          std::to_string(packed.arena_bytes()) + " bytes; " + bytes_text(packed.info().model_bytes) +
          " more where weights are laid out for the machine)\n" + "Next: bantam verify " + args.checkpoint + " " +
          args.out + "\n");
  }
  return kExitOk;
}

}  // namespace bantam
