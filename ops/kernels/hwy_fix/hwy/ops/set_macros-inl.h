// Stands before Highway's own header of this name in the include path (no include guard: it is included once a target).
// Highway 1.0.3 names `avxvnni` in the target attribute of HWY_AVX3_DL, the VEX-coded extension of other processors,
// where it means `avx512vnni`: compilers then emit {vex} vpdpbusd, which is an illegal instruction on AVX-512 machines
// without AVX-VNNI. Everything else is Highway's.
#include_next <hwy/ops/set_macros-inl.h>

#if HWY_TARGET == HWY_AVX3_DL
#undef HWY_TARGET_STR
#define HWY_TARGET_STR \
  HWY_TARGET_STR_AVX3  \
  ",vpclmulqdq,avx512vbmi,avx512vbmi2,vaes,avx512vnni,avx512bitalg,avx512vpopcntdq"
#endif
