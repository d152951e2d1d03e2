// What a packed model is made of and what it costs, op by op, from its file alone.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"

namespace bantam {

struct PackedOp {
  std::string name;
  std::string product;      // "f32 x f32", "f32 x signs", "f32 x codes", "bits x bits", "codes x codes"; or the source
  std::string out;          // "f32", "bits", "4 bits", ...
  std::string requantized;  // how codes follow from sums: "thresholds", "f32", or "" where none do
  std::string shape;        // of the output: "32x32x16"
  int weight_bits = 0;
  int tensors = 0;        // that it makes: one or two, in the order in which bnt_run_traced shows them
  uint64_t in_bytes = 0;  // of what it reads besides its weights: its tensor or the image, and tensors that it adds
  uint64_t weight_bytes = 0, laid_out_bytes = 0, out_bytes = 0, scratch_bytes = 0;
  uint64_t macs = 0, bit_operations = 0;  // macs times the bits of both operands
  uint64_t tasks = 1;                     // that lanes share
  double picojoules = 0;

  uint64_t moved_bytes() const { return weight_bytes + in_bytes + out_bytes; }  // read and written, each once
};

// An operating point of the file.
struct PackedPoint {
  uint32_t width_permille = 1000, weight_bits = 32, act_bits = 32, ops = 0;
  uint64_t arena_bytes = 0;
};

struct PackedReport {
  std::vector<PackedOp> ops;                                  // of one switch, as are MACs, bit operations and energy
  uint64_t file_bytes = 0, model_bytes = 0, arena_bytes = 0;  // for all switches, of one lane
  std::vector<PackedPoint> switches;
  uint32_t active = 0;
  uint64_t macs = 0, bit_operations = 0;
  double picojoules = 0;
  std::string version;
  std::vector<std::string> families;  // of the runtime, that it needs: "binary_conv", ...
  std::vector<std::pair<std::string, std::string>> metadata;  // the user's own, by key

  // How many times as fast so many lanes can be at most, counted in MACs: an operation takes as long as the lane with
  // most of its tasks.
  double speed_up(uint64_t lanes) const;
  // What must be writable: the arena, and the weights that are laid out.
  uint64_t ram() const { return arena_bytes + model_bytes; }
};

// Of a file that is sound (it has been opened). Energy by the thesis's Table 1.1: an operation's additions and
// multiplications at the width of its operands, and each byte of weights, input and output read or written once in
// SRAM.
PackedReport report_of(const std::vector<uint8_t>& file, uint32_t active = 0);

// A device with its memories in bytes: those of the thesis's Table 1.2, and boards that are common.
struct Device {
  const char* name;
  uint64_t flash, ram;
};
const std::vector<Device>& devices();

// A C file that holds the runtime to what these nets need: its definition of bnt_families.
std::string family_list(const std::vector<std::string>& families);

std::string packed_text(const PackedReport& report);
Json packed_json(const PackedReport& report);

}  // namespace bantam
