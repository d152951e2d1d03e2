// bantam predict: classes of image files.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/text.h"
#include "core/parallel.h"
#include "data/resize.h"

namespace bantam {
namespace {

std::vector<double> softmax(const float* scores, int classes) {
  const double largest = *std::max_element(scores, scores + classes);
  std::vector<double> p;
  double total = 0;
  for (int c = 0; c < classes; ++c) total += p.emplace_back(std::exp(double(scores[c]) - largest));
  for (double& v : p) v /= total;
  return p;
}

}  // namespace

int run_predict(const PredictArgs& args) {
  set_threads(args.common.threads);
  AnyModel model = load_any(args.model);
  // All files are read before anything is printed: a bad one ends the command with nothing half done.
  std::vector<Image> images;
  for (const std::string& path : args.images)
    images.push_back(fit(read_image(path, int(model.c)), int(model.h), int(model.w)));
  Tensor pixels = Tensor::empty({int64_t(images.size()), model.h, model.w, model.c}, DType::kU8);
  for (size_t i = 0; i < images.size(); ++i)
    std::copy(images[i].pixels.begin(), images[i].pixels.end(),
              pixels.mutable_data<uint8_t>() + int64_t(i) * model.h * model.w * model.c);
  Scorer scorer(&model);
  const Tensor scores = scorer(pixels);

  const int classes = model.classes();
  size_t width = 0;
  for (const std::string& name : model.class_names) width = std::max(width, name.size());
  Json list = Json::array();
  for (size_t i = 0; i < images.size(); ++i) {
    const float* row = scores.data<float>() + int64_t(i) * classes;
    const std::vector<double> p = softmax(row, classes);
    std::vector<int> order(static_cast<size_t>(classes));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return row[a] > row[b]; });
    order.resize(size_t(std::min(args.top, classes)));
    Json found = Json::array();
    std::string text = args.images[i] + "\n";
    for (int c : order) {
      const std::string& name = model.class_names[size_t(c)];
      found.push(Json::object({{"index", c}, {"name", name}, {"score", row[c]}, {"probability", p[size_t(c)]}}));
      text += "  " + pad_right(name, width) + pad_left(fixed(100 * p[size_t(c)], 1), 7) + " %\n";
    }
    list.push(Json::object({{"file", args.images[i]}, {"classes", found}}));
    if (!args.common.json) print(text);
  }
  if (args.common.json)
    print_report("predict", Json::object({{"model", model.path}, {"kind", model.kind()}, {"images", list}}));
  return kExitOk;
}

}  // namespace bantam
