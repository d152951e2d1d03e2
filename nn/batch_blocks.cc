#include "nn/batch_blocks.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/parallel.h"

namespace bantam {
namespace {

void copy_images(const Tensor& src, Tensor& dst, int64_t begin) {
  const size_t row = dst.bytes() / size_t(dst.dim(0));
  parallel_for(int64_t(src.bytes()), 4 * kElementGrain, [&](int64_t b, int64_t e, int) {
    std::memcpy(static_cast<char*>(dst.raw()) + size_t(begin) * row + b, static_cast<const char*>(src.raw()) + b, size_t(e - b));
  });
}

// Images [begin, end). Of signs there are codes only.
Quantized slice(const Quantized& x, int64_t begin, int64_t end) {
  Quantized part{{}, {}, x.step};
  Shape shape = x.value.shape();
  shape[0] = end - begin;
  part.value = x.value.has_data() ? x.value.slice_outer(begin, end) : Tensor::virtual_like(shape, x.value.dtype());
  if (x.codes.defined()) part.codes = {x.codes.bits.slice_outer(begin, end), x.codes.channels};
  return part;
}

Tensor run(int64_t block, const Quantized& x, const std::vector<Tensor>& rest, const Piece& piece) {
  NoGrad no_grad;
  const int64_t n = x.value.dim(0);
  Tensor y;
  for (int64_t begin = 0; begin < n; begin += block) {
    const Tensor part = piece(slice(x, begin, std::min(n, begin + block)), rest);
    if (!y.defined()) {
      Shape shape = part.shape();
      shape[0] = n;
      y = Tensor::empty(shape, part.dtype());
    }
    copy_images(part, y, begin);
  }
  return y;
}

// What the closures of a node know of its input, without holding it.
struct InputForm {
  Shape shape;
  DType dtype;
  bool codes;
  int64_t channels;
  float step;

  Quantized restore(const Tensor& saved) const {
    if (!codes) return {saved, {}, step};
    return {Tensor::virtual_like(shape, dtype), {saved, channels}, step};
  }
};

std::vector<Tensor> differentiate(int64_t block, const InputForm& form, const Piece& piece, const BackwardArgs& b) {
  const WithGrad with_grad;
  const Quantized x = form.restore(b[0]);
  const int64_t n = form.shape[0];
  // Leaves of the blocks' own graphs; the parameters' gradients add up in theirs.
  std::vector<std::unique_ptr<Parameter>> rest;
  for (size_t i = 1; i < b.saved.size(); ++i) {
    rest.push_back(std::make_unique<Parameter>("", b[i]));
    rest.back()->frozen = !b.needs[i];
  }
  std::vector<Tensor> grads(b.needs.size());
  if (b.needs[0]) grads[0] = Tensor::empty(form.shape, form.dtype);
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = std::min(n, begin + block);
    Quantized part = slice(x, begin, end);
    Parameter input("", part.value);
    input.frozen = !b.needs[0];
    part.value = input.tensor();
    std::vector<Tensor> parameters;
    for (const auto& p : rest) parameters.push_back(p->value.defined() ? p->tensor() : Tensor());
    backward({piece(part, parameters)}, {b.grad.slice_outer(begin, end)});
    if (b.needs[0]) copy_images(input.grad, grads[0], begin);
  }
  for (size_t i = 0; i < rest.size(); ++i)
    if (b.needs[i + 1]) grads[i + 1] = rest[i]->grad;
  return grads;
}

}  // namespace

Tensor in_batch_blocks(const char* name, int64_t block, const Quantized& x, const std::vector<Tensor>& rest, const Piece& piece,
                       bool remake) {
  const InputForm form{x.value.shape(), x.value.dtype(), x.codes.defined(), x.codes.channels, x.step};
  std::vector<Tensor> inputs{x.value};
  std::vector<SavedTensor> saved{form.codes ? SavedTensor{"codes", x.codes.bits} : SavedTensor{"input", x.value}};
  for (const Tensor& t : rest) {
    inputs.push_back(t);
    saved.push_back({"parameter", t});
  }
  RecomputeFn recompute;
  if (remake)
    recompute = [=](const Node& node) {
      std::vector<Tensor> parameters;
      for (size_t i = 1; i < node.saved.size(); ++i) parameters.push_back(saved_value(node.saved[i]));
      return run(block, form.restore(saved_value(node.saved[0])), parameters, piece);
    };
  return record(name, run(block, x, rest, piece), inputs, std::move(saved),
                [=](const BackwardArgs& b) { return differentiate(block, form, piece, b); }, std::move(recompute));
}

}  // namespace bantam
