// All families: what a program gets that has no list of its own. It stands alone in its file, and gives way.
#include "compress/runtime/bnt.h"

extern "C" __attribute__((weak)) const bnt_family* const bnt_families[] = {
    &bnt_family_float_conv, &bnt_family_depthwise, &bnt_family_binary_conv, &bnt_family_code_conv,
    &bnt_family_bits,       &bnt_family_codes,     &bnt_family_bias,        &bnt_family_affine,
    &bnt_family_relu,       &bnt_family_prelu,     &bnt_family_hardtanh,    &bnt_family_hard_swish,
    &bnt_family_add,        &bnt_family_max_pool,  &bnt_family_global_average,
    &bnt_family_adaptive_average, &bnt_family_average_pool, &bnt_family_sigmoid, &bnt_family_tanh,
    &bnt_family_softmax,    &bnt_family_mul,       &bnt_family_concat,      &bnt_family_steps,      nullptr};
