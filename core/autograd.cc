#include "core/autograd.h"

#include <algorithm>
#include <atomic>


namespace bantam {
namespace {

thread_local bool t_no_grad = false;
// Nodes whose destruction was put off by a destructor that is already running on this thread.
thread_local List<NodePtr>* t_graveyard = nullptr;

// sum += g, in place if nobody else can see `sum`.
void accumulate(Tensor& sum, const Tensor& g) {
  if (!sum.defined()) {
    sum = g.detach();
    return;
  }
  const WorkScope work({"sum of gradients"});
  if (!sum.unique()) sum = sum.clone();
  add_into(g, sum);
}

std::atomic<uint64_t> g_visit{0};

Work work_of(const Node& node) { return node.work.kind ? node.work : Work{node.op}; }

}  // namespace

Parameter::Parameter(std::string name_in, Tensor value_in, bool decay_in)
    : name(std::move(name_in)), value(std::move(value_in)), decay(decay_in) {
  leaf_ = make_recycled<Node>();
  leaf_->op = "parameter";
  leaf_->parameter = this;
}

Tensor Parameter::tensor() const {
  Tensor t = value.detach();
  if (!t_no_grad && !frozen) t.set_node(leaf_);
  return t;
}

Node::~Node() {
  // Releasing an input may destroy it, and it its own inputs, and so on down a chain: collect them in a list instead.
  List<NodePtr> mine;
  const bool first = t_graveyard == nullptr;
  if (first) t_graveyard = &mine;
  for (NodePtr& in : inputs)
    if (in) t_graveyard->push_back(std::move(in));
  if (first) {
    while (!mine.empty()) {
      NodePtr node = std::move(mine.back());
      mine.pop_back();
      node.reset();  // may push onto `mine`
    }
    t_graveyard = nullptr;
  }
}

NoGrad::NoGrad() : old_(t_no_grad) { t_no_grad = true; }
NoGrad::~NoGrad() { t_no_grad = old_; }

WithGrad::WithGrad() : old_(t_no_grad) { t_no_grad = false; }
WithGrad::~WithGrad() { t_no_grad = old_; }

bool recording(const Tensors& inputs) {
  return !t_no_grad && std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.needs_grad(); });
}

bool Tensor::needs_grad() const { return node_ && !node_->constant; }

bool recomputable(const Tensor& t) { return t.node() && t.node()->recompute; }

Tensor saved_value(const SavedTensor& t) {
  if (!t.source) return t.tensor;
  const WorkScope work(work_of(*t.source));
  return t.source->recompute(*t.source);
}

const Tensor& BackwardArgs::operator[](size_t i) const {
  const SavedTensor& s = saved[i];
  if (!s.source) return s.tensor;
  if (remade.empty()) remade.resize(saved.size());
  if (!remade[i].defined()) {
    AllocLabel label("recomputed");
    remade[i] = saved_value(s);
  }
  return remade[i];
}

Tensor BackwardArgs::room_of(size_t i) const {
  const Tensor& t = (*this)[i];
  return saved[i].source && t.unique() ? t.detach() : Tensor::empty(t.shape(), t.dtype());
}

Tensor BackwardArgs::grad_room() const {
  return grad.unique() ? grad.detach() : Tensor::empty(grad.shape(), grad.dtype());
}

Tensor BackwardArgs::take_sum(size_t i) const {
  if (!inputs || !(*inputs)[i] || !(*inputs)[i]->grad_.unique()) return {};
  Tensor sum = std::move((*inputs)[i]->grad_);
  (*inputs)[i]->grad_ = Tensor();
  return sum;
}

Tensor record(const char* op, Tensor out, const Tensors& inputs, List<SavedTensor> saved, BackwardFn fn,
              RecomputeFn recompute) {
  if (!recording(inputs)) return out;
  auto node = make_recycled<Node>();
  node->op = op;
  node->work = current_work();
  node->inputs.reserve(inputs.size());
  node->needs.reserve(inputs.size());
  for (const Tensor& in : inputs) {
    node->inputs.push_back(in.needs_grad() ? in.node() : nullptr);
    node->needs.push_back(in.needs_grad());
  }
  for (SavedTensor& s : saved) {
    if (recomputable(s.tensor)) {
      s.source = s.tensor.node();
      s.tensor = Tensor::virtual_like(s.tensor.shape(), s.tensor.dtype());
    } else {
      s.tensor = s.tensor.detach();
    }
  }
  node->saved = std::move(saved);
  node->backward = std::move(fn);
  node->recompute = std::move(recompute);
  out.set_node(std::move(node));
  return out;
}

