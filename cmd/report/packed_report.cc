#include "cmd/report/packed_report.h"

#include <algorithm>
#include <bit>

#include "cmd/report/text.h"
#include "compress/runtime/families.h"

namespace bantam {
namespace {

using namespace packed;

// Table 1.1, in picojoules.
constexpr double kAdd32 = 0.1, kAddF32 = 0.9, kMul8 = 0.2, kMulF32 = 3.7, kSram32 = 5.0;

int bits_of(const Elements& e) {
  switch (e.type) {
    case Type::kF32:
      return 32;
    case Type::kBits:
      return 1;
    case Type::kCodes:
      return int(std::bit_width(e.levels - 1));
  }
  return 0;
}
std::string type_text(const Elements& e) {
  if (e.type == Type::kF32) return "f32";
  return e.type == Type::kBits ? "bits" : std::to_string(bits_of(e)) + " bits";
}

int weight_bits_of(const OpRecord& op) {
  switch (WeightForm(op.weight_form)) {
    case WeightForm::kNone:
      return 0;
    case WeightForm::kPanels:
    case WeightForm::kDepthwise:
      return 32;
    case WeightForm::kF16:
    case WeightForm::kBf16:
      return 16;
    case WeightForm::kSignColumns:
    case WeightForm::kSignRows:
    case WeightForm::kSignPanels:
      return 1;
    case WeightForm::kCodePanels:
    case WeightForm::kCodes:
      return op.weight_bits;
  }
  return 0;
}

std::string product_text(const OpRecord& op, const Geometry& g) {
  switch (Source(op.source)) {
    case Source::kPixels:
      return "pixels";
    case Source::kLoad:
      return "load";
    case Source::kGlobalAverage:
    case Source::kAdaptiveAverage:
      return "mean";
    case Source::kConcat:
      return "concat";
    case Source::kFeatures:
      return "features";
    case Source::kConv:
      break;
  }
  switch (g.product) {
    case Product::kFloats:
      if (op.table) return "f32 x table";
      if (is_half(WeightForm(op.weight_form)))
        return WeightForm(op.weight_form) == WeightForm::kF16 ? "f32 x f16" : "f32 x bf16";
      return op.weight_bits ? "f32 x codes" : "f32 x f32";
    case Product::kDepthwise:
      return "f32 x f32";
    case Product::kSigns:
      return "f32 x signs";
    case Product::kXnor:
      return "bits x bits";
    case Product::kCodes:
      return g.in.type == Type::kBits ? "bits x codes" : "codes x codes";
    case Product::kNone:
      break;
  }
  return "?";
}

// Of one multiply-accumulate.
double energy_of(Product p) {
  switch (p) {
    case Product::kFloats:
    case Product::kDepthwise:
      return kMulF32 + kAddF32;
    case Product::kSigns:
      return kAddF32;
    case Product::kCodes:
      return kMul8 + kAdd32;
    case Product::kXnor:
      return 3 * kAdd32 / 32;  // xor, popcount and addition of 32 at a time
    case Product::kNone:
      break;
  }
  return 0;
}

}  // namespace

double PackedReport::speed_up(uint64_t lanes) const {
  double all = 0, longest = 0;
  for (const PackedOp& o : ops) {
    all += double(o.macs);
    longest += double(o.macs) * double((o.tasks + lanes - 1) / lanes) / double(o.tasks);
  }
  return longest > 0 ? all / longest : 1;
}

PackedReport report_of(const std::vector<uint8_t>& file, uint32_t active) {
  const Reader m(file.data(), file.size());
  PackedReport report;
  report.file_bytes = file.size();
  report.arena_bytes = uint64_t(m.header().arena_base) + m.header().arena_per_lane;
  report.version = std::to_string(m.header().version);
  for (uint32_t i = 0; i < m.header().n_metadata; ++i) {
    const MetadataRecord r = m.metadata(i);
    report.metadata.emplace_back(m.string(r.key), m.string(r.value));
  }
  for (uint32_t i = 0; i < m.header().n_switches; ++i) {
    const SwitchRecord s = m.switch_at(i);
    report.switches.push_back(
        {s.width_permille, s.weight_bits, s.act_bits, s.n_ops, uint64_t(s.arena_base) + s.arena_per_lane});
  }
  report.active = active;
  const SwitchRecord shown = m.switch_at(active);
  StageRecord stages[kMaxStages];
  uint32_t families = 0;
  for (uint32_t i = 0; i < m.header().n_ops; ++i) {
    const OpRecord op = m.op(i);
    const Geometry g = m.geometry(op, stages);
    families |= families_of(op, g, stages);
    report.model_bytes += aligned(g.model_bytes);
    if (i < shown.first_op || i >= shown.first_op + shown.n_ops) continue;
    PackedOp o;
    o.name = m.string(op.name);
    o.product = product_text(op, g);
    o.weight_bits = weight_bits_of(op);
    o.shape = std::to_string(g.out_h) + "x" + std::to_string(g.out_w) + "x" + std::to_string(g.c);
    const auto made = [&](uint32_t tensor) {
      if (tensor == kNone) return;
      o.out += (o.out.empty() ? "" : ", ") + type_text(m.tensor(tensor).elements());
      o.out_bytes += m.tensor(tensor).bytes();
      ++o.tensors;
    };
    made(op.out_f32);
    made(op.out_codes);
    if (op.out_codes != kNone) o.requantized = op.thresholds ? "thresholds" : "f32";
    o.tasks = g.tasks;
    o.weight_bytes = g.weight_bytes, o.laid_out_bytes = g.model_bytes, o.scratch_bytes = g.scratch_bytes;
    o.macs = g.macs;
    o.bit_operations = g.macs * uint64_t(bits_of(g.in)) * uint64_t(o.weight_bits);
    o.in_bytes = op.in == kNone ? uint64_t(g.in_h) * g.in_w * g.in_c : m.tensor(op.in).bytes();
    for (uint32_t s = 0; s < op.n_stages; ++s)
      if (stages[s].tensor != kNone) o.in_bytes += m.tensor(stages[s].tensor).bytes();
    o.picojoules = double(g.macs) * energy_of(g.product) + double(o.moved_bytes()) / 4 * kSram32;
    report.macs += o.macs, report.bit_operations += o.bit_operations, report.picojoules += o.picojoules;
    report.ops.push_back(std::move(o));
  }
  for (uint32_t i = 0; i < kFamilies; ++i)
    if (families >> i & 1) report.families.push_back(kFamilyNames[i]);
  return report;
}

const std::vector<Device>& devices() {
  constexpr uint64_t kKi = 1024, kMi = 1024 * 1024;
  static const std::vector<Device> all = {
      {"F446RE (Table 1.2)", kMi / 2, 128 * kKi},
      {"F746ZG (Table 1.2)", kMi, 320 * kKi},
      {"F767ZI (Table 1.2)", 2 * kMi, 512 * kKi},
      {"phone (Table 1.2)", uint64_t(64) << 30, uint64_t(4) << 30},
      {"RP2040", 2 * kMi, 264 * kKi},
      {"ESP32-S3", 8 * kMi, 512 * kKi},
      {"nRF52840", kMi, 256 * kKi},
      {"Raspberry Pi Zero 2", uint64_t(8) << 30, 512 * kMi},
  };
  return all;
}

std::string family_list(const std::vector<std::string>& families) {
  std::string out =
      "/* The families of operations that the nets of this program need; the linker drops the others' code. */\n"
      "#include \"compress/runtime/bnt.h\"\n\nconst bnt_family* const bnt_families[] = {\n";
  for (const std::string& f : families) out += "    &bnt_family_" + f + ",\n";
  return out + "    0};\n";
}

std::string packed_text(const PackedReport& report) {
  const std::vector<std::string> head = {"operation", "product", "weights", "bytes",     "MACs",    "bit operations",
                                         "makes",     "by",      "output",  "out bytes", "scratch", "nJ"};
  std::vector<std::vector<std::string>> rows = {head};
  const auto number = [](uint64_t v) { return v ? thousands(int64_t(v)) : std::string("-"); };
  for (const PackedOp& o : report.ops)
    rows.push_back({o.name, o.product, o.weight_bits ? std::to_string(o.weight_bits) + " bit" : "-",
                    number(o.weight_bytes), number(o.macs), number(o.bit_operations), o.out,
                    o.requantized.empty() ? "-" : o.requantized, o.shape, number(o.out_bytes), number(o.scratch_bytes),
                    fixed(o.picojoules / 1000, 1)});
  std::vector<size_t> width(head.size());
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool left = i <= 1 || i == 6 || i == 7 || i == 8;
      line += (i ? "  " : "") + (left ? pad_right(row[i], width[i]) : pad_left(row[i], width[i]));
    }
    out += line + "\n";
  }
  out += "\nfile             " + bytes_text(report.file_bytes) + " (" + thousands(int64_t(report.file_bytes)) +
         " bytes), format " + report.version + "\n";
  out += "laid out in RAM  " + bytes_text(report.model_bytes) + "\n";
  out += "arena            " + bytes_text(report.arena_bytes) + " with one lane\n";
  out += "MACs             " + thousands(int64_t(report.macs)) + ", " + thousands(int64_t(report.bit_operations)) +
         " bit operations\n";
  out += "energy           " + fixed(report.picojoules / 1e6, 2) +
         " uJ an image by the thesis's Table 1.1, everything in SRAM and read once: an estimate\n";
  out += "lanes            at most " + fixed(report.speed_up(2), 2) + " times as fast with 2, " +
         fixed(report.speed_up(4), 2) + " with 4, by how operations are cut into tasks\n";
  for (size_t i = 0; report.switches.size() > 1 && i < report.switches.size(); ++i) {
    const PackedPoint& s = report.switches[i];
    const auto bits = [](uint32_t n) { return n == 32 ? std::string("f32") : std::to_string(n) + " bits"; };
    out += pad_right("switch " + std::to_string(i) + (i == report.active ? ", above" : ""), 17) + "width " +
           fixed(s.width_permille / 1000.0, 3) + ", weights " + bits(s.weight_bits) + ", activations " +
           bits(s.act_bits) + ", " + std::to_string(s.ops) + " operations, arena " + bytes_text(s.arena_bytes) + "\n";
  }
  out += "families         ";
  for (size_t i = 0; i < report.families.size(); ++i) out += (i ? ", " : "") + report.families[i];
  out += "\n";
  for (const auto& [key, value] : report.metadata) out += pad_right("metadata", 17) + key + " = " + value + "\n";
  return out;
}

