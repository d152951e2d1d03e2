// bantam inspect: what a packed model is made of, op by op, and what it fits into.
#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/packed_report.h"
#include "cmd/report/text.h"
#include "cmd/run/memory_plan.h"
#include "core/file.h"

namespace bantam {
namespace {

struct Fit {
  std::string device;
  uint64_t flash, ram;
  bool fits;
};

Fit fit_of(const PackedReport& report, const std::string& name, uint64_t flash, uint64_t ram) {
  return {name, flash, ram, (flash == 0 || report.file_bytes <= flash) && (ram == 0 || report.ram() <= ram)};
}

}  // namespace

int run_inspect(const InspectArgs& args) {
  const Bytes bytes = read_file(args.packed, uint64_t(1) << 32);
  if (!PackedModel::is_packed(bytes.data(), bytes.size()))
    throw UsageError(args.packed + " is no packed model; bantam info tells of recipes and checkpoints");
  check_switch(parse_packed(bytes, args.packed)->info(), args.active, args.packed);  // and all of the file
  const PackedReport report = report_of(bytes, uint32_t(args.active));
  if (args.families) {
    print(family_list(report.families));
    return kExitOk;
  }
  std::vector<Fit> fits;
  for (const Device& d : devices()) fits.push_back(fit_of(report, d.name, d.flash, d.ram));
  const bool asked = !args.flash.empty() || !args.ram.empty();
  if (asked)
    fits.push_back(fit_of(report, "--flash, --ram", args.flash.empty() ? 0 : parse_bytes(args.flash),
                          args.ram.empty() ? 0 : parse_bytes(args.ram)));
  if (args.common.json) {
    Json json = packed_json(report);
    Json list = Json::array();
    for (const Fit& f : fits)
      list.push(Json::object({{"device", f.device}, {"flash", f.flash}, {"ram", f.ram}, {"fits", f.fits}}));
    json.set("devices", list);
    print_report("inspect", json);
  } else {
    std::string text = args.packed + "\n\n" + packed_text(report) + "\nfits, with nothing else in " +
                       "flash and RAM than the file, and the arena and weights:\n";
    for (const Fit& f : fits)
      text += "  " + pad_right(f.device, 22) + (f.fits ? "yes" : "no ") + "  flash " +
              (f.flash ? bytes_text(f.flash) : "any") + ", RAM " + (f.ram ? bytes_text(f.ram) : "any") + "\n";
    print(text);
  }
  return asked && !fits.back().fits ? kExitMismatch : kExitOk;
}

}  // namespace bantam
