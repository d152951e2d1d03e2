// The table of rooms, and what their shape rules share.
#include "nn/kinds/kind.h"
#include "ops/quant/quantize.h"

namespace bantam {

#define BANTAM_KIND_ROOM(name, word) extern const KindRoom k##name##Room;
BANTAM_KINDS(BANTAM_KIND_ROOM)
#undef BANTAM_KIND_ROOM

namespace {

#define BANTAM_KIND_ROOM(name, word) &k##name##Room,
constexpr const KindRoom* kRooms[] = {BANTAM_KINDS(BANTAM_KIND_ROOM)};
#undef BANTAM_KIND_ROOM

}  // namespace

const KindRoom& room_of(Kind kind) { return *kRooms[size_t(kind)]; }

std::vector<Kind> all_kinds() {
  std::vector<Kind> all;
  for (const KindRoom* room : kRooms) all.push_back(room->kind);
  return all;
}

const char* name_of(Kind kind) { return room_of(kind).name; }

bool kind_from_name(const std::string& name, Kind* kind) {
  for (const KindRoom* room : kRooms)
    if (name == room->name) {
      *kind = room->kind;
      return true;
    }
  return false;
}

Config default_config(Kind kind) {
  const KindRoom& room = room_of(kind);
  return room.config ? room.config() : NoConfig{};
}

const QuantSpec* weight_quant(const NodeSpec& node) {
  const KindRoom& room = room_of(node.kind);
  return room.weight ? room.weight(node) : nullptr;
}

void fail(const NodeSpec& node, const std::string& what) {
  throw Error("net: " + node.name + " (" + name_of(node.kind) + "): " + what);
}

void check_range(const NodeSpec& node, const char* what, int64_t v, int64_t lo, int64_t hi) {
  if (v < lo || v > hi)
    fail(node, std::string(what) + " is " + std::to_string(v) + ", must be " + std::to_string(lo) + " to " +
                   std::to_string(hi));
}

void check_image(const NodeSpec& node, const Shape& in) {
  if (in.rank != 4) fail(node, "needs an image, gets " + to_string(in));
}

void check_quant(const NodeSpec& node, const QuantSpec& spec, Operand operand) {
  if (const std::string what = refusal(spec, operand); !what.empty()) fail(node, what);
}

int64_t slide(const NodeSpec& node, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  check_range(node, "kernel size", kernel, 1, 1024);
  check_range(node, "stride", stride, 1, 1024);
  check_range(node, "padding", pad, 0, 1024);
  check_range(node, "dilation", dilation, 1, 1024);
  const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
  if (span < 0) fail(node, "the kernel is larger than its padded input");
  return span / stride + 1;
}

Shape same_shape(const NodeSpec&, const std::vector<Shape>& in, int64_t) { return in[0]; }

Shape equal_shapes(const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
  if (!(in[0] == in[1])) fail(node, "inputs " + to_string(in[0]) + " and " + to_string(in[1]) + " differ");
  return in[0];
}

}  // namespace bantam
