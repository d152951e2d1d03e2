#include "ops/kernels_train/color_u8.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/color_u8.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels_train/color_u8_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D8 = hn::ScalableTag<uint8_t>;
using D32 = hn::ScalableTag<int32_t>;
using V32 = hn::Vec<D32>;
using DF = hn::ScalableTag<float>;
constexpr int64_t kLanes = hn::MaxLanes(D32());

// Pixels are taken apart into planes, this many at a time: a multiple of the lanes of u8, and small beside the first
// level cache.
constexpr int64_t kBlock = 256;
struct Planes {
  alignas(64) uint8_t r[kBlock], g[kBlock], b[kBlock];
};

// The last vector is filled up with black.
HWY_INLINE void take_apart(const uint8_t* pixels, int64_t n, Planes* to) {
  const D8 d;
  constexpr int64_t kStep = hn::MaxLanes(D8());
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    hn::Vec<D8> r, g, b;
    hn::LoadInterleaved3(d, pixels + 3 * i, r, g, b);
    hn::StoreU(r, d, to->r + i);
    hn::StoreU(g, d, to->g + i);
    hn::StoreU(b, d, to->b + i);
  }
  for (; i < n; ++i) to->r[i] = pixels[3 * i], to->g[i] = pixels[3 * i + 1], to->b[i] = pixels[3 * i + 2];
  for (; i % kLanes != 0; ++i) to->r[i] = to->g[i] = to->b[i] = 0;
}

HWY_INLINE void put_together(const Planes& from, int64_t n, uint8_t* pixels) {
  const D8 d;
  constexpr int64_t kStep = hn::MaxLanes(D8());
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep)
    hn::StoreInterleaved3(hn::LoadU(d, from.r + i), hn::LoadU(d, from.g + i), hn::LoadU(d, from.b + i), d,
                          pixels + 3 * i);
  for (; i < n; ++i) pixels[3 * i] = from.r[i], pixels[3 * i + 1] = from.g[i], pixels[3 * i + 2] = from.b[i];
}

// change(planes, at) on each vector of `step` pixels.
template <class F> HWY_INLINE void for_pixels(uint8_t* pixels, int64_t n, int64_t step, const F& change) {
  Planes planes;
  for (; n > 0; n -= kBlock, pixels += 3 * kBlock) {
    const int64_t count = n < kBlock ? n : kBlock;
    take_apart(pixels, count, &planes);
    for (int64_t i = 0; i < count; i += step) change(&planes, i);
    put_together(planes, count, pixels);
  }
}

HWY_INLINE V32 load(const uint8_t* p) {
  return hn::PromoteTo(D32(), hn::LoadU(hn::Rebind<uint8_t, D32>(), p));
}

HWY_INLINE V32 gray(V32 r, V32 g, V32 b) {
  const D32 d;
  const V32 low = hn::Add(hn::Mul(r, hn::Set(d, 19595)), hn::Mul(g, hn::Set(d, 38470)));
  return hn::ShiftRight<16>(hn::Add(hn::Add(low, hn::Mul(b, hn::Set(d, 7471))), hn::Set(d, 32768)));
}

// PIL rounds product and sum: not fused.
HWY_INLINE hn::Vec<hn::Rebind<uint8_t, D32>> blended(V32 with, V32 value, hn::Vec<DF> factor) {
  const DF d;
  const auto moved = hn::Mul(factor, hn::ConvertTo(d, hn::Sub(value, with)));
  const auto v = hn::Add(hn::ConvertTo(d, with), moved);
  const auto clamped = hn::Min(hn::Max(v, hn::Zero(d)), hn::Set(d, 255.0f));
  return hn::DemoteTo(hn::Rebind<uint8_t, D32>(), hn::ConvertTo(D32(), clamped));
}

void blend_impl(uint8_t* values, int64_t n, int with, float factor) {
  const V32 w = hn::Set(D32(), with);
  const auto f = hn::Set(DF(), factor);
  const hn::Rebind<uint8_t, D32> d8;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(blended(w, load(values + i), f), d8, values + i);
  ref::blend_u8(values + i, n - i, with, factor);
}

