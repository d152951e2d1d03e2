#include "ops/quant/quantize.h"

#include "ops/quant/sign.h"

namespace bantam {

Quantized quantize_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value) {
  switch (spec.scheme) {
    case Scheme::kNone:
      return {x, {}, 1};
    case Scheme::kSign:
      return sign(x, spec.surrogate, materialize_value);
  }
  throw Error("quantize: no such scheme");
}

Tensor quantize_weight(const Tensor& w, const QuantSpec& spec) {
  switch (spec.scheme) {
    case Scheme::kNone:
      return w;
    case Scheme::kSign:
      return sign_ste(w, spec.surrogate);
  }
  throw Error("quantize: no such scheme");
}

}  // namespace bantam
