// One op on one image, as the families see it [families.h]. All sizes and places were proved by Reader::check.
#pragma once

#include <cstdint>
#include <cstring>

#include "compress/runtime/reader.h"

namespace bantam::packed {

class FamilySet;

inline float as_float(uint32_t bits) {
  float v;
  memcpy(&v, &bits, 4);
  return v;
}

// Positions [begin, end) under output position `o` of a window that slides, inside [0, size).
struct Span {
  uint64_t begin, end;
};
inline Span window(uint64_t o, uint64_t stride, uint64_t pad, uint64_t kernel, uint64_t size) {
  const uint64_t end = o * stride + kernel - pad;
  return {o * stride < pad ? 0 : o * stride - pad, end < size ? end : size};
}

// What a task has in hand: rows [begin, end) of w pixels, of which it has channels [first_c, first_c + c) and nothing
// else: [end - begin][w][c] floats, sums or codes.
struct Block {
  uint64_t begin, end, w, first_c, c;

  int64_t pixels() const { return int64_t((end - begin) * w); }
  int64_t size() const { return pixels() * int64_t(c); }
};

struct OpRun {
  const Reader& m;
  const OpRecord op;
  const Geometry& g;
  const StageRecord* stages;
  const FamilySet& families;
  const uint8_t* image;
  const uint8_t* weights;  // in mem, or in the file where nothing had to be laid out
  uint8_t* arena;

  float* f32(uint32_t tensor) const { return reinterpret_cast<float*>(arena + m.tensor(tensor).arena); }
  uint64_t* bits(uint32_t tensor) const { return reinterpret_cast<uint64_t*>(arena + m.tensor(tensor).arena); }
  uint8_t* bytes(uint32_t tensor) const { return arena + m.tensor(tensor).arena; }

  void task(uint32_t index, uint8_t* scratch) const;

 private:
  const float* source(const Block& b, float* rows, uint8_t* kernel, uint32_t* stages_done) const;
  void pixels(const Block& b, float* rows) const;
};

// Copies parts of pixels: `n` bytes each, from every `from_step` to every `to_step` bytes.
inline void copy_parts(const void* from, size_t from_step, void* to, size_t to_step, size_t n, int64_t pixels) {
  for (int64_t p = 0; p < pixels; ++p)
    memcpy(static_cast<uint8_t*>(to) + size_t(p) * to_step, static_cast<const uint8_t*>(from) + size_t(p) * from_step,
           n);
}

}  // namespace bantam::packed
