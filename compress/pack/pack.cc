#include "compress/pack/pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bantam_fault.h"
#include "compress/pack/packed_file.h"
#include "compress/pack/packed_model.h"
#include "compress/pack/planner.h"
#include "compress/pack/thresholds.h"
#include "compress/pack/weights.h"
#include "compress/runtime/geometry.h"
#include "ops/kernels/depthwise.h"

namespace bantam {
namespace {

using namespace packed;

// A node's value as the packed model holds it: as floats, as bits, as both, or (so far) not at all.
struct Value {
  uint32_t f32 = kNone, bits = kNone;
};

class Packer {
 public:
  Packer(const Plan& plan, const Parameters& parameters, const PackOptions& options)
      : parameters_(parameters),
        spec_(plan.spec()),
        options_(options),
        shapes_(plan.shapes()),
        values_(spec_.nodes.size()),
        covered_(spec_.nodes.size()),
        consumers_(spec_.nodes.size()) {}

  std::vector<uint8_t> run() {
    find_consumers();
    header();
    for (int i = 0; i < int(spec_.nodes.size()); ++i)
      if (!covered_[size_t(i)] && !is_alias(i)) emit(i);
    const int out = real(int(spec_.nodes.size()) - 1);
    file_.header.output = f32_of(out);
    plan();
    return finish();
  }

 private:
  const NodeSpec& node(int i) const { return spec_.nodes[size_t(i)]; }
  [[noreturn]] void fail(int i, const std::string& why) const {
    throw Error("pack: " + node(i).name + " (" + name_of(node(i).kind) + "): " + why);
  }
  template <class C> const C& config(int i) const { return std::get<C>(node(i).config); }

  // Nodes that change nothing in evaluation and in memory.
  bool is_alias(int i) const {
    const Kind k = node(i).kind;
    return k == Kind::kFlatten || k == Kind::kDropout ||
           (k == Kind::kAdaptiveAvgPool && shapes_[size_t(i)] == shapes_[size_t(node(i).inputs[0])]) ||
           (k == Kind::kQuantize && config<QuantizeConfig>(i).quant.scheme == Scheme::kNone);
  }
  int real(int i) const {
    while (is_alias(i)) i = node(i).inputs[0];
    return i;
  }
  int input(int i, size_t which = 0) const { return real(node(i).inputs[which]); }
  bool is_output(int i) const { return i == real(int(spec_.nodes.size()) - 1); }

  void find_consumers() {
    for (int i = 0; i < int(spec_.nodes.size()); ++i)
      if (!is_alias(i))
        for (int j : node(i).inputs) consumers_[size_t(real(j))].push_back(i);
  }

  void header() {
    const InputConfig& in = config<InputConfig>(0);
    if (in.c > kMaxInputChannels) fail(0, "more than " + std::to_string(kMaxInputChannels) + " channels");
    if (int64_t(options_.lut.size()) != in.c * 256)
      throw Error("pack: the input table needs 256 values for each channel");
    for (float v : options_.lut)
      if (!std::isfinite(v)) throw Error("pack: a value of the input table is not finite");
    if (!options_.class_names.empty() && int64_t(options_.class_names.size()) != spec_.classes)
      throw Error("pack: " + std::to_string(options_.class_names.size()) + " class names for " +
                  std::to_string(spec_.classes) + " classes");
    file_.header.h = uint32_t(in.h), file_.header.w = uint32_t(in.w), file_.header.c = uint32_t(in.c);
    file_.header.lut = file_.payload(options_.lut);
    for (int64_t i = 0; i < spec_.classes; ++i)
      file_.classes.push_back(
          file_.string(options_.class_names.empty() ? std::to_string(i) : options_.class_names[size_t(i)]));
    bool binary = false;
    for (int i = 0; i < int(spec_.nodes.size()); ++i) binary = binary || is_binary_layer(spec_, i);
    file_.switches.push_back({1000, signs_somewhere() ? 1u : 32u, binary ? 1u : 32u, 0});
  }
  bool signs_somewhere() const {
    for (const NodeSpec& n : spec_.nodes) {
      const auto* conv = std::get_if<ConvConfig>(&n.config);
      const auto* linear = std::get_if<LinearConfig>(&n.config);
      if ((conv && conv->weight.scheme == Scheme::kSign) || (linear && linear->weight.scheme == Scheme::kSign))
        return true;
    }
    return false;
  }

