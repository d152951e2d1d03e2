#include "compress/pack/self_check.h"

#include <algorithm>
#include <cstdio>

#include "compress/pack/verify.h"
#include "core/rng.h"

namespace bantam::packed {
namespace {

// n images [h][w][c] of so many bytes each.
std::vector<uint8_t> check_images(const std::vector<uint8_t>& test_image, size_t bytes, int n) {
  std::vector<uint8_t> all = test_image;
  for (int made = 0; all.size() < size_t(n) * bytes; ++made) {
    const Rng rng(0, kRngTest, 1, uint64_t(made));
    for (size_t i = 0; i < bytes; ++i) all.push_back(made == 1 ? 0 : made == 2 ? 255 : uint8_t(rng.bits(i)));
  }
  return all;
}

}  // namespace

int images_to_check(uint64_t macs) {
  constexpr uint64_t kMost = 4, kMacs = 2'000'000'000;
  return int(std::clamp<uint64_t>(kMacs / std::max<uint64_t>(1, macs), 1, kMost));
}

void check_packed(const TrainedNet& net, std::unique_ptr<PackedModel> packed, const PackOptions& options) {
  const bnt_info info = packed->info();
  const int n = images_to_check(info.macs);
  const std::vector<uint8_t> images = check_images(options.test_image, size_t(info.h) * info.w * info.c, n);
  Tensor x = Tensor::empty({n, info.h, info.w, info.c}, DType::kU8), table = Tensor::empty({info.c, 256});
  std::copy(images.begin(), images.end(), x.mutable_data<uint8_t>());
  std::copy(options.lut.begin(), options.lut.end(), table.mutable_data<float>());

  Verifier verifier(net, std::move(packed));
  (void)verifier.add({x, table});
  for (const VerifiedTensor& t : verifier.report().tensors) {
    if (t.differing == 0) continue;
    char largest[32];
    snprintf(largest, sizeof largest, "%.3g", t.largest);
    throw Error("pack: the packed net differs from the trained one at " + t.name + ": " + std::to_string(t.differing) +
                " of " + std::to_string(t.values) + " values, by up to " + largest + " (on " + std::to_string(n) +
                (n == 1 ? " image)" : " images)"));
  }
}

}  // namespace bantam::packed
