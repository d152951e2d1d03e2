#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/conv_ref.h"

namespace bantam::conv_f64 {

void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y) {
  const double *xp = x.data<double>(), *wp = w.data<double>(), *bp = bias.defined() ? bias.data<double>() : nullptr;
  double* yp = y->mutable_data<double>();
  const int64_t rows = conv_f32_rows(s);
  parallel_for(rows, std::max<int64_t>(1, (1 << 16) * rows / std::max<int64_t>(s.macs(), 1)),
               [&](int64_t b, int64_t e, int) { ref::conv_forward(s, xp, wp, bp, yp, b, e); });
}

void product(int64_t n, int64_t c, int64_t k, const Tensor& x, const Tensor& w, Tensor* y) {
  const double *xp = x.data<double>(), *wp = w.data<double>();
  double* yp = y->mutable_data<double>();
  parallel_for(n, std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(c * k, 1)), [&](int64_t b, int64_t e, int) {
    for (int64_t i = b; i < e; ++i) {
      for (int64_t j = 0; j < k; ++j) yp[i * k + j] = 0;
      for (int64_t t = 0; t < c; ++t)
        for (int64_t j = 0; j < k; ++j) yp[i * k + j] = ref::chain(xp[i * c + t], wp[t * k + j], yp[i * k + j]);
    }
  });
}

void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx) {
  const double *gp = dy.data<double>(), *wp = w.data<double>();
  double* xp = dx->mutable_data<double>();
  parallel_for(s.n, 1, [&](int64_t b, int64_t e, int) { ref::conv_input_grad(s, gp, wp, xp, b, e); });
}

void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  const double *xp = x.data<double>(), *gp = dy.data<double>();
  double* wp = dw->mutable_data<double>();
  parallel_for(s.k, std::max<int64_t>(1, s.k / 16),
               [&](int64_t b, int64_t e, int) { ref::conv_weight_grad(s, xp, gp, wp, b, e); });
}

void bias_grad(const Tensor& dy, Tensor* db) {
  const int64_t k = db->size(), rows = dy.size() / std::max<int64_t>(k, 1);
  const double* gp = dy.data<double>();
  double* bp = db->mutable_data<double>();
  parallel_for(k, k, [&](int64_t, int64_t, int) {
    std::fill(bp, bp + k, 0.0);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < k; ++j) bp[j] += gp[r * k + j];
  });
}

}  // namespace bantam::conv_f64