  // Values [n] of a parameter. Throws if one is not finite: what it would make of a sign is not worth shipping.
  const float* parameter(int i, const std::string& name, int64_t n) const {
    const Parameter* p = parameters_.find(name);
    if (!p || p->value.size() != n) fail(i, "no parameter " + name + " of its size");
    return finite(i, name, p->value.data<float>(), n);
  }
  const float* finite(int i, const std::string& name, const float* v, int64_t n) const {
    for (int64_t k = 0; k < n; ++k)
      if (!std::isfinite(v[k])) fail(i, name + " is not finite at " + std::to_string(k));
    return v;
  }

  Dims dims(uint32_t tensor) const {
    return {file_.tensors[tensor].h, file_.tensors[tensor].w, file_.tensors[tensor].c};
  }

  uint32_t add_tensor(int i, Type type, uint64_t h, uint64_t w, uint64_t c) {
    if (h > kMaxSide || w > kMaxSide || c > kMaxDepth) fail(i, "its output is larger than the format allows");
    TensorRecord t;
    t.name = file_.string(node(i).name), t.type = uint8_t(type);
    t.h = uint32_t(h), t.w = uint32_t(w), t.c = uint32_t(c);
    file_.tensors.push_back(t);
    return uint32_t(file_.tensors.size() - 1);
  }

  // The tensor of floats that holds a node's value; made from its bits if need be.
  uint32_t f32_of(int i) {
    Value& v = values_[size_t(i)];
    if (v.f32 != kNone) return v.f32;
    if (v.bits == kNone) fail(i, "its value is needed before it is computed");
    Chain chain(i);
    chain.op.source = uint8_t(Source::kUnpack);
    chain.op.in = v.bits;
    add_op(&chain, dims(v.bits), i, {});
    return v.f32;
  }

  // An op under construction: its source, and the nodes that became its stages.
  struct Chain {
    explicit Chain(int node) : root(node) {}
    int root;
    OpRecord op;
    std::vector<StageRecord> stages;
    std::vector<int> nodes;  // of the stages; the root's for its own bias
  };

  void emit(int i) {
    Chain chain(i);
    OpRecord& op = chain.op;
    Dims in;
    switch (node(i).kind) {
      case Kind::kInput:
        op.source = uint8_t(Source::kPixels);
        in = {file_.header.h, file_.header.w, file_.header.c};
        break;
      case Kind::kConv:
      case Kind::kLinear: in = conv(&chain); break;
      case Kind::kGlobalAvgPool:
        op.source = uint8_t(Source::kGlobalAverage);
        op.in = f32_of(input(i)), in = dims(op.in);
        break;
      case Kind::kBatchNorm:
      case Kind::kRelu:
      case Kind::kPRelu:
      case Kind::kHardtanh:
      case Kind::kMaxPool:
      case Kind::kAdd: {
        op.source = uint8_t(Source::kLoad);
        op.in = f32_of(input(i)), in = dims(op.in);
        if (node(i).kind == Kind::kAdd) (void)f32_of(input(i, 1));
        add_stage(&chain, i, in.c, input(i));
        break;
      }
      case Kind::kQuantize: {
        const Value& v = values_[size_t(input(i))];
        covered_[size_t(i)] = true;
        if (v.f32 == kNone) {  // the sign of signs
          values_[size_t(i)].bits = v.bits;
          return;
        }
        op.source = uint8_t(Source::kLoad);
        op.in = v.f32;
        add_op(&chain, dims(v.f32), -1, {i});
        return;
      }
      default: fail(i, "the packed format has no such operation");
    }
    covered_[size_t(i)] = true;
    extend(&chain, in);
  }

