#include "compress/runtime/execute.h"

#include <cstring>

#include "compress/runtime/families.h"

namespace bantam::packed {

void OpRun::pixels(const Block& b, float* rows) const {
  const float* lut = m.payload<float>(m.header().lut);
  const uint8_t* p = image + b.begin * b.w * b.c;
  for (int64_t i = 0; i < b.pixels(); ++i)
    for (uint64_t c = 0; c < b.c; ++c) *rows++ = lut[c * 256 + *p++];
}

// The block as the source yields it: in `rows`, or where it lies already. A bias that the kernel adds itself counts as
// a stage done.
const float* OpRun::source(const Block& b, float* rows, uint8_t* kernel, uint32_t* stages_done) const {
  const float* bias = nullptr;
  if (op.is_conv() && g.product != Product::kCodes && op.n_stages && StageKind(stages[0].kind) == StageKind::kBias) {
    bias = m.payload<float>(stages[0].a) + b.first_c;
    *stages_done = 1;
  }
  switch (Source(op.source)) {
    case Source::kPixels: pixels(b, rows); break;
    case Source::kLoad:
      if (g.in.type == Type::kF32) return f32(op.in) + b.begin * b.w * b.c;
      families[g.in.type == Type::kBits ? FamilyId::kBits : FamilyId::kCodes].load(*this, b, rows);
      break;
    case Source::kConv: families[family_of(g.product)].rows(*this, b, bias, kernel, rows); break;
    case Source::kGlobalAverage: families[FamilyId::kGlobalAverage].rows(*this, b, nullptr, kernel, rows); break;
    case Source::kAdaptiveAverage: families[FamilyId::kAdaptiveAverage].rows(*this, b, nullptr, kernel, rows); break;
    case Source::kConcat:
      families[FamilyId::kConcat].rows(*this, b, nullptr, kernel, rows);
      *stages_done = g.appended;
      break;
    case Source::kFeatures: return f32(op.in);
  }
  return rows;
}

void OpRun::task(uint32_t index, uint8_t* scratch) const {
  // Output rows and channels of this task, and the source's rows that they need. Tasks of the same channels follow one
  // another: they share weights.
  const uint64_t bands = g.tasks / g.parts, first_c = index / bands * g.part_c;
  Block out{index % bands * op.band, 0, g.out_w, first_c, g.c - first_c < g.part_c ? g.c - first_c : g.part_c};
  out.end = out.begin + op.band < g.out_h ? out.begin + op.band : g.out_h;
  Block b{out.begin, out.end, g.w, out.first_c, out.c};
  if (g.pool >= 0) {
    const StageRecord& p = stages[g.pool];
    b.begin = window(out.begin, p.sh, p.ph, p.kh, g.h).begin;
    b.end = window(out.end - 1, p.sh, p.ph, p.kh, g.h).end;
  }
  uint8_t* const rows_at = scratch;
  uint8_t* const pooled_at = rows_at + aligned(g.rows_bytes);
  uint8_t* const codes_at = pooled_at + aligned(g.pooled_bytes);
  uint8_t* const kernel = codes_at + aligned(g.codes_bytes);
  const FamilyId out_family = g.out.type == Type::kBits ? FamilyId::kBits : FamilyId::kCodes;
  if (op.thresholds)
    return families[out_family].threshold(*this, b, out, reinterpret_cast<int32_t*>(rows_at), codes_at, kernel);

  float* const final_rows = op.out_f32 != kNone ? f32(op.out_f32) + out.begin * g.out_w * g.c + first_c : nullptr;
  const bool direct = final_rows && g.parts == 1;  // a part of the channels lies apart in the tensor
  float* rows = g.pool < 0 && direct ? final_rows : reinterpret_cast<float*>(rows_at);
  uint32_t done = 0;
  const float* x = source(b, rows, kernel, &done);
  for (uint32_t i = done; i < op.n_stages; ++i) {
    const bnt_family& family = families[family_of(StageKind(stages[i].kind))];
    if (int(i) == g.pool) {
      rows = direct ? final_rows : reinterpret_cast<float*>(pooled_at);
      family.pool(*this, stages[i], b, out, x, rows);
      b = out;
    } else {
      family.stage(*this, stages[i], b, x, rows);
    }
    x = rows;
  }
  if (final_rows && x != final_rows)
    copy_parts(x, size_t(out.c) * 4, final_rows, size_t(g.c) * 4, size_t(out.c) * 4, out.pixels());
  if (op.out_codes != kNone) families[out_family].encode(*this, out, x);
}

namespace {

struct Lanes {
  const OpRun* run;
  uint8_t* scratch;
  uint32_t lanes, per_lane;
  uint32_t sum;  // of marks of the tasks that ran: differs, but by a chance of 2^-32, if one is missing or ran twice
};
// What a task adds to the sum.
uint32_t mark(uint32_t t) {
  t = (t + 1) * 0x9E3779B1u;
  t = (t ^ t >> 15) * 0x85EBCA77u;
  return t ^ t >> 13;
}
void lane_task(void* context, uint32_t t, uint32_t lane) {
  Lanes& l = *static_cast<Lanes*>(context);
  if (lane >= l.lanes || t >= l.run->g.tasks) return;
  l.run->task(t, l.scratch + size_t(lane) * l.per_lane);
  __atomic_fetch_add(&l.sum, mark(t), __ATOMIC_RELAXED);
}

void show(const Execution& e, uint32_t tensor) {
  if (!e.tap || tensor == kNone) return;
  const TensorRecord t = e.model->tensor(tensor);
  const bnt_view view = {e.model->string(t.name), bnt_dtype(t.type), {t.h, t.w, t.c}, e.arena + t.arena,
                         int32_t(t.mul), int32_t(t.add), as_float(t.scale)};
  e.tap(e.tap_user, &view);
}

}  // namespace

bnt_status lay_out_weights(const Reader& model, uint8_t* mem, bnt_where* where) noexcept {
  StageRecord stages[kMaxStages];
  const FamilySet families;
  for (uint32_t i = 0; i < model.header().n_ops; ++i) {
    const OpRecord op = model.op(i);
    const Geometry g = model.geometry(op, stages);
    if (!families.has(families_of(op, g, stages))) {
      if (where) *where = {i, model.op_offset(i)};
      return BNT_MISSING_FAMILY;
    }
    if (op.is_conv() && families[family_of(g.product)].lay_out)
      families[family_of(g.product)].lay_out(model, op, g, mem);
    mem += aligned(g.model_bytes);
  }
  return BNT_OK;
}

bnt_status execute(const Execution& e, const uint8_t* image, float* scores) noexcept {
  const Reader& m = *e.model;
  StageRecord stages[kMaxStages];
  const uint8_t* weights = e.mem;
  uint8_t* const scratch = e.arena + m.header().arena_base;
  const FamilySet families;
  const SwitchRecord active = m.switch_at(e.index);
  for (uint32_t i = 0; i < active.first_op; ++i) weights += aligned(m.geometry(m.op(i), stages).model_bytes);
  for (uint32_t i = active.first_op; i < active.first_op + active.n_ops; ++i) {
    if (e.poll && !e.poll(e.poll_user)) return BNT_CANCELLED;
    const OpRecord op = m.op(i);
    const Geometry g = m.geometry(op, stages);
    const uint8_t* laid_out = g.model_bytes || !op.is_conv() ? weights : m.payload<uint8_t>(op.weights);
    const OpRun run = {m, op, g, stages, families, image, laid_out, e.arena};
    if (g.tasks > 1 && e.parallel->lanes > 1) {
      Lanes lanes = {&run, scratch, e.parallel->lanes, m.header().arena_per_lane, 0};
      e.parallel->run(e.parallel->user, uint32_t(g.tasks), lane_task, &lanes);
      for (uint32_t t = 0; t < g.tasks; ++t) lanes.sum -= mark(t);
      if (lanes.sum) return BNT_BAD_PARALLEL;
    } else {
      for (uint32_t t = 0; t < g.tasks; ++t) run.task(t, scratch);
    }
    weights += aligned(g.model_bytes);
    show(e, op.out_f32);
    show(e, op.out_codes);
  }
  const TensorRecord out = m.tensor(active.output);
  memmove(scores, e.arena + out.arena, size_t(m.header().n_classes) * 4);  // the self test keeps them where they are
  return BNT_OK;
}

bool kernels_are_sane() noexcept {
  for (const bnt_family* const* f = bnt_families; *f; ++f)
    if ((*f)->sane && !(*f)->sane()) return false;
  return true;
}

}  // namespace bantam::packed
