// Loops over compile-time indices, included once a target: g++ keeps an array of accumulators in registers only if
// every index is a constant; with plain loops half of the speed is gone.
//
//   static_for<4>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
#if defined(BANTAM_STATIC_FOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_STATIC_FOR_INL_H_
#undef BANTAM_STATIC_FOR_INL_H_
#else
#define BANTAM_STATIC_FOR_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <utility>

#ifndef BANTAM_LAMBDA
#define BANTAM_LAMBDA HWY_ATTR __attribute__((always_inline))
#endif

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Where code is to be small (-Os), kernels have fewer sizes of tiles.
#ifdef __OPTIMIZE_SIZE__
[[maybe_unused]] constexpr bool kFewTiles = true;
#else
[[maybe_unused]] constexpr bool kFewTiles = false;
#endif

template <class F, size_t... I>
HWY_INLINE HWY_ATTR void static_for_each(std::index_sequence<I...>, F&& f) {
  (f(std::integral_constant<int, int(I)>()), ...);
}
template <int n, class F>
HWY_INLINE HWY_ATTR void static_for(F&& f) {
  static_for_each(std::make_index_sequence<size_t(n)>(), f);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // per target