  // A convolution's or linear layer's op, with its weights and bias. Returns its input's dims.
  Dims conv(Chain* chain) {
    const int i = chain->root, x = input(i);
    OpRecord& op = chain->op;
    const bool linear = node(i).kind == Kind::kLinear;
    const QuantSpec weight = linear ? config<LinearConfig>(i).weight : config<ConvConfig>(i).weight;
    const int64_t groups = linear ? 1 : config<ConvConfig>(i).groups;
    const bool xnor = weight.scheme == Scheme::kSign && groups == 1 && values_[size_t(x)].bits != kNone;
    op.source = uint8_t(xnor ? Source::kXnor : weight.scheme == Scheme::kSign ? Source::kConvSigns : Source::kConv);
    op.in = xnor ? values_[size_t(x)].bits : f32_of(x);
    const Dims in = dims(op.in);
    if (linear) {
      op.k = uint32_t(config<LinearConfig>(i).out_features);
      op.groups = 1, op.kh = uint16_t(in.h), op.kw = uint16_t(in.w);
      op.stride_h = op.stride_w = op.dilation_h = op.dilation_w = 1;
      if (in.h > kMaxKernel || in.w > kMaxKernel)
        fail(i, "its input image is larger than " + std::to_string(kMaxKernel));
    } else {
      const ConvConfig& c = config<ConvConfig>(i);
      if (c.kernel_h > kMaxKernel || c.kernel_w > kMaxKernel)
        fail(i, "its kernel is larger than " + std::to_string(kMaxKernel));
      if (c.groups > 0xFFFF) fail(i, "it has more than 65535 groups");
      if (c.pad_value && !is_binary_layer(spec_, i))
        fail(i, "a padding value other than 0 needs sign weights, sign inputs and one group");
      op.k = uint32_t(c.out_channels), op.groups = uint16_t(c.groups), op.pad_value = int8_t(c.pad_value);
      op.kh = uint16_t(c.kernel_h), op.kw = uint16_t(c.kernel_w);
      op.stride_h = uint16_t(c.stride_h), op.stride_w = uint16_t(c.stride_w);
      op.pad_h = uint16_t(c.pad_h), op.pad_w = uint16_t(c.pad_w);
      op.dilation_h = uint16_t(c.dilation_h), op.dilation_w = uint16_t(c.dilation_w);
    }
    if (Source(op.source) == Source::kConv && groups > 1 && groups == in.c && groups == op.k &&
        int64_t(op.kh) * op.kw <= kDepthwiseMaxTaps)
      op.source = uint8_t(Source::kDepthwise);
    const int64_t depth = int64_t(op.kh) * op.kw * in.c / groups, cols = op.k / groups;
    const float* w = parameter(i, node(i).name + ".weight", depth * op.k);
    switch (Source(op.source)) {
      case Source::kXnor: op.weights = file_.payload(pack_weight_bits(w, int64_t(op.k) * op.kh * op.kw, in.c)); break;
      case Source::kConvSigns: op.weights = file_.payload(pack_weight_signs(w, groups, depth, cols)); break;
      case Source::kDepthwise: op.weights = file_.payload(pack_weight_depthwise(w, depth, in.c)); break;
      default: op.weights = file_.payload(pack_weight_panels(w, groups, depth, cols)); break;
    }
    if (linear ? config<LinearConfig>(i).bias : config<ConvConfig>(i).bias) {
      StageRecord s;
      s.kind = uint8_t(StageKind::kBias);
      s.a = file_.payload(parameter(i, node(i).name + ".bias", op.k), op.k * sizeof(float));
      chain->stages.push_back(s);
      chain->nodes.push_back(i);
    }
    return in;
  }

