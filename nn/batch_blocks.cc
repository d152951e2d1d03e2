#include "nn/batch_blocks.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "core/parallel.h"

namespace bantam {
namespace {

void copy_images(const Tensor& src, Tensor& dst, int64_t begin) {
  const size_t row = dst.bytes() / size_t(dst.dim(0));
  parallel_for(int64_t(src.bytes()), 4 * kElementGrain, [&](int64_t b, int64_t e, int) {
    std::memcpy(static_cast<char*>(dst.raw()) + size_t(begin) * row + b, static_cast<const char*>(src.raw()) + b,
                size_t(e - b));
  });
}

// Images [begin, end). Of codes that only integer layers read there are no values.
Quantized slice(const Quantized& x, int64_t begin, int64_t end) {
  Quantized part{{}, {}, x.scale};
  Shape shape = x.value.shape();
  shape[0] = end - begin;
  part.value = x.value.has_data() ? x.value.slice_outer(begin, end) : Tensor::virtual_like(shape, x.value.dtype());
  if (x.codes.defined()) part.codes = {x.codes.tensor.slice_outer(begin, end), x.codes.channels, x.codes.grid};
  return part;
}

// images: those of the input in [begin, end), of n in all.
template <class Images>
Tensor run(int64_t block, int64_t n, const Images& images, const Tensors& rest, const Piece& piece) {
  NoGrad no_grad;
  if (block >= n) return piece(images(0, n), rest).detach();
  Tensor y;
  for (int64_t begin = 0; begin < n; begin += block) {
    const Tensor part = piece(images(begin, std::min(n, begin + block)), rest);
    if (!y.defined()) {
      Shape shape = part.shape();
      shape[0] = n;
      y = Tensor::empty(shape, part.dtype());
    }
    copy_images(part, y, begin);
  }
  return y;
}
Tensor run(int64_t block, const Quantized& x, const Tensors& rest, const Piece& piece) {
  return run(
      block, x.value.dim(0), [&](int64_t begin, int64_t end) { return slice(x, begin, end); }, rest, piece);
}

// What the closures of a node know of its input, without holding it.
struct InputForm {
  Shape shape;
  DType dtype;
  bool codes, values;  // which of both it has
  int64_t channels;
  CodeGrid grid;
  Tensor scale;

  explicit InputForm(const Quantized& x)
      : shape(x.value.shape()),
        dtype(x.value.dtype()),
        codes(x.codes.defined()),
        values(x.value.has_data()),
        channels(x.codes.channels),
        grid(x.codes.grid),
        scale(x.scale) {}
  // Images [begin, end) from what the node saved: the codes, if there are any, of which values are made again.
  Quantized images(const Tensor& saved, int64_t begin, int64_t end) const {
    if (!codes) return slice({saved}, begin, end);
    Quantized part = slice({Tensor::virtual_like(shape, dtype), {saved, channels, grid}, scale}, begin, end);
    if (values) part.value = materialize(part);
    return part;
  }
};

// The gradients of a piece whose input and parameters a node saved first, in this order.
class PieceGradient {
 public:
  PieceGradient(const InputForm& form, const Piece& piece, size_t parameters, const BackwardArgs& b)
      : form_(form), piece_(piece), b_(b) {
    for (size_t i = 1; i <= parameters; ++i) {
      rest_.push_back(make_recycled<Parameter>("", b[i]));
      rest_.back()->frozen = !b.needs[i];
    }
  }

