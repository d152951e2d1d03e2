#include "cmd/any_model.h"

#include <algorithm>

#include "cmd/errors.h"
#include "cmd/recipe/recipe.h"
#include "core/file.h"
#include "core/parallel.h"

namespace bantam {
namespace {

constexpr uint64_t kMaxPackedBytes = uint64_t(1) << 32;

}  // namespace

std::unique_ptr<PackedModel> parse_packed(const Bytes& bytes, const std::string& path) {
  try {
    return std::make_unique<PackedModel>(bytes);
  } catch (const Error& e) {
    throw FileError(path, e.what());
  }
}

std::unique_ptr<PackedModel> load_packed(const std::string& path) {
  return parse_packed(read_file(path, kMaxPackedBytes), path);
}

AnyModel load_any(const std::string& path) {
  AnyModel model;
  model.path = checkpoint_path(path);
  if (model.path == path) {
    const Bytes bytes = read_file(path, kMaxPackedBytes);
    if (PackedModel::is_packed(bytes.data(), bytes.size())) {
      model.packed = parse_packed(bytes, path);
      const bnt_info& info = model.packed->info();
      model.h = info.h, model.w = info.w, model.c = info.c;
      for (uint32_t i = 0; i < info.classes; ++i) model.class_names.push_back(model.packed->class_name(i));
      return model;
    }
  }
  model.net = load_net(path);
  const Shape in = infer_shapes(model.net->info.spec)[0];  // [1,H,W,C]
  model.h = in[1], model.w = in[2], model.c = in[3];
  model.class_names = model.net->info.class_names;
  return model;
}

std::optional<DataConfig> AnyModel::data_config() const {
  if (!net || net->info.recipe_toml.empty()) return std::nullopt;
  try {
    return parse_recipe(net->info.recipe_toml, path).data;
  } catch (const UsageError&) {
    return std::nullopt;  // a recipe of another version: the weights are as good
  }
}

void check_switch(const bnt_info& info, int64_t index, const std::string& path) {
  if (index >= int64_t(info.switches))
    throw UsageError("--switch " + std::to_string(index) + ": " + path + " has " + std::to_string(info.switches) +
                     (info.switches == 1 ? " switch, 0" : " switches, from 0 on"));
}

Tensor byte_values_of(const NetCheckpoint& net) {
  const int64_t c = net.net->plan.input().c;
  const std::vector<float> tables = normalize_tables(int(c), net.info.mean, net.info.stddev);
  Tensor t = Tensor::empty({c, 256});
  std::copy(tables.begin(), tables.end(), t.mutable_data<float>());
  return t;
}

Scorer::Scorer(AnyModel* model)
    : evaluator_(model->net ? Evaluator(model->net->net->plan, model->net->net->parameters)
                            : Evaluator(*model->packed)),
      byte_values_(model->net ? byte_values_of(*model->net) : Tensor()) {}

EvalImages::EvalImages(const AnyModel& model, const EvalData& what) {
  const std::optional<DataConfig> config = model.data_config();
  const std::string name = !what.kind.empty() ? what.kind : config ? config->name : "";
  if (!what.kind.empty()) check_kind(what.kind);
  if (what.dir.empty() && name.empty())
    throw UsageError("--data DIR is missing: " + model.path + " does not say what it was trained on");
  data_ = open_dataset(data_folder(what.dir, name), what.split == "train" ? Split::kTrain : Split::kTest,
                       name.empty() ? "auto" : name, what.limit);
  const int64_t resize = what.resize ? what.resize : config ? config->eval_resize : 0;
  const bool resized = data_.h == 0 || resize != 0 || (config && config->image_size != 0);
  if (data_.c != model.c || (!resized && (data_.h != model.h || data_.w != model.w)))
    throw UsageError("the images are " + std::to_string(data_.h) + "x" + std::to_string(data_.w) + "x" +
                     std::to_string(data_.c) + ", the model's " + std::to_string(model.h) + "x" +
                     std::to_string(model.w) + "x" + std::to_string(model.c));
  if (data_.class_names != model.class_names) {
    size_t i = 0;
    while (i < data_.class_names.size() && i < model.class_names.size() && data_.class_names[i] == model.class_names[i])
      ++i;
    const auto at = [&](const std::vector<std::string>& v) { return i < v.size() ? "'" + v[i] + "'" : "missing"; };
    throw UsageError("the classes differ: class " + std::to_string(i) + " is " + at(data_.class_names) +
                     " in the data set, " + at(model.class_names) + " in the model");
  }
  spec_ = fitted(model.h, model.w, resize);
  try {
    check_sample_spec(spec_, data_, "--resize");
  } catch (const Error& e) {
    throw UsageError(e.what());
  }
  scratch_.resize(size_t(threads()));
}

const Tensor& EvalImages::get(int64_t begin, int64_t n) {
  const int64_t bytes = spec_.h * spec_.w * data_.c;
  if (!block_.defined() || block_.dim(0) != n) block_ = Tensor::empty({n, spec_.h, spec_.w, data_.c}, DType::kU8);
  parallel_for(n, 4, [&](int64_t from, int64_t to, int lane) {
    for (int64_t i = from; i < to; ++i) {
      make_sample_bytes(data_, begin + i, spec_, 0, 0, &scratch_[size_t(lane)],
                        block_.mutable_data<uint8_t>() + i * bytes);
    }
  });
  return block_;
}

}  // namespace bantam
