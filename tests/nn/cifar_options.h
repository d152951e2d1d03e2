// A net for CIFAR-10's images, of any width.
#pragma once

#include "nn/models/models.h"

namespace bantam {

inline ModelOptions cifar_options(Form form, double width) {
  return {.form = form, .width = width, .classes = 10, .h = 32, .w = 32, .c = 3};
}

}  // namespace bantam