  // Images [begin, end) with their graph, which add() walks.
  struct Part {
    std::shared_ptr<Parameter> input;
    Tensor output;
    int64_t begin;
  };
  Part make(int64_t begin, int64_t end) const {
    const WithGrad with_grad;
    Part part{nullptr, {}, begin};
    Quantized x = form_.images(b_[0], begin, end);
    part.input = make_recycled<Parameter>("", x.value);
    part.input->frozen = !b_.needs[0];
    x.value = part.input->tensor();
    Tensors parameters;
    for (const auto& p : rest_) parameters.push_back(p->value.defined() ? p->tensor() : Tensor());
    part.output = piece_(x, parameters);
    return part;
  }
  Tensor values(int64_t begin, int64_t end) const {
    NoGrad no_grad;
    Tensors parameters;
    for (const auto& p : rest_) parameters.push_back(p->value);
    return piece_(form_.images(b_[0], begin, end), parameters).detach();
  }
  // dy: of the part's output. The input's gradient goes to `room` where nobody holds a sum of it already.
  void add(Part part, const Tensor& dy, const Tensor& room = {}) {
    Tensor root = Tensor::virtual_like(part.output.shape(), part.output.dtype());  // the values are not needed any more
    root.set_node(part.output.node());
    part.output = Tensor();
    backward({root}, {dy});
    if (!b_.needs[0]) return;
    if (!dx_.defined()) {
      dx_ = b_.take_sum(0);
      adds_ = dx_.defined();
      if (!adds_ && part.input->grad.size() == form_.shape.size()) {  // all images at once
        dx_ = std::exchange(part.input->grad, Tensor());
        return;
      }
      if (!adds_) dx_ = room.defined() ? room.view(form_.shape) : Tensor::empty(form_.shape, form_.dtype);
    }
    if (adds_)
      add_into(part.input->grad, dx_.slice_outer(part.begin, part.begin + part.input->grad.dim(0)));
    else
      copy_images(part.input->grad, dx_, part.begin);
  }
  // Into the gradients of the node's inputs, in this order, too.
  void finish(Tensors* grads) {
    if (b_.needs[0]) (*grads)[0] = dx_;
    for (size_t i = 0; i < rest_.size(); ++i)
      if (b_.needs[i + 1]) (*grads)[i + 1] = rest_[i]->grad;
  }

 private:
  const InputForm& form_;
  const Piece& piece_;
  const BackwardArgs& b_;
  List<std::shared_ptr<Parameter>> rest_;  // leaves of the parts' graphs, in which their gradients add up
  Tensor dx_;
  bool adds_ = false;
};

// Input and parameters as a node saves them.
List<SavedTensor> saved_piece(const Quantized& x, const Tensors& rest) {
  List<SavedTensor> saved{x.codes.defined() ? SavedTensor{"codes", x.codes.tensor} : SavedTensor{"input", x.value}};
  for (const Tensor& t : rest) saved.push_back({"parameter", t});
  return saved;
}
Tensor run_again(int64_t block, const InputForm& form, size_t parameters, const Piece& piece, const Node& node) {
  Tensors rest;
  for (size_t i = 1; i <= parameters; ++i) rest.push_back(saved_value(node.saved[i]));
  const Tensor saved = saved_value(node.saved[0]);
  return run(
      block, form.shape[0], [&](int64_t begin, int64_t end) { return form.images(saved, begin, end); }, rest, piece);
}

}  // namespace

Tensor in_batch_blocks(const char* name, int64_t block, const Quantized& x, const Tensors& rest, const Piece& piece,
                       bool remake, const Piece& first) {
  const InputForm form(x);
  const size_t parameters = rest.size();
  Tensors inputs{x.value};
  inputs.insert(inputs.end(), rest.begin(), rest.end());
  RecomputeFn recompute;
  if (remake) recompute = [=](const Node& node) { return run_again(block, form, parameters, piece, node); };
  return record(
      name, run(block, x, rest, first ? first : piece), inputs, saved_piece(x, rest),
      [=](const BackwardArgs& b) {
        Tensors grads(b.needs.size());
        PieceGradient gradient(form, piece, parameters, b);
        const int64_t n = form.shape[0];
        for (int64_t begin = 0; begin < n; begin += block) {
          const int64_t end = std::min(n, begin + block);
          gradient.add(gradient.make(begin, end), b.grad.slice_outer(begin, end));
        }
        gradient.finish(&grads);
        return grads;
      },
      std::move(recompute));
}

namespace {

// A node of norm_in_batch_blocks: inputs are the piece's, then these; saved are the piece's, then those.
enum NormInput : size_t { kGamma, kBeta, kSlope, kResidual };
struct NormedPiece {
  int64_t block;
  InputForm input;
  size_t parameters;
  Piece piece;
  NormForm form;
  bool masked;
  Shape slope_shape;