void blend_gray_impl(uint8_t* pixels, int64_t n, float factor) {
  const auto f = hn::Set(DF(), factor);
  for_pixels(pixels, n, kLanes, [&](Planes* p, int64_t i) HWY_ATTR {
    const hn::Rebind<uint8_t, D32> d8;
    const V32 r = load(p->r + i), g = load(p->g + i), b = load(p->b + i), with = gray(r, g, b);
    hn::StoreU(blended(with, r, f), d8, p->r + i);
    hn::StoreU(blended(with, g, f), d8, p->g + i);
    hn::StoreU(blended(with, b, f), d8, p->b + i);
  });
}

int64_t gray_sum_impl(const uint8_t* pixels, int64_t n) {
  Planes p;
  int64_t total = 0;
  for (; n > 0; n -= kBlock, pixels += 3 * kBlock) {
    const int64_t count = n < kBlock ? n : kBlock;
    take_apart(pixels, count, &p);
    V32 sum = hn::Zero(D32());
    for (int64_t i = 0; i < count; i += kLanes)
      sum = hn::Add(sum, gray(load(p.r + i), load(p.g + i), load(p.b + i)));
    total += hn::GetLane(hn::SumOfLanes(D32(), sum));
  }
  return total;
}

#if HWY_HAVE_FLOAT64

// As many pixels as f64 has lanes: what PIL computes in double is computed so, the rest in vectors of half the width.
using E64 = hn::ScalableTag<double>;
using EF = hn::Rebind<float, E64>;
using E32 = hn::Rebind<int32_t, E64>;
using E8 = hn::Rebind<uint8_t, E64>;
using W32 = hn::Vec<E32>;
using W64 = hn::Vec<E64>;

HWY_INLINE W32 load_few(const uint8_t* p) { return hn::PromoteTo(E32(), hn::LoadU(E8(), p)); }
HWY_INLINE hn::Vec<EF> to_float(W32 v) { return hn::ConvertTo(EF(), v); }
HWY_INLINE W32 cut(W64 v) { return hn::DemoteTo(E32(), v); }  // of what is in [0, 256)

// Hue and saturation. One of PIL's three quotients is 1, one is 0, and the third is x = (most - middle) / (most -
// least): its hue before the division by 6 is 1 - x or x - 1 where red is the most, 1 + x or 3 - x (green), 3 + x or 5
// - x (blue), rounded to f32 once; the first of the two where blue (of the last pair, red) is the least.
HWY_INLINE void hue_and_saturation(W32 r, W32 g, W32 b, W32 most, W32* hue, W32* saturation) {
  const EF df;
  const E64 dd;
  const auto set = [](int v) HWY_ATTR { return hn::Set(E32(), v); };
  const W32 least = hn::Min(r, hn::Min(g, b)), range = hn::Sub(most, least);
  const W32 middle = hn::Sub(hn::Sub(hn::Add(r, hn::Add(g, b)), most), least);
  const auto red = hn::Eq(r, most), warm = hn::Eq(hn::Max(r, g), most);  // warm: red, or else green
  const auto first = hn::Eq(hn::IfThenElse(warm, b, r), least);
  const W32 base = hn::IfThenElse(first, hn::IfThenElse(warm, set(1), set(3)),
                                  hn::IfThenElse(red, set(-1), hn::IfThenElse(warm, set(3), set(5))));
  const W32 sign = hn::IfThenElse(hn::Xor(red, first), set(1), set(-1));

  const auto x = hn::Div(to_float(hn::Sub(most, middle)), to_float(hn::Max(range, set(1))));
  const auto h = hn::Add(to_float(base), hn::Mul(to_float(sign), x));
  W64 turn = hn::Add(hn::Mul(hn::PromoteTo(dd, h), hn::Set(dd, 1.0 / 6.0)), hn::Set(dd, 1.0));
  turn = hn::Sub(turn, hn::Floor(turn));
  *hue = cut(hn::Mul(hn::PromoteTo(dd, hn::DemoteTo(df, turn)), hn::Set(dd, 255.0)));
  const auto s = hn::Div(to_float(range), to_float(hn::Max(most, set(1))));
  *saturation = cut(hn::Mul(hn::PromoteTo(dd, s), hn::Set(dd, 255.0)));
}

