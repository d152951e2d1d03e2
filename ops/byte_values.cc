#include "ops/byte_values.h"

#include "core/autograd.h"
#include "core/parallel.h"

namespace bantam {
namespace {

// Elements [begin, end), which start and end with a pixel. kChannels 0: any number of them, `channels`.
template <int kChannels>
void look_up(const uint8_t* bytes, const float* table, int64_t begin, int64_t end, int64_t channels, float* out) {
  const int64_t c = kChannels ? kChannels : channels;
  for (int64_t i = begin; i < end; i += c)
    for (int64_t k = 0; k < c; ++k) out[i + k] = table[256 * k + bytes[i + k]];
}

Tensor values_of(const Tensor& bytes, const Tensor& table) {
  AllocLabel label("input values");
  const int64_t c = table.dim(0);
  Tensor y = Tensor::empty(bytes.shape());
  const uint8_t* from = bytes.data<uint8_t>();
  const float* values = table.data<float>();
  float* to = y.mutable_data<float>();
  parallel_for(bytes.size() / c, kElementGrain / c, [&](int64_t b, int64_t e, int) {
    (c == 3   ? look_up<3>
     : c == 1 ? look_up<1>
              : look_up<0>)(from, values, b * c, e * c, c, to);
  });
  return y;
}

}  // namespace

Tensor byte_values(const Tensor& bytes, const Tensor& table) {
  if (table.rank() != 2 || table.dim(1) != 256 || bytes.rank() < 1 || bytes.shape()[-1] % table.dim(0) != 0)
    throw Error("byte_values: table " + to_string(table.shape()) + " for bytes " + to_string(bytes.shape()));
  return record_constant("byte_values", values_of(bytes, table), {{"bytes", bytes}, {"table", table}},
                         [](const Node& node) { return values_of(node.saved[0].tensor, node.saved[1].tensor); });
}

}  // namespace bantam
