#include "nn/weights_file.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/checkpoint.h"
#include "core/pool.h"

namespace bantam {
namespace {

constexpr std::string_view kPrefixes[] = {"module.", "model.", "_orig_mod.", "state_dict."};
constexpr std::string_view kCounter = ".num_batches_tracked";

std::string without_prefixes(std::string name) {
  for (bool again = true; again;) {
    again = false;
    for (std::string_view prefix : kPrefixes)
      if (name.starts_with(prefix)) {
        name.erase(0, prefix.size());
        again = true;
      }
  }
  return name;
}

bool matches(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& p) { return fnmatch(p.c_str(), name.c_str(), 0) == 0; });
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? "," : "") + std::to_string(shape[i]);
  return s + "]";
}

bool same_shape(const Shape& a, const std::vector<uint64_t>& b) {
  if (size_t(a.rank) != b.size()) return false;
  for (int i = 0; i < a.rank; ++i)
    if (uint64_t(a[i]) != b[size_t(i)]) return false;
  return true;
}

bool is_float(StDType t) {
  return t == StDType::kF16 || t == StDType::kBF16 || t == StDType::kF32 || t == StDType::kF64;
}

// Names and shapes of a net's tensors as files have them; counters have rank 0. In a dry run nothing is allocated.
struct Wanted {
  std::vector<NamedTensor> tensors;
  std::vector<std::string> counters;
  std::set<std::string> of_quantizers;  // tensors that files of nets without quantizers lack
  explicit Wanted(const NetSpec& spec) {
    const DryRun dry;
    const Parameters parameters(spec);
    tensors = parameters.state_dict();
    for (const auto& [name, value] : parameters.counters()) counters.push_back(name);
    for (const NamedTensor& t : tensors)
      if (parameters.is_of_quantizer(t.name)) of_quantizers.insert(t.name);
  }
};

int64_t counter_value(const SafeTensor& e, const std::string& path) {
  int64_t v = -1;
  if (e.dtype == StDType::kI64 && e.bytes.size() == sizeof v) memcpy(&v, e.bytes.data(), sizeof v);
  if (v < 0) throw FileError(path, "tensor " + quote_name(e.name) + ": is no counter (one I64 that is not negative)");
  return v;
}

bool all_finite(const Tensor& t) {
  if (t.dtype() == DType::kF64)
    return std::all_of(t.data<double>(), t.data<double>() + t.size(), [](double v) { return std::isfinite(v); });
  return std::all_of(t.data<float>(), t.data<float>() + t.size(), [](float v) { return std::isfinite(v); });
}

}  // namespace

std::string LoadedWeights::text() const {
  return std::to_string(loaded) + "/" + std::to_string(wanted) + " loaded, " + std::to_string(missing.size()) +
         " missing, " + std::to_string(left_out.size()) + " unexpected";
}

WeightsFile::WeightsFile(SafeTensors file, WeightRules rules) : file_(std::move(file)), rules_(std::move(rules)) {
  for (const SafeTensor& e : file_.tensors()) {
    const std::string name = without_prefixes(e.name);
    if (matches(rules_.allow_unexpected, e.name) || matches(rules_.allow_unexpected, name)) {
      left_out_.push_back(e.name);
      continue;
    }
    const auto [it, is_new] = by_name_.emplace(name, &e);
    if (!is_new)
      throw FileError(path(), "holds " + quote_name(name) + " twice: " + quote_name(it->second->name) + " and " +
                                  quote_name(e.name) + "; leave one set out with --allow-unexpected PATTERN");
  }
}

const SafeTensor* WeightsFile::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

bool WeightsFile::has_names_of(const NetSpec& spec) const {
  const Wanted wanted(spec);
  size_t others = 0;  // of the file, counters aside
  for (const auto& [name, e] : by_name_) others += !name.ends_with(kCounter);
  return others == wanted.tensors.size() &&
         std::all_of(wanted.tensors.begin(), wanted.tensors.end(), [&](const NamedTensor& t) { return find(t.name); });
}

void WeightsFile::check(const NetSpec& spec) const {
  const Wanted wanted(spec);
  std::set<std::string> known(wanted.counters.begin(), wanted.counters.end());
  const auto count = [](size_t n) { return n > 1 ? " and " + std::to_string(n - 1) + " more" : std::string(); };
  std::vector<std::string> missing, unexpected;
  for (const NamedTensor& t : wanted.tensors) {
    known.insert(t.name);
    const SafeTensor* e = find(t.name);
    if (!e) {
      if (!wanted.of_quantizers.count(t.name) && !matches(rules_.allow_missing, t.name)) missing.push_back(t.name);
      continue;
    }
    if (!same_shape(t.tensor.shape(), e->shape))
      throw FileError(
          path(), quote_name(e->name) + " is " + shape_text(e->shape) + ", in the net " + to_string(t.tensor.shape()));
    if (!is_float(e->dtype))
      throw FileError(
          path(), "tensor " + quote_name(e->name) + ": dtype " + name_of(e->dtype) + " is none of F16, BF16, F32, F64");
  }
  for (const auto& [name, e] : by_name_)
    if (!known.count(name)) unexpected.push_back(e->name);
  if (!missing.empty()) throw FileError(path(), "has no tensor " + quote_name(missing[0]) + count(missing.size()));
  if (!unexpected.empty())
    throw FileError(path(), "has a tensor that the net lacks: " + quote_name(unexpected[0]) + count(unexpected.size()));
}

LoadedWeights WeightsFile::load(const NetSpec& spec, Parameters* parameters) const {
  check(spec);
  LoadedWeights r;
  r.left_out = left_out_;
  std::map<std::string, int64_t> counters;
  for (const auto& [name, e] : by_name_) {
    if (name.ends_with(kCounter)) {
      counters[name] = counter_value(*e, path());
      continue;
    }
    const Tensor t = tensor_of(*e, path());
    if (!all_finite(t)) r.not_finite.push_back(e->name);
    r.widened += e->dtype == StDType::kF16 || e->dtype == StDType::kBF16;
    r.rounded += e->dtype == StDType::kF64 && parameters->dtype() == DType::kF32;
    parameters->load_state_dict({{name, t}});  // one by one: a copy of one tensor is alive at a time
    ++r.loaded;
  }
  std::vector<NamedTensor> none;
  parameters->load_state_dict(none, counters);
  r.loaded += int64_t(counters.size());
  const Wanted wanted(spec);
  for (const NamedTensor& t : wanted.tensors) {
    if (find(t.name)) continue;
    r.missing.push_back(t.name);
    if (wanted.of_quantizers.count(t.name) && parameters->find(t.name)) parameters->start_scale(t.name);
  }
  if (!counters.empty())
    for (const std::string& name : wanted.counters)
      if (!counters.count(name)) r.missing.push_back(name);
  r.wanted = r.loaded + int64_t(r.missing.size());
  return r;
}

}  // namespace bantam