void turn_hue_impl(uint8_t* pixels, int64_t n, uint8_t turn) {
  constexpr int64_t kStep = hn::MaxLanes(E64());
  for_pixels(pixels, n, kStep, [&](Planes* planes, int64_t i) HWY_ATTR {
    const EF df;
    const E64 dd;
    const auto set = [](int v) HWY_ATTR { return hn::Set(E32(), v); };
    const W32 r = load_few(planes->r + i), g = load_few(planes->g + i), b = load_few(planes->b + i);
    const W32 v = hn::Max(r, hn::Max(g, b));
    W32 hue, saturation;
    hue_and_saturation(r, g, b, v, &hue, &saturation);

    // Six times the turned hue in 255ths of the circle: sector and the part of it; 255 is the end of sector 5, and 0.
    const W32 sixfold = hn::Mul(hn::And(hn::Add(hue, set(turn)), set(255)), set(6));
    const W32 sector = hn::ShiftRight<8>(hn::Add(hn::Add(sixfold, set(1)), hn::ShiftRight<8>(sixfold)));
    const W32 rest = hn::Sub(sixfold, hn::Mul(sector, set(255)));
    const auto of_255 = hn::Set(df, 255.0f);
    const auto f = hn::Div(to_float(rest), of_255), s = hn::Div(to_float(saturation), of_255);

    const W64 v64 = hn::PromoteTo(dd, v), s64 = hn::PromoteTo(dd, s), one = hn::Set(dd, 1.0);
    const auto without = [&](W64 share) HWY_ATTR {  // v (1 - share), halves up
      return cut(hn::Add(hn::Mul(v64, hn::Sub(one, share)), hn::Set(dd, 0.5)));
    };
    const W32 p = without(s64), q = without(hn::PromoteTo(dd, hn::Mul(s, f))),
              t = without(hn::Mul(s64, hn::Sub(one, hn::PromoteTo(dd, f))));

    // red, green, blue by sector: v t p, q v p, p v t, p q v, t p v, v p q; 6 is 0.
    const auto is = [&](int k) HWY_ATTR { return hn::Eq(sector, set(k)); };
    const auto is1 = is(1), is2 = is(2), is3 = is(3), is4 = is(4), is5 = is(5);
    const W32 red = hn::IfThenElse(is1, q, hn::IfThenElse(hn::Or(is2, is3), p, hn::IfThenElse(is4, t, v)));
    const W32 green =
        hn::IfThenElse(hn::Or(is1, is2), v, hn::IfThenElse(is3, q, hn::IfThenElse(hn::Or(is4, is5), p, t)));
    const W32 blue = hn::IfThenElse(is2, t, hn::IfThenElse(hn::Or(is3, is4), v, hn::IfThenElse(is5, q, p)));
    hn::StoreU(hn::DemoteTo(E8(), red), E8(), planes->r + i);
    hn::StoreU(hn::DemoteTo(E8(), green), E8(), planes->g + i);
    hn::StoreU(hn::DemoteTo(E8(), blue), E8(), planes->b + i);
  });
}

#else

void turn_hue_impl(uint8_t* pixels, int64_t n, uint8_t turn) { ref::turn_hue_u8(pixels, n, turn); }

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(blend_impl);
HWY_EXPORT(blend_gray_impl);
HWY_EXPORT(gray_sum_impl);
HWY_EXPORT(turn_hue_impl);

void blend_u8(uint8_t* values, int64_t n, int with, float factor) noexcept {
  HWY_DYNAMIC_DISPATCH(blend_impl)(values, n, with, factor);
}
void blend_gray_u8(uint8_t* pixels, int64_t n, float factor) noexcept {
  HWY_DYNAMIC_DISPATCH(blend_gray_impl)(pixels, n, factor);
}
int64_t gray_sum_u8(const uint8_t* pixels, int64_t n) noexcept {
  return HWY_DYNAMIC_DISPATCH(gray_sum_impl)(pixels, n);
}
void turn_hue_u8(uint8_t* pixels, int64_t n, uint8_t turn) noexcept {
  HWY_DYNAMIC_DISPATCH(turn_hue_impl)(pixels, n, turn);
}

}  // namespace bantam
#endif  // HWY_ONCE
