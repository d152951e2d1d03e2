// Pooling shapes that tests and benchmarks share.
#pragma once

#include "ops/kernels/conv_shape.h"

namespace bantam {

struct NamedPool {
  const char* name;
  ConvShape shape;
};

//                                     n  h   w   c   k  kh kw sh sw ph pw dh dw groups
inline constexpr NamedPool kTestPools[] = {
    {"2x2, one channel",              {1, 4, 4, 1, 1, 2, 2, 2, 2, 0, 0, 1, 1, 1}},
    {"2x2, 16 channels, odd image",   {2, 5, 7, 16, 16, 2, 2, 2, 2, 0, 0, 1, 1, 1}},
    {"2x2, 17 channels",              {2, 6, 4, 17, 17, 2, 2, 2, 2, 0, 0, 1, 1, 1}},
    {"2x2, 6 channels",               {2, 6, 10, 6, 6, 2, 2, 2, 2, 0, 0, 1, 1, 1}},
    {"3x2, 6 channels, rows left",    {2, 11, 9, 6, 6, 3, 2, 3, 2, 0, 0, 1, 1, 1}},
    {"3x3 stride 2, padded",          {2, 7, 8, 33, 33, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3 stride 1, overlapping",     {1, 6, 5, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"2x2 stride 3, with gaps",       {1, 8, 8, 5, 5, 2, 2, 3, 3, 0, 0, 1, 1, 1}},
    {"3x2, unequal",                  {1, 7, 6, 31, 31, 3, 2, 1, 2, 1, 1, 1, 1, 1}},
    {"whole image",                   {3, 4, 3, 10, 10, 4, 3, 1, 1, 0, 0, 1, 1, 1}},
    {"16x16 window",                  {1, 16, 17, 3, 3, 16, 16, 1, 1, 0, 0, 1, 1, 1}},
};

}  // namespace bantam