Tensor record_constant(const char* op, Tensor out, List<SavedTensor> saved, RecomputeFn recompute) {
  if (t_no_grad) return out;
  auto node = make_recycled<Node>();
  node->op = op;
  node->work = current_work();
  node->constant = true;
  node->saved = std::move(saved);
  node->recompute = std::move(recompute);
  out.set_node(std::move(node));
  return out;
}

void backward(const Tensors& roots, const Tensors& grads,
              const std::function<void(Parameter&)>& complete) {
  NoGrad no_grad;
  const uint64_t visit = ++g_visit;

  // Everything below the roots, inputs before outputs (post-order of a depth-first walk, by a stack of our own), and
  // how many times each node is used.
  List<NodePtr> order;
  List<std::pair<NodePtr, size_t>> stack;
  order.reserve(64);
  stack.reserve(64);
  auto enter = [&](const NodePtr& node) {
    if (node->visit_ == visit) return;
    if (node->ran_)
      throw Error(std::string("backward: the graph below ") + node->op + " has already been walked, and freed");
    node->visit_ = visit;
    node->grad_ = Tensor();
    node->users_ = 0;
    stack.emplace_back(node, 0);
  };
  for (size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    if (!root.needs_grad()) continue;
    enter(root.node());
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == node->inputs.size()) {
        order.push_back(std::move(node));
        stack.pop_back();
      } else {
        const NodePtr& in = node->inputs[next++];
        if (!in) continue;
        enter(in);
        ++in->users_;
      }
    }
  }
  for (size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    if (!root.needs_grad()) continue;
    Tensor g = i < grads.size() ? grads[i] : Tensor();
    if (!g.defined()) {
      if (root.size() != 1)
        throw Error("backward: a root of shape " + to_string(root.shape()) + " needs a gradient to start from");
      g = Tensor::full(root.shape(), 1.0, root.dtype());
    }
    if (!(g.shape() == root.shape()) || g.dtype() != root.dtype())
      throw Error("backward: gradient " + to_string(g.shape()) + " for a root " + to_string(root.shape()));
    accumulate(root.node()->grad_, g);
  }

  const auto finish = [&](Node& leaf) {
    Tensor grad = std::move(leaf.grad_);
    leaf.grad_ = Tensor();
    if (!grad.defined()) return;
    Parameter& p = *leaf.parameter;
    if (!p.grad.defined() && !grad.unique()) grad = grad.clone();  // the optimizer may scale it in place
    accumulate(p.grad, grad);
    grad = Tensor();
    if (complete) complete(p);
  };

  // Outputs before inputs. A node's gradient is complete when its turn comes: all its users stand above it. A leaf's is
  // when the last of its users has run, which may be long before its turn.
  while (!order.empty()) {
    NodePtr node = std::move(order.back());
    order.pop_back();
    if (node->parameter) {
      finish(*node);
      continue;
    }
    Tensor grad = std::move(node->grad_);
    node->grad_ = Tensor();
    node->ran_ = true;
    if (grad.defined()) {
      const std::string* parameter = nullptr;  // names the gradient in the memory report
      for (const NodePtr& in : node->inputs)
        if (!parameter && in && in->parameter) parameter = &in->parameter->name;
      AllocLabel label("gradient", parameter);
      Tensors in_grads;
      {
        const WorkScope work(work_of(*node));
        in_grads = node->backward(BackwardArgs{grad, node->saved, node->needs, &node->inputs});
      }
      grad = Tensor();
      if (in_grads.size() != node->inputs.size())
        throw Error(std::string("backward: ") + node->op + " returned " + std::to_string(in_grads.size()) +
                    " gradients for " + std::to_string(node->inputs.size()) + " inputs");
      for (size_t i = 0; i < in_grads.size(); ++i) {
        if (!node->needs[i]) continue;
        if (!in_grads[i].defined())
          throw Error(std::string("backward: ") + node->op + " returned no gradient for input " + std::to_string(i));
        accumulate(node->inputs[i]->grad_, in_grads[i]);
        in_grads[i] = Tensor();
      }
    }
    // Freed at once: what the node saved, and its hold on the nodes below.
    node->saved.clear();
    node->backward = nullptr;
    node->recompute = nullptr;
    for (const NodePtr& in : node->inputs)
      if (in && --in->users_ == 0 && in->parameter) finish(*in);
    node->inputs.clear();
  }
}

}  // namespace bantam
