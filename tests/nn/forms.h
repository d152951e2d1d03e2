// The thesis's three forms of a net of the zoo [T 4.2], as its recipes make them.
#pragma once

#include <string>

#include "nn/models/models.h"
#include "nn/quantize.h"

namespace bantam {

enum class Form : uint8_t {
  kFloat,
  kBinaryConnect,  // sign weights
  kBnn,            // sign weights and activations
};
constexpr const char* name_of(Form form) {
  switch (form) {
    case Form::kFloat:
      return "float";
    case Form::kBinaryConnect:
      return "binaryconnect";
    case Form::kBnn:
      return "bnn";
  }
  return nullptr;
}
constexpr Form kForms[] = {Form::kFloat, Form::kBinaryConnect, Form::kBnn};

inline bool has_form(const std::string& model, Form form) {
  return form == Form::kFloat || model == "quickstart" || model == "vgg11" || model == "resnet14";
}

inline NetSpec in_form(const std::string& model, Form form, ModelOptions o = {}) {
  QuantRecipe recipe;
  if (form != Form::kFloat) recipe.weight.scheme = Scheme::kSign;
  if (form == Form::kBnn) {
    recipe.activation.scheme = Scheme::kSign;
    if (model != "resnet14") o.order = Order::kHardtanh;
  }
  return quantize(build_model(model, o), recipe);
}

inline ModelOptions cifar_options(double width) { return {.width = width, .classes = 10, .h = 32, .w = 32, .c = 3}; }
inline NetSpec cifar_net(const std::string& model, Form form, double width) {
  return in_form(model, form, cifar_options(width));
}

}  // namespace bantam
