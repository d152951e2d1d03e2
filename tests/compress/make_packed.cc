// make_packed FOLDER IMAGES: packed nets of every kind with random parameters, FOLDER/NAME.bnt, IMAGES random images
// for each, FOLDER/NAME.raw, and the families of the runtime that it needs, FOLDER/NAME.c. make_packed --golden FOLDER:
// golden.bnt and golden.ppm, as committed in tests/compress. make_packed --large FOLDER: the binary VGG-11 and
// ResNet-14 (1.25x) at full width. Used by the scripts that run packed nets on other builds and processors.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cmd/report/packed_report.h"
#include "compress/pack/pack.h"
#include "nn/models/models.h"
#include "nn/quantize.h"
#include "tests/compress/golden_net.h"
#include "tests/compress/random_kinds_net.h"
#include "tests/compress/random_net.h"
#include "tests/nn/forms.h"
#include "tests/nn/hard_swish_net.h"

using namespace bantam;

namespace {

void write(const std::string& path, const void* data, size_t size) {
  FILE* f = fopen(path.c_str(), "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
    perror(path.c_str());
    exit(5);
  }
}

void make(const std::string& folder, const std::string& name, const NetSpec& spec, int images) {
  Net model(spec);
  randomize(&model, 7);
  const auto& in = std::get<InputConfig>(spec.nodes[0].config);
  const std::vector<uint8_t> file =
      pack(model.plan, model.parameters, {random_lut(in.c, 7), {}, random_image(spec, 0)});
  write(folder + "/" + name + ".bnt", file.data(), file.size());
  const std::string families = family_list(report_of(file).families);
  write(folder + "/" + name + ".c", families.data(), families.size());
  std::vector<uint8_t> raw;
  for (int i = 0; i < images; ++i) {
    const std::vector<uint8_t> x = random_image(spec, uint64_t(i) + 1);
    raw.insert(raw.end(), x.begin(), x.end());
  }
  write(folder + "/" + name + ".raw", raw.data(), raw.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: make_packed FOLDER IMAGES | --golden FOLDER | --large FOLDER\n");
    return 2;
  }
  if (strcmp(argv[1], "--golden") == 0) {
    const std::vector<uint8_t> file = golden_file(), image = golden_image();
    write(std::string(argv[2]) + "/golden.bnt", file.data(), file.size());
    std::string ppm = "P6\n10 14\n255\n";
    ppm.append(image.begin(), image.end());
    write(std::string(argv[2]) + "/golden.ppm", ppm.data(), ppm.size());
    return 0;
  }
  if (strcmp(argv[1], "--large") == 0) {
    make(argv[2], "vgg11-bnn-full", cifar_net("vgg11", Form::kBnn, 1), 1);
    make(argv[2], "resnet14-bnn-full", cifar_net("resnet14", Form::kBnn, 1.25), 1);
    return 0;
  }
  const std::string folder = argv[1];
  const int images = atoi(argv[2]);
  for (Form form : {Form::kBnn, Form::kBinaryConnect, Form::kFloat}) {
    make(folder, std::string("quickstart-") + name_of(form), in_form("quickstart", form), images);
    const double width = form == Form::kBnn ? 0.5 : 0.125;
    for (const char* net : {"vgg11", "resnet14"})
      make(folder, net + std::string("-") + name_of(form), cifar_net(net, form, width), images);
  }
  QuantRecipe codes;
  codes.weight = {.scheme = Scheme::kTanh, .bits = 4}, codes.activation = {.scheme = Scheme::kRelu, .bits = 4};
  make(folder, "vgg11-codes", quantize(build_model("vgg11", {.width = 0.125, .h = 32, .w = 32, .c = 3}), codes),
       images);
  QuantRecipe bytes;
  bytes.first = bytes.last = true;
  bytes.weight = {.scheme = Scheme::kInt, .bits = 8, .granularity = Granularity::kChannel};
  bytes.activation = {.scheme = Scheme::kInt, .bits = 8, .low = -1, .high = 3};
  make(folder, "quickstart-int8", quantize(build_model("quickstart", {}), bytes), images);
  make(folder, "hard-swish", hard_swish_net(), images);
  for (uint64_t seed = 0; seed < 8; ++seed)
    make(folder, "kinds-" + std::to_string(seed), random_kinds_net(seed), images);
  for (uint64_t seed = 0; seed < 20; ++seed) make(folder, "random-" + std::to_string(seed), random_net(seed), images);
  return 0;
}
