// Values of another implementation: tests/fixtures/NAME.safetensors (README.md there), read once.
//
//   const Fixture f("ops");
//   for (const std::string& c : f.cases("relu")) CHECK(relative_error(relu(f.tensor(c + "/x", dtype)), f.tensor(c +
//   "/y")) < 1e-12);
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/safetensors.h"
#include "core/tensor.h"

namespace bantam {

class Fixture {
 public:
  explicit Fixture(const std::string& name) : file_(SafeTensors::read("tests/fixtures/" + name + ".safetensors")) {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  // Throws Error if it is not there. Integers stay i32; floating point is converted to `dtype` (inputs are exact in
  // f32).
  Tensor tensor(const std::string& name, DType dtype = DType::kF64) const {
    const SafeTensor* t = file_.find(name);
    if (!t) throw Error("fixture: no tensor " + name);
    Shape shape;
    shape.rank = int(t->shape.size());
    for (int i = 0; i < shape.rank; ++i) shape[i] = int64_t(t->shape[size_t(i)]);
    const bool is_int = t->dtype == StDType::kI32;
    if (!is_int && t->dtype != StDType::kF64) throw Error("fixture: " + name + " is neither F64 nor I32");
    Tensor out = Tensor::empty(shape, is_int ? DType::kI32 : DType::kF64);
    if (out.bytes() != t->bytes.size()) throw Error("fixture: size of " + name);
    std::memcpy(out.raw(), t->bytes.data(), out.bytes());
    return is_int ? out : out.to(dtype);
  }

  // "op/case" for every case of an op that the file holds, in order. Never empty: a test over none would pass.
  std::vector<std::string> cases(const std::string& op) const {
    std::vector<std::string> all;
    for (const SafeTensor& t : file_.tensors())
      if (t.name.compare(0, op.size() + 1, op + "/") == 0)
        all.push_back(t.name.substr(0, t.name.find('/', op.size() + 1)));
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    if (all.empty()) throw Error("fixture: no case of " + op);
    return all;
  }

  std::vector<int64_t> config(const std::string& c) const {
    std::vector<int64_t> v;
    for (double d : tensor(c + "/config").values()) v.push_back(int64_t(d));
    return v;
  }

 private:
  SafeTensors file_;
};

// max |a - b| / max |b|; infinite if the shapes differ or anything is not finite.
inline double relative_error(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined() || !(a.shape() == b.shape())) return INFINITY;
  double difference = 0, largest = 1e-300;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a.at(i) - b.at(i));
    if (!(d <= 1e300)) return INFINITY;
    difference = std::max(difference, d);
    largest = std::max(largest, std::abs(b.at(i)));
  }
  return difference / largest;
}

}  // namespace bantam
