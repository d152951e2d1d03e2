#include "compress/pack/weights.h"

#include "core/base/fixed_point.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/gemm_f32.h"

namespace bantam::packed {
namespace {

int64_t padded(int64_t cols) { return int64_t(round_up(size_t(cols), 16)); }

// Where element (k, n) of a group lies in its panels.
int64_t panel_index(int64_t depth, int64_t cols, int64_t k, int64_t n) {
  const int64_t first = n / kGemmPanel * kGemmPanel;
  const int64_t width = cols - first > 16 ? kGemmPanel : 16;
  return first * depth + k * width + (n - first);
}

}  // namespace

std::vector<uint64_t> pack_weight_bits(const float* w, int64_t rows, int64_t c) {
  std::vector<uint64_t> bits(size_t(rows) * words_for(size_t(c)));
  pack_signs(w, rows, c, bits.data());
  return bits;
}

std::vector<float> unpack_weight_bits(const uint64_t* bits, int64_t rows, int64_t c) {
  std::vector<float> w(size_t(rows * c));
  unpack_signs(bits, rows, c, w.data());
  return w;
}

std::vector<uint8_t> pack_weight_signs(const float* w, int64_t groups, int64_t depth, int64_t cols) {
  const int64_t row = padded(cols) / 8;
  std::vector<uint8_t> bits(size_t(groups * depth * row));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t n = 0; n < cols; ++n)
      for (int64_t k = 0; k < depth; ++k)
        if (sign_bit(w[(g * cols + n) * depth + k]))
          bits[size_t((g * depth + k) * row + n / 8)] |= uint8_t(1u << (n % 8));
  return bits;
}

std::vector<float> unpack_weight_signs(const uint8_t* bits, int64_t groups, int64_t depth, int64_t cols) {
  const int64_t row = padded(cols) / 8;
  std::vector<float> w(size_t(groups * cols * depth));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t n = 0; n < cols; ++n)
      for (int64_t k = 0; k < depth; ++k)
        w[size_t((g * cols + n) * depth + k)] = bits[(g * depth + k) * row + n / 8] >> (n % 8) & 1 ? 1.0f : -1.0f;
  return w;
}

std::vector<float> pack_weight_depthwise(const float* w, int64_t taps, int64_t c) {
  std::vector<float> packed(size_t(taps * padded(c)));
  for (int64_t k = 0; k < c; ++k)
    for (int64_t t = 0; t < taps; ++t) packed[size_t(t * padded(c) + k)] = w[k * taps + t];
  return packed;
}

std::vector<float> pack_weight_panels(const float* w, int64_t groups, int64_t depth, int64_t cols) {
  std::vector<float> panels(size_t(groups * depth * padded(cols)));
  for (int64_t g = 0; g < groups; ++g)
    gemm_f32_pack_columns(w + g * cols * depth, depth, depth, cols, 0, (cols + kGemmPanel - 1) / kGemmPanel,
                          panels.data() + g * depth * padded(cols));
  return panels;
}

std::vector<uint16_t> pack_weight_halves(const float* w, int64_t n, uint16_t (*narrow)(double)) {
  std::vector<uint16_t> halves(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) halves[size_t(i)] = narrow(double(w[i]));
  return halves;
}

std::vector<float> unpack_weight_panels(const float* panels, int64_t groups, int64_t depth, int64_t cols) {
  std::vector<float> w(size_t(groups * cols * depth));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t n = 0; n < cols; ++n)
      for (int64_t k = 0; k < depth; ++k)
        w[size_t((g * cols + n) * depth + k)] = panels[g * depth * padded(cols) + panel_index(depth, cols, k, n)];
  return w;
}

}  // namespace bantam::packed
