#include "cmd/any_model.h"

#include <cstring>

#include "cmd/errors.h"
#include "cmd/recipe/recipe.h"
#include "core/file.h"
#include "core/parallel.h"

namespace bantam {
namespace {

constexpr uint64_t kMaxPackedBytes = uint64_t(1) << 32;

std::unique_ptr<PackedModel> parse_packed(const Bytes& bytes, const std::string& path) {
  try {
    return std::make_unique<PackedModel>(bytes);
  } catch (const Error& e) {
    throw FileError(path, e.what());
  }
}

}  // namespace

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

Scorer::Scorer(AnyModel* model) : model_(model) {
  if (model->net) {
    tables_ = normalize_tables(int(model->c), model->net->info.mean, model->net->info.stddev);
  } else {
    for (int lane = 1; lane < threads(); ++lane) more_.push_back(model->packed->another_session());
  }
}

Tensor Scorer::operator()(const std::vector<const uint8_t*>& images) {
  const AnyModel& m = *model_;
  const int64_t n = int64_t(images.size()), pixels = m.h * m.w * m.c;
  if (m.net) {
    const NoGrad no_grad;
    Tensor x = Tensor::empty({n, m.h, m.w, m.c});
    parallel_for(n, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i)
        transform_image(images[size_t(i)], int(m.h), int(m.w), int(m.c), {}, tables_.data(),
                        x.mutable_data<float>() + i * pixels);
    });
    return m.net->model->forward(Context{}, x);
  }
  Tensor scores = Tensor::empty({n, m.classes()});
  parallel_for(n, 1, [&](int64_t begin, int64_t end, int lane) {
    PackedModel& session = lane == 0 ? *m.packed : *more_[size_t(lane - 1)];
    for (int64_t i = begin; i < end; ++i) {
      const std::vector<float> row = session.run(images[size_t(i)], 1);
      std::copy(row.begin(), row.end(), scores.mutable_data<float>() + i * m.classes());
    }
  });
  return scores;
}

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
  bytes_ = model.h * model.w * model.c;
  scratch_.resize(size_t(threads()));
}

const std::vector<const uint8_t*>& EvalImages::get(int64_t begin, int64_t n) {
  const bool as_they_are = data_.decoded() && data_.h == spec_.h && data_.w == spec_.w && spec_.plain();
  if (!as_they_are) block_.resize(size_t(n * bytes_));
  images_.resize(size_t(n));
  parallel_for(n, as_they_are ? n : 4, [&](int64_t from, int64_t to, int lane) {
    for (int64_t i = from; i < to; ++i) {
      AugmentDraw none;
      const uint8_t* pixels = sample_pixels(data_, begin + i, spec_, 0, 0, &scratch_[size_t(lane)], &none);
      if (!as_they_are) pixels = static_cast<uint8_t*>(memcpy(block_.data() + i * bytes_, pixels, size_t(bytes_)));
      images_[size_t(i)] = pixels;
    }
  });
  return images_;
}

}  // namespace bantam