  // Appends node i, whose first operand is the chain so far, which ends in node `from`, with c channels.
  void add_stage(Chain* chain, int i, uint32_t c, int from) {
    StageRecord s;
    switch (node(i).kind) {
      case Kind::kBatchNorm: {
        const Parameters::NormAffine a = parameters_.norm_affine(node(i));
        check_channels(i, int64_t(a.scale.size()), c);
        s.kind = uint8_t(StageKind::kAffine);
        finite(i, "its scale", a.scale.data(), int64_t(c));
        finite(i, "its shift", a.shift.data(), int64_t(c));
        s.a = file_.payload(a.scale), s.b = file_.payload(a.shift);
        break;
      }
      case Kind::kPRelu: {
        const PReluConfig& p = config<PReluConfig>(i);
        const float* slope = parameter(i, p.parameter + ".weight", p.slopes);
        if (p.slopes > 1) check_channels(i, p.slopes, c);
        std::vector<float> slopes(c);
        for (uint32_t k = 0; k < c; ++k) slopes[k] = slope[p.slopes > 1 ? k : 0];
        s.kind = uint8_t(StageKind::kPRelu), s.a = file_.payload(slopes);
        break;
      }
      case Kind::kMaxPool: {
        const PoolConfig& p = config<PoolConfig>(i);
        if (std::max({p.kernel_h, p.kernel_w, p.stride_h, p.stride_w}) > int64_t(kMaxWindow))
          fail(i, "its window is larger than " + std::to_string(kMaxWindow));
        s.kind = uint8_t(StageKind::kMaxPool);
        s.kh = uint8_t(p.kernel_h), s.kw = uint8_t(p.kernel_w), s.sh = uint8_t(p.stride_h), s.sw = uint8_t(p.stride_w);
        s.ph = uint8_t(p.pad_h), s.pw = uint8_t(p.pad_w);
        break;
      }
      case Kind::kAdd: s.kind = uint8_t(StageKind::kAdd), s.tensor = f32_of(other_operand(i, from)); break;
      case Kind::kHardtanh: s.kind = uint8_t(StageKind::kHardtanh); break;
      default: s.kind = uint8_t(StageKind::kRelu); break;
    }
    chain->stages.push_back(s);
    chain->nodes.push_back(i);
  }
  // Values per feature of an image that a flatten made flat would need one for each place.
  void check_channels(int i, int64_t have, uint32_t c) const {
    if (have != int64_t(c)) fail(i, "values for each feature of a flattened image are not supported");
  }
  int other_operand(int i, int x) const { return input(i, 0) == x ? input(i, 1) : input(i, 0); }

  // May node i become a stage behind node x?
  bool fusable(const Chain& chain, int i, int x) const {
    if (covered_[size_t(i)] || chain.stages.size() >= kMaxStages) return false;
    switch (node(i).kind) {
      case Kind::kBatchNorm:
      case Kind::kRelu:
      case Kind::kPRelu:
      case Kind::kHardtanh: return true;
      case Kind::kMaxPool:
        return std::none_of(chain.stages.begin(), chain.stages.end(),
                            [](const StageRecord& s) { return StageKind(s.kind) == StageKind::kMaxPool; });
      case Kind::kAdd: return values_[size_t(other_operand(i, x))].f32 != kNone;  // computed already
      default: return false;
    }
  }

  // Takes the nodes behind the root into the op as long as nobody else reads what lies between, then adds the op.
  void extend(Chain* chain, Dims in) {
    const uint32_t c = chain->op.k ? chain->op.k : in.c;
    int x = chain->root;
    while (consumers_[size_t(x)].size() == 1 && !is_output(x) && fusable(*chain, consumers_[size_t(x)][0], x)) {
      const int next = consumers_[size_t(x)][0];
      add_stage(chain, next, c, x);
      covered_[size_t(next)] = true;
      x = next;
    }
    std::vector<int> signs;
    bool floats = is_output(x);
    for (int consumer : consumers_[size_t(x)])
      if (node(consumer).kind == Kind::kQuantize)
        signs.push_back(consumer);
      else
        floats = true;
    add_op(chain, in, floats || signs.empty() ? x : -1, signs);
  }

