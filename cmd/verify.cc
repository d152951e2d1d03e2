// bantam verify: a packed model against its checkpoint, value by value, at every tensor that the packed model materializes.
#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/output.h"
#include "cmd/trainer/errors.h"
#include "cmd/trainer/terminal.h"
#include "cmd/trainer/text.h"
#include "core/base/fixed_point.h"
#include "core/parallel.h"

namespace bantam {
namespace {

constexpr int64_t kBatch = 32;

struct Compared {
  std::string name, type;
  uint32_t dims[3] = {};
  int64_t values = 0, differing = 0;
};

// Values of a view that are not those of the evaluation forward; f32 is compared by its bits. `want` is one image's [h,w,c].
int64_t count_differences(const bnt_view& view, const float* want) {
  const size_t pixels = size_t(view.dims[0]) * view.dims[1], channels = view.dims[2];
  int64_t differing = 0;
  if (view.dtype == BNT_F32) {
    const float* got = static_cast<const float*>(view.data);
    for (size_t i = 0; i < pixels * channels; ++i) differing += memcmp(&got[i], &want[i], 4) != 0 ? 1 : 0;
  } else if (view.dtype == BNT_I32) {
    const int32_t* got = static_cast<const int32_t*>(view.data);
    for (size_t i = 0; i < pixels * channels; ++i) differing += float(got[i]) != want[i] ? 1 : 0;
  } else {
    const uint64_t* words = static_cast<const uint64_t*>(view.data);
    const size_t stride = words_for(channels);
    for (size_t p = 0; p < pixels; ++p)
      for (size_t c = 0; c < channels; ++c) {
        const float got = words[p * stride + c / kWordBits] >> (c % kWordBits) & 1 ? 1.0f : -1.0f;
        differing += got != want[p * channels + c] ? 1 : 0;
      }
  }
  return differing;
}

const char* type_text(bnt_dtype t) { return t == BNT_F32 ? "f32" : t == BNT_I32 ? "i32" : "bits"; }

struct Verification {
  std::vector<Compared> tensors;
  int64_t images = 0, differing_predictions = 0, checkpoint_right = 0, packed_right = 0;
  int64_t values() const {
    int64_t n = 0;
    for (const Compared& t : tensors) n += t.values;
    return n;
  }
  int64_t differing_values() const {
    int64_t n = 0;
    for (const Compared& t : tensors) n += t.differing;
    return n;
  }
};

class Verifier {
 public:
  Verifier(AnyModel* net, PackedModel* packed, const Dataset& data) : net_(net), packed_(packed), data_(data) {
    tables_ = normalize_tables(int(net->c), net->net->info.mean, net->net->info.stddev);
    for (int lane = 1; lane < threads(); ++lane) sessions_.push_back(packed->another_session());
    // Which tensors there are, and that each is a node of the net.
    packed->run_traced(data.image(0), [&](const bnt_view& v) {
      if (net->net->info.spec.find(v.name) < 0) throw UsageError(std::string("the packed model has a tensor '") + v.name + "' that the checkpoint's net lacks");
      result_.tensors.push_back({v.name, type_text(v.dtype), {v.dims[0], v.dims[1], v.dims[2]}, 0, 0});
    });
  }

  void add(int64_t begin, int64_t n) {
    std::map<std::string, Tensor> values;
    for (const Compared& t : result_.tensors) values[t.name] = Tensor();
    Tensor logits;
    {
      const NoGrad no_grad;
      Tensor x = Tensor::empty({n, net_->h, net_->w, net_->c});
      for (int64_t i = 0; i < n; ++i)
        transform_image(data_.image(begin + i), data_.h, data_.w, data_.c, {}, tables_.data(), x.mutable_data<float>() + i * data_.image_bytes());
      Context context;
      context.tap = [&](const NodeSpec& node, const Tensor& value) {
        if (const auto it = values.find(node.name); it != values.end()) it->second = value.detach();
      };
      logits = net_->net->model->forward(context, x);
    }
    const int classes = net_->classes();
    std::mutex mutex;
    parallel_for(n, 1, [&](int64_t first, int64_t last, int lane) {
      PackedModel& session = lane == 0 ? *packed_ : *sessions_[size_t(lane - 1)];
      for (int64_t i = first; i < last; ++i) {
        std::vector<int64_t> differing;
        const std::vector<float> scores = session.run_traced(data_.image(begin + i), [&](const bnt_view& v) {
          const Tensor& want = values.at(v.name);
          const int64_t size = want.size() / n;
          if (size != int64_t(v.dims[0]) * v.dims[1] * v.dims[2])
            throw UsageError(std::string("tensor '") + v.name + "' has another size in the checkpoint's net: " + to_string(want.shape()));
          differing.push_back(count_differences(v, want.data<float>() + i * size));
        });
        const float* want = logits.data<float>() + i * classes;
        const int expected = best_class(want, classes), got = best_class(scores.data(), classes);
        const std::lock_guard lock(mutex);
        for (size_t t = 0; t < differing.size(); ++t) {
          Compared& c = result_.tensors[t];
          c.values += int64_t(c.dims[0]) * c.dims[1] * c.dims[2];
          c.differing += differing[t];
        }
        const int label = data_.labels[size_t(begin + i)];
        ++result_.images;
        result_.differing_predictions += got != expected ? 1 : 0;
        result_.checkpoint_right += expected == label ? 1 : 0;
        result_.packed_right += got == label ? 1 : 0;
      }
    });
  }

