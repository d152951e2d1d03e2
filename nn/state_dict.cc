// A net's tensors as files hold them: their layouts, their names.
#include <algorithm>
#include <cstring>
#include <set>

#include "nn/parameters.h"

namespace bantam {

Shape Parameters::file_shape(const std::string& name) const {
  const ParameterSpec& p = specs_.at(name);
  const Shape& memory = p.shape;
  return p.layout.kind == FileLayout::kConv ? Shape{memory[0], memory[3], memory[1], memory[2]} : memory;
}

namespace {

// Rows first, first + 1, ... of a tensor in memory's layout.
void rows_to_file(const FileLayout& l, const Tensor& t, int64_t first, int64_t rows, void* out) {
  const int64_t hw = l.h * l.w;
  const size_t size = size_of(t.dtype()), row = size_t(hw * l.c) * size;
  parallel_for(rows, std::max<int64_t>(1, kElementGrain / (hw * l.c)), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const char* src = static_cast<const char*>(t.raw()) + size_t(first + r) * row;
      char* dst = static_cast<char*>(out) + size_t(r) * row;
      for (int64_t p = 0; p < hw; ++p)
        for (int64_t c = 0; c < l.c; ++c)
          std::memcpy(dst + size_t(c * hw + p) * size, src + size_t(p * l.c + c) * size, size);
    }
  });
}

}  // namespace

Tensor Parameters::to_file_layout(const std::string& name, const Tensor& t) const {
  const FileLayout& layout = specs_.at(name).layout;
  if (layout.kind == FileLayout::kSame) return t.detach();
  Tensor out = Tensor::empty(file_shape(name), t.dtype());
  rows_to_file(layout, t, 0, t.dim(0), out.raw());
  return out;
}

void Parameters::stream_file_layout(const std::string& name, const Tensor& t,
                                    FunctionRef<void(std::span<const uint8_t>)> sink) const {
  const FileLayout& layout = specs_.at(name).layout;
  if (layout.kind == FileLayout::kSame) return sink({static_cast<const uint8_t*>(t.raw()), t.bytes()});
  const int64_t rows = t.dim(0);
  const size_t row = t.bytes() / size_t(rows);
  const int64_t most = std::clamp<int64_t>(int64_t(kPieceBytes / row), 1, rows);
  Tensor piece = Tensor::empty({most * int64_t(row)}, DType::kU8);
  for (int64_t r = 0; r < rows; r += most) {
    const int64_t n = std::min(most, rows - r);
    rows_to_file(layout, t, r, n, piece.raw());
    sink({static_cast<const uint8_t*>(piece.raw()), size_t(n) * row});
  }
}

Tensor Parameters::from_file_layout(const std::string& name, const Tensor& t) const {
  const Parameter* p = find(name);
  if (!p) throw Error("parameters: there is no " + name);
  const Shape want = file_shape(name);
  if (!(t.shape() == want))
    throw Error(name + ": the net has " + to_string(want) + ", the file " + to_string(t.shape()));
  const FileLayout& l = specs_.at(name).layout;
  if (l.kind == FileLayout::kSame) return t.clone();
  const int64_t rows = t.dim(0), hw = l.h * l.w;
  Tensor out = Tensor::empty(p->value.shape(), t.dtype());
  const size_t size = size_of(t.dtype());
  parallel_for(rows, 1, [&](int64_t begin, int64_t end, int) {
    const char* src = static_cast<const char*>(t.raw());
    char* dst = static_cast<char*>(out.raw());
    for (int64_t r = begin; r < end; ++r)
      for (int64_t p2 = 0; p2 < hw; ++p2)
        for (int64_t c = 0; c < l.c; ++c)
          std::memcpy(dst + size_t((r * hw + p2) * l.c + c) * size, src + size_t((r * l.c + c) * hw + p2) * size, size);
  });
  return out;
}

std::vector<NamedTensor> Parameters::state_dict() const {
  std::vector<NamedTensor> all;
  for (const Parameter* p : all_) all.push_back({p->name, to_file_layout(p->name, p->value)});
  for (NamedTensor& t : statistics()) all.push_back(std::move(t));
  return all;
}

std::vector<NamedTensor> Parameters::statistics() const {
  std::vector<NamedTensor> all;
  for (const auto& [name, norm] : norms_) {
    all.push_back({name + ".running_mean", norm->mean});
    all.push_back({name + ".running_var", norm->var});
  }
  for (const auto& [name, range] : ranges_) all.push_back({name, *range});
  return all;
}

std::map<std::string, int64_t> Parameters::counters() const {
  std::map<std::string, int64_t> all;
  for (const auto& [name, norm] : norms_) all[name + ".num_batches_tracked"] = norm->batches;
  return all;
}

Parameters::LoadReport Parameters::load_state_dict(const std::vector<NamedTensor>& tensors,
                                                   const std::map<std::string, int64_t>& counters) {
  LoadReport report;
  std::set<std::string> seen;
  for (const NamedTensor& named : tensors) {
    if (Parameter* p = find(named.name)) {
      p->value = from_file_layout(named.name, named.tensor).to(dtype_);
    } else if (const auto range = ranges_.find(named.name); range != ranges_.end()) {
      if (!(named.tensor.shape() == Shape{2}))
        throw Error(named.name + ": the net has [2], the file " + to_string(named.tensor.shape()));
      *range->second = named.tensor.clone().to(dtype_);
    } else {
      const size_t dot = named.name.rfind('.');
      const auto it = dot == std::string::npos ? norms_.end() : norms_.find(named.name.substr(0, dot));
      const std::string what = dot == std::string::npos ? "" : named.name.substr(dot + 1);
      if (it == norms_.end() || (what != "running_mean" && what != "running_var")) {
        report.unexpected.push_back(named.name);
        continue;
      }
      Tensor& target = what == "running_mean" ? it->second->mean : it->second->var;
      if (!(target.shape() == named.tensor.shape()))
        throw Error(named.name + ": the net has " + to_string(target.shape()) + ", the file " +
                    to_string(named.tensor.shape()));
      target = named.tensor.clone().to(dtype_);
    }
    seen.insert(named.name);
    ++report.loaded;
  }
  for (const auto& [name, value] : counters) {
    const size_t dot = name.rfind('.');
    const auto it = dot == std::string::npos ? norms_.end() : norms_.find(name.substr(0, dot));
    if (it == norms_.end() || name.substr(dot + 1) != "num_batches_tracked")
      report.unexpected.push_back(name);
    else
      it->second->batches = value;
  }
  auto want = [&](const std::string& name) {
    if (!seen.count(name)) report.missing.push_back(name);
  };
  for (const Parameter* p : all_) want(p->name);
  for (const auto& [name, norm] : norms_) want(name + ".running_mean"), want(name + ".running_var");
  for (const auto& [name, range] : ranges_) want(name);
  return report;
}

}  // namespace bantam