  // Adds the op; its floats are node `f32`'s value (or -1), its signs are the values of the nodes in `signs`.
  void add_op(Chain* chain, Dims in, int f32, const std::vector<int>& signs) {
    OpRecord& op = chain->op;
    if (file_.ops.size() >= kMaxOps || file_.tensors.size() + 2 > kMaxTensors)
      fail(chain->root, "the net has too many operations");
    op.name = file_.string(node(f32 >= 0 ? f32 : signs[0]).name);
    op.n_stages = uint32_t(chain->stages.size());
    op.out_f32 = f32 >= 0 ? 0 : kNone,
    op.out_bits = signs.empty() ? kNone : 0;  // known below; derive asks which there are
    op.band = 1;
    if (Source(op.source) == Source::kXnor && f32 < 0) use_thresholds(chain, in);
    const Geometry g = choose_band(chain, in);
    file_.header.arena_per_lane = std::max(file_.header.arena_per_lane, uint32_t(g.scratch_bytes));

    if (f32 >= 0) op.out_f32 = values_[size_t(f32)].f32 = add_tensor(f32, Type::kF32, g.out_h, g.out_w, g.c);
    if (!signs.empty()) op.out_bits = add_tensor(signs[0], Type::kBits, g.out_h, g.out_w, g.c);
    for (int s : signs) values_[size_t(s)].bits = op.out_bits, covered_[size_t(s)] = true;
    op.first_stage = uint32_t(file_.stages.size());
    file_.stages.insert(file_.stages.end(), chain->stages.begin(), chain->stages.end());
    file_.ops.push_back(op);
  }

  // Replaces the stages by integer comparisons, if all channels have them.
  void use_thresholds(Chain* chain, Dims in) {
    OpRecord& op = chain->op;
    const int64_t limit = int64_t(op.kh) * op.kw * in.c;
    std::vector<StageRecord> pool;
    std::vector<int> pool_node;
    const size_t words = words_for(op.k);
    std::vector<int32_t> lo(op.k), hi(op.k);
    std::vector<uint64_t> flip(words), after(words);
    for (uint32_t c = 0; c < op.k; ++c) {
      std::vector<ScalarStage> all, behind_pool;
      pool.clear(), pool_node.clear();
      for (size_t i = 0; i < chain->stages.size(); ++i) {
        const StageRecord& s = chain->stages[i];
        const StageKind kind = StageKind(s.kind);
        if (kind == StageKind::kAdd) return;
        if (kind == StageKind::kMaxPool) {
          pool.push_back(s), pool_node.push_back(chain->nodes[i]);
          continue;
        }
        const ScalarStage scalar = {kind, s.a ? file_.payload_value<float>(s.a, c) : 0.0f,
                                    s.b ? file_.payload_value<float>(s.b, c) : 0.0f};
        all.push_back(scalar);
        if (!pool.empty()) behind_pool.push_back(scalar);
      }
      Threshold t;
      const int d = direction(behind_pool);
      if (d == 0 || !find_threshold(all, int32_t(limit), &t)) return;
      bool both = d < 0 && !pool.empty();  // AND is the complement of the OR of complements
#ifdef BANTAM_FAULT_POOL_OF_FALLING_NORM_ORS
      both = false;
#endif
      lo[c] = t.lo, hi[c] = t.hi;
      flip[c / 64] |= uint64_t(t.flip != both) << (c % 64);
      after[c / 64] |= uint64_t(both) << (c % 64);
    }
    std::vector<uint8_t> bytes(threshold_masks(op.k) + (pool.empty() ? 1 : 2) * words * 8);
    memcpy(bytes.data(), lo.data(), op.k * 4);
    memcpy(bytes.data() + op.k * 4, hi.data(), op.k * 4);
    memcpy(bytes.data() + threshold_masks(op.k), flip.data(), words * 8);
    if (!pool.empty()) memcpy(bytes.data() + threshold_masks(op.k) + words * 8, after.data(), words * 8);
    op.thresholds = file_.payload(bytes);
    op.n_stages = uint32_t(pool.size());
    chain->stages = pool, chain->nodes = pool_node;
  }

