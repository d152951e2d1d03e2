// Reverse-mode differentiation. A Node is one recorded operation: its inputs' nodes, what its backward pass needs, and
// the function that turns the gradient of its output into gradients of its inputs. A tensor holds the node that made
// it, so the tensors at the end of a computation own the whole graph; there is no tape and nothing to reset.
//
// What an op saves is its memory policy and is declared by name: nothing, input, output, a bit mask, codes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "core/work.h"

namespace bantam {

//
// What can be computed again, exactly and cheaply, is not saved: a node may carry a `recompute` function (a convolution
// of bits is worth a few per cent of the step), and whoever would save that node's output holds the node instead.
struct SavedTensor {
  const char* name;        // "input", "output", "mask", "codes", "argmax"
  Tensor tensor;           // held without its node; without data where `source` makes it again
  NodePtr source = nullptr;
};

// What a backward function sees.
struct BackwardArgs {
  const Tensor& grad;  // gradient of the output, its shape; to be written to as grad_room() alone
  const List<SavedTensor>& saved;
  const List<bool>& needs;  // per input: is its gradient wanted?
  // The i-th saved tensor, computed again (once) if it was not kept.
  const Tensor& operator[](size_t i) const;
  // Memory for a gradient of its shape and type: its own, where it was computed again and nobody else will read it (an
  // elementwise gradient may overwrite what it reads); fresh memory otherwise.
  Tensor room_of(size_t i) const;
  // Lets go of the i-th saved tensor, if it was made again: it is not read any more.
  void drop(size_t i) const {
    if (i < remade.size()) remade[i] = Tensor();
  }
  // The same as room_of() of `grad`: the gradient itself, where nobody else holds it, and only for the first who asks.
  // Its elements may then be overwritten one by one as they are read for the last time, so this comes after whatever
  // else reads them.
  Tensor grad_room() const;
  // The sum of the gradients that input i has got from others, if this function may go on adding to it and return it
  // instead of its own part; undefined otherwise. What is taken must be returned.
  Tensor take_sum(size_t i) const;
  // For an elementwise gradient: grad_room() if that is the gradient itself, else room_of(i).
  Tensor room(size_t i) const { return grad.unique() ? grad_room() : room_of(i); }

  const List<NodePtr>* inputs = nullptr;
  mutable Tensors remade = {};
};
// Returns a gradient for each input, in order; undefined (or anything) where needs[i] is false.
using BackwardFn = Closure<Tensors(const BackwardArgs&)>;
// Makes the output of a node again, bit for bit, from what it saved and from its inputs.
using RecomputeFn = Closure<Tensor(const Node&)>;

// A trainable tensor and its gradient. Lives in a model; never moves (nodes point to it).
class Parameter {
 public:
  explicit Parameter(std::string name, Tensor value = {}, bool decay = true);
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  Tensor tensor() const;  // the value as the leaf of a graph; plain where gradients are off or the parameter is frozen

  std::string name;
  Tensor value;
  Tensor grad;         // undefined until a backward pass reaches it; summed over backward passes until zero_grad()
  bool decay = true;   // weight decay applies
  bool frozen = false;
  void zero_grad() { grad = Tensor(); }

 private:
  NodePtr leaf_;
};

class Node {
 public:
  Node() = default;
  ~Node();  // a loop, not a recursion: chains of any length
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* op = "";
  Work work;  // the scope in which it was recorded: its backward pass goes by this name
  List<NodePtr> inputs;  // null where an input needs no gradient
  List<SavedTensor> saved;
  List<bool> needs;
  BackwardFn backward;
  RecomputeFn recompute;           // null for most: their output is kept by whoever needs it
  Parameter* parameter = nullptr;  // of a leaf
  bool constant = false;           // has no gradient: its node says only how it is made again

 private:
  friend void backward(const Tensors&, const Tensors&, const std::function<void(Parameter&)>&);
  friend struct BackwardArgs;
  uint64_t visit_ = 0;
  uint32_t users_ = 0;  // of a leaf: nodes that have still to run
  bool ran_ = false;
  Tensor grad_;
};

// Records out = op(inputs): returns `out` with a node, or as it is if no input needs a gradient or recording is off.
Tensor record(const char* op, Tensor out, const Tensors& inputs, List<SavedTensor> saved, BackwardFn fn,
              RecomputeFn recompute = nullptr);
// `out`, which has no gradient, with a node that makes it again from `saved`: an op that would save it saves that
// instead.
Tensor record_constant(const char* op, Tensor out, List<SavedTensor> saved, RecomputeFn recompute);
// A saved tensor, or what its node makes again: for recompute functions.
Tensor saved_value(const SavedTensor& t);
// Whether a tensor's node can make it again.
bool recomputable(const Tensor& t);

// Whether recording would happen: lets an op skip making what only backward needs.
bool recording(const Tensors& inputs);

// No recording while alive. Per thread.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;

 private:
  bool old_;
};

// Recording while alive, also inside of a backward function: for those that differentiate a piece of the net anew.
class WithGrad {
 public:
  WithGrad();
  ~WithGrad();
  WithGrad(const WithGrad&) = delete;

 private:
  bool old_;
};

// Adds to parameter.grad, for every parameter below the roots, the gradient of sum_i <grads[i], roots[i]>; an undefined
// or missing grads[i] is 1 (roots[i] must then be a scalar). A node is freed as soon as it has run, so a graph can be
// walked once: a second walk throws Error, and so does a gradient whose shape is not its tensor's.
//
// `complete`, if given, is called for each parameter as soon as its gradient is: all that read its value have run, so
// it may be updated and its gradient dropped while the walk goes on.
void backward(const Tensors& roots, const Tensors& grads = {},
              const std::function<void(Parameter&)>& complete = {});
inline void backward(const Tensor& root) { backward(Tensors{root}); }

}  // namespace bantam
