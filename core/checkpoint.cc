#include "core/checkpoint.h"

#include <bit>
#include <cstring>

#include "bantam_fault.h"
#include "core/base/half.h"

namespace bantam {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

// Each element as From, converted to To.
template <class From, class To, class F>
Tensor convert(const SafeTensor& e, const Shape& shape, F f) {
  Tensor t = Tensor::empty(shape, DTypeOf<To>::value);
  To* out = t.mutable_data<To>();
  for (int64_t i = 0; i < t.size(); ++i) {
    From v;
    memcpy(&v, e.bytes.data() + size_t(i) * sizeof v, sizeof v);
    out[i] = f(v);
  }
  return t;
}

template <class T>
Tensor copy(const SafeTensor& e, const Shape& shape) {
  Tensor t = Tensor::empty(shape, DTypeOf<T>::value);
  if (!e.bytes.empty()) memcpy(t.mutable_data<T>(), e.bytes.data(), e.bytes.size());
  return t;
}

StDType st_dtype(DType t) {
  switch (t) {
    case DType::kF32: return StDType::kF32;
    case DType::kF64: return StDType::kF64;
    case DType::kI32: return StDType::kI32;
    case DType::kU8: return StDType::kU8;
  }
  throw Error("checkpoint: unknown dtype");
}

template <class Map>
const auto& get(const Map& map, const std::string& name, const char* what, const std::string& path) {
  auto it = map.find(name);
  if (it == map.end()) throw FileError(path, std::string("no ") + what + " " + quote_name(name));
  return it->second;
}

}  // namespace

const Tensor& Checkpoint::tensor(const std::string& name) const { return get(tensors, name, "tensor", path); }
int64_t Checkpoint::integer(const std::string& name) const { return get(integers, name, "integer", path); }
const std::string& Checkpoint::text(const std::string& name) const { return get(metadata, name, "metadata", path); }

SafeTensor entry_of(const std::string& name, DType dtype, const Shape& shape) {
  SafeTensor e{name, st_dtype(dtype), {}, {}};
  for (int i = 0; i < shape.rank; ++i) e.shape.push_back(uint64_t(shape[i]));
  return e;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint, bool keep_previous) {
  std::vector<SafeTensor> entries = checkpoint.made;
  for (const auto& [name, t] : checkpoint.tensors) {
    if (!t.has_data() && t.size() > 0) throw Error("checkpoint: tensor " + quote_name(name) + " has no data");
    SafeTensor e = entry_of(name, t.dtype(), t.shape());
    e.bytes = {static_cast<const uint8_t*>(t.raw()), t.bytes()};
    entries.push_back(std::move(e));
  }
  for (const auto& [name, v] : checkpoint.integers)
    entries.push_back({name, StDType::kI64, {}, {reinterpret_cast<const uint8_t*>(&v), sizeof v}});
#ifdef BANTAM_FAULT_CHECKPOINT_DROPS_A_TENSOR
  if (entries.size() > 1) entries.erase(entries.begin());
#endif
  write_safetensors(path, std::move(entries), checkpoint.metadata, keep_previous);
}

Tensor tensor_of(const SafeTensor& e, const std::string& path) {
  auto fail = [&](const std::string& what) { throw FileError(path, "tensor " + quote_name(e.name) + ": " + what); };
  if (e.shape.size() > size_t(Shape::kMaxRank)) {
    fail(std::to_string(e.shape.size()) + " dimensions, at most " + std::to_string(Shape::kMaxRank) + " supported");
  }
  Shape shape;
  shape.rank = int(e.shape.size());
  for (int i = 0; i < shape.rank; ++i) {
    // The reader has checked the product, but [0, 2^63] passes there.
    if (e.shape[size_t(i)] > uint64_t(INT64_MAX)) fail("dimension out of range");
    shape[i] = int64_t(e.shape[size_t(i)]);
  }
  switch (e.dtype) {
    case StDType::kF32: return copy<float>(e, shape);
    case StDType::kF64: return copy<double>(e, shape);
    case StDType::kI32: return copy<int32_t>(e, shape);
    case StDType::kU8:
    case StDType::kBool: return copy<uint8_t>(e, shape);
    case StDType::kF16: return convert<uint16_t, float>(e, shape, widen_f16);
    case StDType::kBF16: return convert<uint16_t, float>(e, shape, widen_bf16);
    case StDType::kI8: return convert<int8_t, int32_t>(e, shape, [](int8_t v) { return int32_t(v); });
    case StDType::kI16: return convert<int16_t, int32_t>(e, shape, [](int16_t v) { return int32_t(v); });
    case StDType::kU16: return convert<uint16_t, int32_t>(e, shape, [](uint16_t v) { return int32_t(v); });
    case StDType::kI64:
      return convert<int64_t, int32_t>(e, shape, [&](int64_t v) {
        if (v < INT32_MIN || v > INT32_MAX) fail("value " + std::to_string(v) + " does not fit in 32 bits");
        return int32_t(v);
      });
    default: fail(std::string("dtype ") + name_of(e.dtype) + " is not supported");
  }
  return {};
}

Checkpoint checkpoint_of(const SafeTensors& file) {
  Checkpoint c;
  c.path = file.path();
  c.metadata = file.metadata();
  for (const SafeTensor& e : file.tensors()) {
    if (e.dtype == StDType::kI64 && e.shape.empty()) {
      int64_t v;
      memcpy(&v, e.bytes.data(), sizeof v);
      c.integers.emplace(e.name, v);
    } else {
      c.tensors.emplace(e.name, tensor_of(e, file.path()));
    }
  }
  return c;
}

Checkpoint load_checkpoint(const std::string& path) { return checkpoint_of(SafeTensors::read(path)); }

}  // namespace bantam