  const Verification& result() const { return result_; }

 private:
  AnyModel* net_;
  PackedModel* packed_;
  const Dataset& data_;
  std::vector<float> tables_;
  std::vector<std::unique_ptr<PackedModel>> sessions_;  // of lanes 1, 2, ...
  Verification result_;
};

std::string verify_text(const Verification& v) {
  size_t width = 6;
  for (const Compared& t : v.tensors) width = std::max(width, t.name.size());
  std::string out = pad_right("tensor", width) + pad_left("type", 6) + pad_left("size", 14) + pad_left("values", 16) + pad_left("differing", 12) + "\n";
  for (const Compared& t : v.tensors) {
    const std::string size = std::to_string(t.dims[0]) + "x" + std::to_string(t.dims[1]) + "x" + std::to_string(t.dims[2]);
    out += pad_right(t.name, width) + pad_left(t.type, 6) + pad_left(size, 14) + pad_left(thousands(t.values), 16) + pad_left(thousands(t.differing), 12) + "\n";
  }
  const auto percent = [&](int64_t right) { return fixed(100.0 * double(right) / double(std::max<int64_t>(1, v.images)), 2) + " %"; };
  return out + "\n" + thousands(v.images) + " images, " + thousands(v.values()) + " values: " + thousands(v.differing_values()) + " differ; " +
         thousands(v.differing_predictions) + " predictions differ\ntop-1: checkpoint " + percent(v.checkpoint_right) + ", packed " + percent(v.packed_right) + "\n";
}

Json verify_json(const Verification& v) {
  Json tensors = Json::array();
  for (const Compared& t : v.tensors) {
    Json dims = Json::array();
    for (uint32_t d : t.dims) dims.push(d);
    tensors.push(Json::object({{"name", t.name}, {"type", t.type}, {"dims", dims}, {"values", t.values}, {"differing", t.differing}}));
  }
  return Json::object({{"images", v.images}, {"values", v.values()}, {"differing_values", v.differing_values()},
                       {"differing_predictions", v.differing_predictions},
                       {"checkpoint_top1", double(v.checkpoint_right) / double(std::max<int64_t>(1, v.images))},
                       {"packed_top1", double(v.packed_right) / double(std::max<int64_t>(1, v.images))}, {"tensors", tensors}});
}

}  // namespace

int run_verify(const VerifyArgs& args) {
  set_threads(args.common.threads);
  AnyModel net;
  net.net = load_net(args.checkpoint);
  net.path = net.net->path;
  const Shape in = infer_shapes(net.net->info.spec)[0];
  net.h = in[1], net.w = in[2], net.c = in[3];
  net.class_names = net.net->info.class_names;
  const std::unique_ptr<PackedModel> packed = load_packed(args.packed);
  const bnt_info& info = packed->info();
  if (info.h != net.h || info.w != net.w || info.c != net.c || int(info.classes) != net.classes())
    throw UsageError(args.packed + ": input or classes are not those of " + net.path);
  const Dataset data = open_data_for(net, args.data, args.kind, args.split, args.images);

  Progress progress(stderr_terminal(args.common.no_progress, args.common.quiet));
  Verifier verifier(&net, packed.get(), data);
  const double start = monotonic_seconds();
  for (int64_t begin = 0; begin < data.count; begin += kBatch) {
    verifier.add(begin, std::min(kBatch, data.count - begin));
    const int64_t done = verifier.result().images;
    const double seconds = monotonic_seconds() - start;
    ProgressState state;
    state.title = "verify";
    state.done = done;
    state.total = data.count;
    state.evaluating = true;
    state.images_per_second = seconds > 0 ? double(done) / seconds : 0;
    state.seconds_left = seconds / double(done) * double(data.count - done);
    progress.update(state);
  }
  progress.clear();
  const Verification& v = verifier.result();
  if (args.common.json)
    print_report("verify", verify_json(v));
  else
    print(verify_text(v));
  return v.differing_values() || v.differing_predictions ? kExitMismatch : kExitOk;
}

}  // namespace bantam
