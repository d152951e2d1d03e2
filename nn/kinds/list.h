// The kinds of nodes, one line each: the enum's name and the word that files and messages use. A kind's room is
// nn/kinds/<word>.cc; whoever is in this list and has none does not link.
#pragma once

#define BANTAM_KINDS(KIND)                 \
  KIND(Input, input)                       \
  KIND(Conv, conv)                         \
  KIND(Linear, linear)                     \
  KIND(BatchNorm, batch_norm)              \
  KIND(Relu, relu)                         \
  KIND(PRelu, prelu)                       \
  KIND(Hardtanh, hardtanh)                 \
  KIND(HardSwish, hard_swish)              \
  KIND(Sigmoid, sigmoid)                   \
  KIND(Tanh, tanh)                         \
  KIND(Softmax, softmax)                   \
  KIND(MaxPool, max_pool)                  \
  KIND(AvgPool, avg_pool)                  \
  KIND(GlobalAvgPool, global_avg_pool)     \
  KIND(AdaptiveAvgPool, adaptive_avg_pool) \
  KIND(Add, add)                           \
  KIND(Mul, mul)                           \
  KIND(Concat, concat)                     \
  KIND(Flatten, flatten)                   \
  KIND(Quantize, quantize)                 \
  KIND(InputScale, input_scale)            \
  KIND(Dropout, dropout)
