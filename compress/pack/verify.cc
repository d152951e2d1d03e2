#include "compress/pack/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>

#include "core/base/fixed_point.h"
#include "core/parallel.h"

namespace bantam {
namespace {

int64_t elements(const bnt_view& v) { return int64_t(v.dims[0]) * v.dims[1] * v.dims[2]; }

const char* type_name(const bnt_view& v) {
  switch (v.dtype) {
    case BNT_F32: return "f32";
    case BNT_BITS: return "bits";
    case BNT_CODES:
      return "codes";
    case BNT_I32: break;  // no tensor has it yet
  }
  throw Error("verify: tensor " + std::string(v.name) + " has a type that cannot be compared");
}

// Of a tensor whose type has a name.
float value_at(const bnt_view& v, int64_t i) {
  if (v.dtype == BNT_F32) return static_cast<const float*>(v.data)[i];
  if (v.dtype == BNT_CODES) return float(v.mul * static_cast<const uint8_t*>(v.data)[i] + v.add) * v.scale;
  const int64_t c = v.dims[2], channel = i % c;
  const uint64_t word =
      static_cast<const uint64_t*>(v.data)[i / c * int64_t(words_for(size_t(c))) + channel / kWordBits];
  return word >> (channel % kWordBits) & 1 ? 1.0f : -1.0f;
}

// Adds the comparison of one image's tensor to `t`. An f32 tensor that is equal is seen to be so at once.
void compare(const bnt_view& v, const float* want, VerifiedTensor* t) {
  const int64_t n = elements(v);
  t->values += n;
  if (v.dtype == BNT_F32 && memcmp(v.data, want, size_t(n) * sizeof(float)) == 0) return;
  for (int64_t i = 0; i < n; ++i) {
    const float got = value_at(v, i);
    if (memcmp(&got, &want[i], sizeof got) == 0 || (std::isnan(got) && std::isnan(want[i]))) continue;
    ++t->differing;
    t->largest = std::max(t->largest, std::fabs(double(got) - double(want[i])));
  }
}

}  // namespace

Verifier::Verifier(const TrainedNet& net, std::unique_ptr<PackedModel> packed) : net_(net) {
  sessions_.push_back(std::move(packed));
  const bnt_info& info = sessions_[0]->info();
  const auto& in = std::get<InputConfig>(net_.spec().nodes[0].config);
  const auto differ = [](const std::string& what) {
    throw Error("verify: the packed model is of another net: " + what);
  };
  if (info.h != in.h || info.w != in.w || info.c != in.c) differ("its images are of another size");
  if (info.classes != net_.spec().classes) differ("it has " + std::to_string(info.classes) + " classes");

  const std::vector<Shape>& shapes = net_.shapes();
  const std::vector<uint8_t> blank(size_t(info.h) * info.w * info.c);
  (void)sessions_[0]->run_traced(blank.data(), [&](const bnt_view& v) {
    const int node = net_.spec().find(v.name);
    if (node < 0) differ("no node has the name " + std::string(v.name));
    if (shapes[size_t(node)].size() != elements(v)) differ("node " + std::string(v.name) + " has another shape");
    report_.tensors.push_back({v.name, type_name(v), v.dims[0], v.dims[1], v.dims[2], 0, 0, 0});
  });
}

Verifier::~Verifier() = default;

Verifier::Predictions Verifier::add(const Input& input) {
  const bnt_info& info = sessions_[0]->info();
  const uint8_t* images = input.x.data<uint8_t>();
  const int64_t n = input.x.dim(0), bytes = int64_t(info.h) * info.w * info.c, classes = info.classes;
  // The evaluation forward, keeping the nodes that the packed model has.
  std::map<std::string, Tensor> want;
  for (const VerifiedTensor& t : report_.tensors) want[t.name];
  const Tensor logits = net_.evaluate(input, [&](const NodeSpec& node, const Tensor& value) {
    const auto it = want.find(node.name);
    if (it != want.end()) it->second = value.detach();
  });
  for (const auto& [name, value] : want)
    if (!value.defined() || !value.has_data()) throw Error("verify: the evaluation forward did not show node " + name);

  while (int(sessions_.size()) < threads()) sessions_.push_back(sessions_[0]->another_session());
  Predictions predictions = {std::vector<int>(size_t(n)), std::vector<int>(size_t(n))};
  std::mutex mutex;
  parallel_for(n, 1, [&](int64_t begin, int64_t end, int lane) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<VerifiedTensor> tally(report_.tensors.size());
      size_t next = 0;
      const std::vector<float> scores = sessions_[size_t(lane)]->run_traced(images + i * bytes, [&](const bnt_view& v) {
        compare(v, want.at(v.name).data<float>() + i * elements(v), &tally[next++]);
      });
      const float* right = logits.data<float>() + i * classes;
      const auto likeliest = [&](const float* s) { return int(std::max_element(s, s + classes) - s); };
      const int packed = predictions.packed[size_t(i)] = likeliest(scores.data());
      const int trained = predictions.trained[size_t(i)] = likeliest(right);
      const std::lock_guard<std::mutex> lock(mutex);  // sums of integers and a maximum: any order gives the same
      for (size_t t = 0; t < tally.size(); ++t) {
        report_.tensors[t].values += tally[t].values;
        report_.tensors[t].differing += tally[t].differing;
        report_.tensors[t].largest = std::max(report_.tensors[t].largest, tally[t].largest);
        report_.values += tally[t].values;
        report_.differing_values += tally[t].differing;
      }
      report_.differing_predictions += packed != trained;
    }
  });
  report_.images += n;
  return predictions;
}

}  // namespace bantam
