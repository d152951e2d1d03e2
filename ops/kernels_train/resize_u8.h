// Weighted sums of u8 pixels along one axis, the two passes of a separable resize. Weights have 22 fractional bits,
// sums are exact in i32, and each is rounded (halves up) and clamped to u8: PIL's arithmetic, in whichever order the
// taps are added. Single-threaded over the rows that they get. Definitions: resize_u8_ref.h, equal bit for bit.
#pragma once

#include <cstdint>

namespace bantam {

constexpr int kResizeWeightBits = 22;

// Output i is the sum over j < count[i] of weights[i * most + j] * input[first[i] + j]. |sum of weights| of an output
// stays below 2^23.
struct ResizeTaps {
  int64_t n = 0;     // outputs
  int64_t most = 0;  // room for weights of an output
  const int32_t* first = nullptr;
  const int32_t* count = nullptr;
  const int32_t* weights = nullptr;
};

// Along the rows: in [rows][..][c], rows `stride` bytes apart -> out [rows][taps.n][c]. c is 1 or 3. Reads no byte
// outside of the pixels.
void resize_rows_u8(const uint8_t* in, int64_t stride, int64_t rows, int64_t c, const ResizeTaps& taps,
                    uint8_t* out) noexcept;

// Down the columns: in [h][row_bytes], rows `stride` bytes apart -> out [taps.n][row_bytes].
void resize_columns_u8(const uint8_t* in, int64_t stride, int64_t row_bytes, const ResizeTaps& taps,
                       uint8_t* out) noexcept;

}  // namespace bantam