  size_t at(size_t i) const { return 1 + parameters + i; }
};

Tensor normed_again(const NormedPiece& p, const Node& node) {
  const auto saved = [&](size_t i) { return saved_value(node.saved[p.at(i)]); };
  Tensor y = run_again(p.block, p.input, p.parameters, p.piece, node);
  norm_apply(saved_norm_state(saved), p.form.post, y, saved(kNormResidual), y);
  return y;
}

Tensors normed_backward(const NormedPiece& p, const BackwardArgs& b) {
  const size_t first = p.at(0);
  const bool dresidual = b.needs[first + kResidual], dslope = b.needs[first + kSlope];
  Tensors grads(b.needs.size());
  NormForm form = p.form;
  Tensor dy, room;  // behind the activation; where dx may go: over dy, unless that is the residual's gradient too
  if (p.masked) {
    dy = b.grad_room();
    keep_passed(b.grad, b[p.at(kNormMask)], dy);
    form.post = NormPost::kNone;
    if (!dresidual) room = dy;
  } else {
    if (!dresidual && b.grad.unique()) room = b.grad_room();
    dy = b.grad.detach();
  }
  if (room.defined() && room.size() != p.input.shape.size()) room = Tensor();
  if (dresidual) grads[first + kResidual] = dy;

  const Tensor& gamma = b[p.at(kNormGamma)];
  for (size_t i : {kGamma, kBeta})
    if (b.needs[first + i]) grads[first + i] = Tensor::empty(gamma.shape(), gamma.dtype());
  const int64_t n = p.input.shape[0], rows = b.grad.size() / gamma.size();
  NormGradient norm(form, saved_norm_state([&](size_t i) { return b[p.at(i)]; }), gamma, rows, dslope);
  PieceGradient piece(p.input, p.piece, p.parameters, b);
  const bool whole = p.block >= n;
  PieceGradient::Part all;
  if (whole) all = piece.make(0, n);
  for (int64_t begin = 0; begin < n; begin += p.block) {
    const int64_t end = std::min(n, begin + p.block);
    norm.add(dy.slice_outer(begin, end), whole ? all.output : piece.values(begin, end));
  }
  norm.finish(b.needs[first + kGamma] ? &grads[first + kGamma] : nullptr,
              b.needs[first + kBeta] ? &grads[first + kBeta] : nullptr);
  for (int64_t begin = 0; begin < n; begin += p.block) {
    const int64_t end = std::min(n, begin + p.block);
    PieceGradient::Part part = whole ? std::move(all) : piece.make(begin, end);
    Tensor dz = Tensor::empty(part.output.shape(), part.output.dtype());
    norm.input_gradient(dy.slice_outer(begin, end), part.output, dz);
    piece.add(std::move(part), dz, room);
  }
  piece.finish(&grads);
  if (dslope) grads[first + kSlope] = norm.slope_gradient(p.slope_shape);
  return grads;
}

}  // namespace

Tensor norm_in_batch_blocks(const char* name, int64_t block, const Quantized& x, const Tensors& rest,
                            const Piece& piece, const NormForm& form, const NormInputs& norm, bool remake) {
  Tensor y = run(block, x, rest, piece);
  check_norm(y, form, norm);
  const NormState state = norm_statistics(y, form, norm);
  Tensors inputs{x.value};
  inputs.insert(inputs.end(), rest.begin(), rest.end());
  inputs.insert(inputs.end(), {norm.gamma, norm.beta, norm.slope, norm.residual});
  const bool masked = norm.residual.defined() && form.post == NormPost::kRelu && recording(inputs);
  Tensor passed;
  if (masked) passed = Tensor::empty({(y.size() + 7) / 8}, DType::kU8);
  norm_apply(state, form.post, y, norm.residual, y, masked ? &passed : nullptr);

  const NormedPiece p{block, InputForm(x), rest.size(), piece, form, masked, norm.slope.shape()};
  List<SavedTensor> saved = saved_piece(x, rest);
  for (SavedTensor& s : saved_norm(state, norm.gamma, passed, remake ? norm.residual : Tensor()))
    saved.push_back(std::move(s));
  RecomputeFn recompute;
  if (remake) recompute = [=](const Node& node) { return normed_again(p, node); };
  return record(name, y, inputs, std::move(saved), [=](const BackwardArgs& b) { return normed_backward(p, b); },
                std::move(recompute));
}

}  // namespace bantam
