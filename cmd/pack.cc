// bantam pack: checkpoint -> packed model; either -> C source.
#include "compress/pack/pack.h"

#include <filesystem>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/c_array.h"
#include "cmd/report/net_report.h"
#include "cmd/report/text.h"
#include "core/file.h"
#include "core/nearest.h"
#include "core/parallel.h"

namespace bantam {
namespace {

std::map<std::string, std::string> parse_metadata(const std::vector<std::string>& entries) {
  std::map<std::string, std::string> metadata;
  for (const std::string& entry : entries) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) throw UsageError("pack: --meta: write key=value, not " + quote_name(entry));
    const std::string key = entry.substr(0, equals), value = entry.substr(equals + 1);
    if (const std::string fault = metadata_fault(key, value); !fault.empty())
      throw UsageError("pack: --meta: " + fault);
    if (!metadata.emplace(key, value).second) throw UsageError("pack: --meta: " + key + " is given twice");
  }
  if (metadata.size() > kMaxPackMetadata)
    throw UsageError("pack: --meta: at most " + std::to_string(kMaxPackMetadata) + " keys fit");
  return metadata;
}

WeightOrder order_of(const std::string& word) {
  if (const std::optional<WeightOrder> order = from_name<WeightOrder>(word)) return *order;
  throw UsageError("pack: --for " + word + ": unknown" + did_you_mean(word, all_names<WeightOrder>()) +
                   ", known: " + one_of(all_names<WeightOrder>()).text());
}

// "x/net.c" -> "net".
std::string stem_of(const std::string& path) {
  const std::filesystem::path file(path);
  if (file.extension() != ".c" || file.stem().empty())
    throw UsageError("pack: --c-array " + path + ": must end in .c; the header's name ends in .h");
  const std::string stem = file.stem().string();
  for (char c : stem)
    if (c == '"' || c == '\\' || uint8_t(c) < 0x20)
      throw UsageError("pack: --c-array: " + quote_name(path) + " has a character that no #include can name");
  return stem;
}

// NET.c, and NET.h beside it.
void write_c_array(const std::string& path, const Bytes& file, const bnt_info& info, const std::string& origin) {
  const CArray c = c_array(file, info, stem_of(path), std::filesystem::path(origin).filename().string());
  atomic_write(std::filesystem::path(path).replace_extension(".h").string(), c.header);
  atomic_write(path, c.source);
}

Json sizes_json(const PackedModel& packed) {
  return Json::object({{"packed_bytes", packed.file_bytes()},
                       {"arena_bytes", packed.arena_bytes()},
                       {"model_bytes", packed.info().model_bytes},
                       {"ops", packed.info().ops},
                       {"macs", packed.info().macs}});
}
std::string sizes_text(const PackedModel& packed) {
  return "  packed model  " + bytes_text(packed.file_bytes()) + "\n" + "  arena         " +
         bytes_text(packed.arena_bytes()) + " (" + std::to_string(packed.arena_bytes()) + " bytes; " +
         bytes_text(packed.info().model_bytes) + " more where weights are laid out for the machine)\n";
}

// A model that is packed already can still become C source.
int convert_packed(const PackArgs& args, const Bytes& bytes) {
  if (args.c_array.empty() || !args.out.empty() || !args.meta.empty() || !args.with.empty() || args.order != "any")
    throw UsageError("pack: " + args.checkpoint + " is packed already: all that it takes is --c-array FILE.c");
  const std::unique_ptr<PackedModel> packed = parse_packed(bytes, args.checkpoint);
  write_c_array(args.c_array, bytes, packed->info(), args.checkpoint);
  if (args.common.json) {
    Json json = Json::object({{"packed", args.checkpoint}, {"c_array", args.c_array}});
    const Json sizes = sizes_json(*packed);
    for (const auto& [key, value] : sizes.as_object()) json.set(key, value);
    print_report("pack", json);
  } else {
    print(args.checkpoint + " -> " + args.c_array + "\n" + sizes_text(*packed));
  }
  return kExitOk;
}

}  // namespace

int run_pack(const PackArgs& args) {
  set_threads(args.common.threads);
  if (args.out.empty() && args.c_array.empty())
    throw UsageError("pack: --out is missing (or --c-array); `bantam pack --help` shows an example");
  if (!args.c_array.empty()) (void)stem_of(args.c_array);  // before any work is done
  const std::map<std::string, std::string> metadata = parse_metadata(args.meta);
  if (checkpoint_path(args.checkpoint) == args.checkpoint) {
    const Bytes file = read_file(args.checkpoint, uint64_t(1) << 32);
    if (PackedModel::is_packed(file.data(), file.size())) return convert_packed(args, file);
  }
  const NetCheckpoint net = load_net(args.checkpoint);
  PackOptions options = pack_options(net.info);
  options.metadata = metadata;
  options.order = order_of(args.order);
  std::vector<NetCheckpoint> further;
  std::vector<PackedSwitch> switches = {{&net.net->plan, &net.net->parameters}};
  for (const std::string& path : args.with) {
    further.push_back(load_net(path));
    const NetInfo& info = further.back().info;
    if (info.class_names != net.info.class_names || pack_options(info).lut != options.lut)
      throw UsageError("pack: --with " + path + ": its classes or its input are not those of " + args.checkpoint);
  }
  for (const NetCheckpoint& one : further) switches.push_back({&one.net->plan, &one.net->parameters});
  if (switches.size() > kMaxPackSwitches)
    throw UsageError("pack: --with: at most " + std::to_string(kMaxPackSwitches) + " switches fit");
  const Bytes bytes = pack(switches, options);
  const PackedModel packed(bytes);  // read back before it is written: what stands on the disk has been checked
  if (!args.out.empty()) atomic_write(args.out, as_text(bytes));
  if (!args.c_array.empty()) write_c_array(args.c_array, bytes, packed.info(), net.path);

  const uint64_t checkpoint_bytes = std::filesystem::file_size(net.path);
  const NetCost cost = cost_of(net.info.spec);
  if (args.common.json) {
    Json json = Json::object({{"checkpoint", net.path}});
    if (!args.out.empty()) json.set("packed", args.out);
    if (!args.c_array.empty()) json.set("c_array", args.c_array);
    json.set("checkpoint_bytes", checkpoint_bytes);
    json.set("weight_bytes", 4 * cost.parameters);
    const Json sizes = sizes_json(packed);
    for (const auto& [key, value] : sizes.as_object()) json.set(key, value);
    print_report("pack", json);
  } else {
    const std::string both = args.out.empty() || args.c_array.empty() ? "" : ", ";
    print(net.path + " -> " + args.out + both + args.c_array + "\n" + "  checkpoint    " +
          bytes_text(checkpoint_bytes) + "\n" + "  f32 weights   " + bytes_text(uint64_t(4 * cost.parameters)) + "\n" +
          sizes_text(packed) +
          (args.out.empty() ? "" : "Next: bantam verify " + args.checkpoint + " " + args.out + "\n"));
  }
  return kExitOk;
}

}  // namespace bantam
