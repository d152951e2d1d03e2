// bantam images: images of a data set as PNG files.
#include <filesystem>

#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/recipe/data_source.h"
#include "data/image.h"

namespace bantam {

int run_images(const ImagesArgs& args) {
  check_kind(args.kind);
  const std::string folder = data_folder(args.data, args.kind == "auto" ? "fashion-mnist" : args.kind);
  const Dataset data =
      open_dataset(folder, args.split == "train" ? Split::kTrain : Split::kTest, args.kind, args.first + args.count);
  if (args.first + args.count > data.count)
    throw UsageError("images " + std::to_string(args.first) + " to " + std::to_string(args.first + args.count - 1) +
                     ": there are " + std::to_string(data.count));
  std::error_code error;
  std::filesystem::create_directories(args.out, error);
  if (error) throw IoError(args.out, "make the folder", "mkdir", error.value());
  Json list = Json::array();
  Image image;
  for (int64_t i = args.first; i < args.first + args.count; ++i) {
    std::string name = data.class_names[size_t(data.labels[size_t(i)])];
    for (char& ch : name)
      if (!isalnum(static_cast<unsigned char>(ch))) ch = '-';
    const std::string path = args.out + "/" + std::to_string(i) + "-" + name + ".png";
    load_image(data, i, &image);
    write_png(path, image);
    list.push(Json::object({{"file", path},
                            {"label", data.labels[size_t(i)]},
                            {"name", data.class_names[size_t(data.labels[size_t(i)])]}}));
    if (!args.common.json) print(path + "\n");
  }
  if (args.common.json) print_report("images", Json::object({{"data", data.name}, {"images", list}}));
  return kExitOk;
}

}  // namespace bantam