Json packed_json(const PackedReport& report) {
  Json ops = Json::array();
  for (const PackedOp& o : report.ops)
    ops.push(Json::object({{"name", o.name},
                           {"product", o.product},
                           {"weight_bits", o.weight_bits},
                           {"in_bytes", o.in_bytes},
                           {"weight_bytes", o.weight_bytes},
                           {"laid_out_bytes", o.laid_out_bytes},
                           {"macs", o.macs},
                           {"bit_operations", o.bit_operations},
                           {"tasks", o.tasks},
                           {"out", o.out},
                           {"requantized", o.requantized},
                           {"shape", o.shape},
                           {"out_bytes", o.out_bytes},
                           {"scratch_bytes", o.scratch_bytes},
                           {"picojoules", o.picojoules}}));
  Json families = Json::array();
  for (const std::string& f : report.families) families.push(f);
  Json switches = Json::array();
  for (const PackedPoint& s : report.switches)
    switches.push(Json::object({{"width_permille", s.width_permille},
                                {"weight_bits", s.weight_bits},
                                {"act_bits", s.act_bits},
                                {"ops", s.ops},
                                {"arena_bytes", s.arena_bytes}}));
  Json metadata = Json::object();
  for (const auto& [key, value] : report.metadata) metadata.set(key, value);
  return Json::object({{"file_bytes", report.file_bytes},
                       {"model_bytes", report.model_bytes},
                       {"arena_bytes", report.arena_bytes},
                       {"macs", report.macs},
                       {"bit_operations", report.bit_operations},
                       {"picojoules", report.picojoules},
                       {"speed_up_2_lanes", report.speed_up(2)},
                       {"speed_up_4_lanes", report.speed_up(4)},
                       {"switches", switches},
                       {"families", families},
                       {"metadata", metadata},
                       {"ops", ops}});
}

}  // namespace bantam