  // Rows of a task: enough pixels for the kernels' tiles, as long as the scratch stays small.
  Geometry choose_band(Chain* chain, Dims in) const {
    constexpr uint64_t kPixels = 56, kScratch = 32 * 1024;
    OpRecord& op = chain->op;
    Geometry best = derived(*chain, in);
    while (op.band < best.out_h && !(op.is_conv() && best.source_rows * best.w >= kPixels)) {
      const uint32_t smaller = op.band;
      op.band = uint32_t(std::min<uint64_t>(best.out_h, op.band * 2));
      const Geometry g = derived(*chain, in);
      if (g.scratch_bytes > std::max(kScratch, best.scratch_bytes)) {
        op.band = smaller;
        break;
      }
      best = g;
    }
    return best;
  }
  Geometry derived(const Chain& chain, Dims in) const {
    Geometry g;
    Fault fault;
    if (!derive(chain.op, in, chain.stages.data(), &g, &fault)) {
      const int at = fault.stage >= 0 ? chain.nodes[size_t(fault.stage)] : chain.root;
      fail(at, "the packed format cannot hold it (field at byte " + std::to_string(fault.at) + " of its record)");
    }
    return g;
  }

  // Places the tensors in the arena.
  void plan() {
    std::vector<Lifetime> lives(file_.tensors.size());
    for (size_t t = 0; t < lives.size(); ++t) lives[t].bytes = file_.tensors[t].bytes();
    const auto read = [&](uint32_t t, int op) {
      if (t != kNone) lives[t].last = std::max(lives[t].last, op);
    };
    for (int i = 0; i < int(file_.ops.size()); ++i) {
      const OpRecord& op = file_.ops[size_t(i)];
      for (uint32_t t : {op.out_f32, op.out_bits})
        if (t != kNone) lives[t].first = lives[t].last = i;
      read(op.in, i);
      for (uint32_t s = 0; s < op.n_stages; ++s) read(file_.stages[op.first_stage + s].tensor, i);
    }
    lives[file_.header.output].last = int(file_.ops.size());
    const ArenaPlan p = plan_arena(lives, kAlign);
    if (p.bytes > kMaxArenaBytes)
      throw Error("pack: the net needs an arena of " + std::to_string(p.bytes) + " bytes, the format allows 2^30");
    file_.header.arena_base = uint32_t(p.bytes);
    for (size_t t = 0; t < lives.size(); ++t) file_.tensors[t].arena = uint32_t(p.offsets[t]);
  }

  // The bytes, with the self test's scores if there is an image.
  std::vector<uint8_t> finish() {
    const std::vector<uint8_t>& image = options_.test_image;
    if (image.empty()) return checked(file_.bytes());
    if (image.size() != size_t(file_.header.h) * file_.header.w * file_.header.c)
      throw Error("pack: the test image is not of the net's size");
    std::vector<uint8_t> test = image;
    test.resize(round_up(test.size(), 4) + size_t(spec_.classes) * 4);
    file_.header.self_test = file_.payload(test);
    PackedModel runner(checked(file_.bytes()));
    const std::vector<float> scores = runner.run(image.data(), 1);
    file_.set_payload(file_.header.self_test, round_up(image.size(), 4), scores.data(), scores.size() * 4);
    return checked(file_.bytes());
  }
  // What this packer writes, the runtime's reader accepts.
  static std::vector<uint8_t> checked(std::vector<uint8_t> bytes) {
    (void)PackedModel(bytes);
    return bytes;
  }

  const Parameters& parameters_;
  const NetSpec& spec_;
  const PackOptions& options_;
  std::vector<Shape> shapes_;  // of every node's output
  std::vector<Value> values_;
  std::vector<bool> covered_;  // is the node part of an op?
  std::vector<std::vector<int>> consumers_;
  FileBuilder file_;
};

}  // namespace

std::vector<uint8_t> pack(const Plan& plan, const Parameters& parameters, const PackOptions& options) {
  if (parameters.dtype() != DType::kF32) throw Error("pack: the model must be f32");
  return Packer(plan, parameters, options).run();
}

}  // namespace bantam
