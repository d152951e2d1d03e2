#include "compress/pack/packed_model.h"

#include <cstring>
#include <new>

#include "compress/runtime/format.h"
#include "core/parallel.h"
#include "core/tensor.h"

namespace bantam {

// 64-byte aligned bytes.
struct PackedModel::Memory {
  explicit Memory(size_t size) : data(static_cast<uint8_t*>(::operator new(size + 1, std::align_val_t(BNT_ALIGN)))) {}
  ~Memory() { ::operator delete(data, std::align_val_t(BNT_ALIGN)); }
  Memory(const Memory&) = delete;
  uint8_t* data;
  std::unique_ptr<Memory> weights;  // of the file's memory
};

namespace {

void check(bnt_status s, const bnt_where& where = {BNT_NO_OP, 0}) {
  if (s == BNT_OK) return;
  std::string text = std::string("packed model: ") + bnt_status_text(s);
  if (where.op != BNT_NO_OP) text += ", operation " + std::to_string(where.op);
  if (where.offset) text += ", byte " + std::to_string(where.offset);
  throw Error(text);
}

}  // namespace

PackedModel::PackedModel(const std::vector<uint8_t>& file)
    : shared_(std::make_shared<Memory>(file.size())), file_bytes_(file.size()) {
  if (!file.empty()) memcpy(shared_->data, file.data(), file.size());
  bnt_where where;
  const bnt_status s = bnt_probe(shared_->data, file.size(), &info_, &where);
  check(s, where);
  shared_->weights = std::make_unique<Memory>(info_.model_bytes);
  check(bnt_load(shared_->data, file.size(), shared_->weights->data, info_.model_bytes, &model_, nullptr));
  open(nullptr);
}

PackedModel::PackedModel(const PackedModel& other, const bnt_parallel* parallel)
    : shared_(other.shared_),
      file_bytes_(other.file_bytes_),
      switch_(other.switch_),
      info_(other.info_),
      model_(other.model_) {
  open(parallel);
}

PackedModel::~PackedModel() = default;

void PackedModel::open(const bnt_parallel* parallel) {
  const size_t bytes = info_.arena_base + size_t(parallel ? parallel->lanes : 1) * info_.arena_per_lane;
  arena_ = std::make_unique<Memory>(bytes);
  check(bnt_open(&model_, arena_->data, bytes, parallel, &session_));
  set_switch(switch_);
}

void PackedModel::set_switch(uint32_t index) {
  check(bnt_set_switch(&session_, index));
  switch_ = index;
}

std::unique_ptr<PackedModel> PackedModel::another_session() const {
  return std::unique_ptr<PackedModel>(new PackedModel(*this, nullptr));
}

std::unique_ptr<PackedModel> PackedModel::parallel_session() const {
  const bnt_parallel parallel = {nullptr, uint32_t(threads()),
                                 [](void*, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
                                   parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int lane) {
                                     for (int64_t t = begin; t < end; ++t) task(context, uint32_t(t), uint32_t(lane));
                                   });
                                 }};
  return std::unique_ptr<PackedModel>(new PackedModel(*this, &parallel));
}

std::string PackedModel::class_name(uint32_t i) const {
  const char* name = bnt_class_name(&model_, i);
  return name ? name : "";
}

std::vector<float> PackedModel::run(const uint8_t* images, size_t n) {
  std::vector<float> scores(n * info_.classes);
  check(bnt_run(&session_, images, n, scores.data(), scores.size()));
  return scores;
}

std::vector<float> PackedModel::run_traced(const uint8_t* image, const std::function<void(const bnt_view&)>& tap) {
  std::vector<float> scores(info_.classes);
  // The runtime is noexcept: what the tap throws waits until it has returned.
  struct Call {
    const std::function<void(const bnt_view&)>& tap;
    std::exception_ptr error;
  } call = {tap, nullptr};
  const bnt_tap forward = [](void* user, const bnt_view* view) {
    Call& c = *static_cast<Call*>(user);
    if (c.error) return;
    try {
      c.tap(*view);
    } catch (...) {
      c.error = std::current_exception();
    }
  };
  check(bnt_run_traced(&session_, image, scores.data(), scores.size(), forward, &call));
  if (call.error) std::rethrow_exception(call.error);
  return scores;
}

bool PackedModel::is_packed(const uint8_t* data, size_t size) {
  return size >= sizeof packed::kMagic && memcmp(data, packed::kMagic, sizeof packed::kMagic) == 0;
}

}  // namespace bantam
