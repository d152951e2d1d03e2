// bantam pack: checkpoint -> packed model.
#include <filesystem>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/net_report.h"
#include "cmd/report/text.h"
#include "compress/pack/pack.h"
#include "core/file.h"
#include "core/parallel.h"

namespace bantam {

int run_pack(const PackArgs& args) {
  set_threads(args.common.threads);
  const NetCheckpoint net = load_net(args.checkpoint);
  const Bytes bytes = pack(*net.net, pack_options(net.info));
  const PackedModel packed(bytes);  // read back before it is written: what stands on the disk has been checked
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
