#include "ops/shape.h"

#include <doctest/doctest.h>

#include "ops/concat.h"
#include "ops/pad.h"
#include "ops/slice.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

using Values = std::vector<double>;
Tensor counting(const Shape& shape, DType t = DType::kF32) {
  Values v;
  for (int64_t i = 0; i < shape.size(); ++i) v.push_back(double(i));
  return Tensor::of(shape, v, t);
}
TensorFn permuting(std::vector<int> order) {
  return [=](const Tensors& in) { return permute(in[0], order); };
}

}  // namespace

TEST_CASE("reshape: shares the buffer; -1 is what is left") {
  const Tensor x = counting({2, 6});
  CHECK(reshape(x, {3, -1}).shape() == Shape{3, 4});
  CHECK(reshape(x, {3, 4}).buffer() == x.buffer());
  CHECK(flatten(counting({2, 2, 3})).shape() == Shape{2, 6});
  CHECK_THROWS_WITH_AS(reshape(x, {5, -1}), "reshape: [2,6] to [5,-1]", Error);
  CHECK_THROWS_WITH_AS(reshape(x, {3, 3}), "reshape: [2,6] to [3,3]", Error);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), Error);
  CHECK_THROWS_AS(reshape(x, {-2, -6}), Error);
}
TEST_CASE("transpose, permute: by hand, and every element where its indices say") {
  CHECK(transpose(counting({2, 3})).values() == Values{0, 3, 1, 4, 2, 5});
  for (DType t : {DType::kF32, DType::kF64, DType::kU8, DType::kI32})
    CHECK(permute(counting({2, 1, 3}, t), {2, 0, 1}).values() == Values{0, 3, 1, 4, 2, 5});
  for (const Shape& s : {Shape{1, 1, 1}, Shape{5, 17, 33}, Shape{16, 3, 40}, Shape{2, 100, 7}})
    for (std::vector<int> order : {std::vector<int>{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
      const Tensor x = random_f32(s, 1), y = permute(x, order);
      const int64_t stride[] = {s[1] * s[2], s[2], 1};
      int64_t at = 0;
      bool good = true;
      for (int64_t a = 0; a < s[order[0]]; ++a)
        for (int64_t b = 0; b < s[order[1]]; ++b)
          for (int64_t c = 0; c < s[order[2]]; ++c)
            good &= y.at(at++) == x.at(a * stride[order[0]] + b * stride[order[1]] + c * stride[order[2]]);
      CHECK(good);
    }
  CHECK_THROWS_WITH_AS(permute(counting({2, 3}), {0, 0}), "permute: (0,0) is no order of the axes of [2,3]", Error);
  CHECK_THROWS_AS(permute(counting({2, 3}), {0}), Error);
  CHECK_THROWS_WITH_AS(transpose(counting({2, 3, 1})), "transpose: input is no matrix [2,3,1]", Error);
}
TEST_CASE("concat: channels side by side, rows one below the other") {
  const Tensor a = counting({2, 2}), b = Tensor::of({2, 1}, {8, 9});
  CHECK(concat({a, b}).values() == Values{0, 1, 8, 2, 3, 9});
  CHECK(concat({a, a}, 0).values() == Values{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(concat({a}).values() == a.values());
  CHECK(concat({Tensor::zeros({2, 0}), a}).values() == a.values());
  CHECK_THROWS_WITH_AS(concat({a, counting({3, 2})}), "concat: along axis -1 [2,2] f32 [3,2] f32", Error);
  CHECK_THROWS_AS(concat({a, counting({2, 2}, DType::kF64)}), Error);
  CHECK_THROWS_AS(concat({}), Error);
}
TEST_CASE("leading_block: the first elements of each axis") {
  const Tensor x = counting({2, 2, 3});
  CHECK(leading_block(x, {1, 2, 2}).values() == Values{0, 1, 3, 4});
  CHECK(leading_block(x, {2, 1, 3}).values() == Values{0, 1, 2, 6, 7, 8});
  CHECK(leading_block(x, x.shape()).values() == x.values());
  CHECK_THROWS_WITH_AS(leading_block(x, {2, 2, 4}), "leading_block: [2,2,4] of [2,2,3]", Error);
  CHECK_THROWS_AS(leading_block(x, {2, 2}), Error);
  const TensorFn f = [](const Tensors& in) { return leading_block(in[0], {2, 3, 1}); };
  CHECK(gradcheck("leading_block", f, {random_f64({3, 3, 2}, 1)}) == "");
}
TEST_CASE("slice: of an axis, also counted from the end") {
  const Tensor x = counting({2, 3});
  CHECK(slice(x, 1, 1, 3).values() == Values{1, 2, 4, 5});
  CHECK(slice(x, -1, -2, -1).values() == Values{1, 4});
  CHECK(slice(x, 0, 1, 2).values() == Values{3, 4, 5});
  CHECK(slice(x, 0, 1, 1).size() == 0);
  CHECK_THROWS_WITH_AS(slice(x, 1, 2, 4), "slice: [2, 4) of axis 1, input [2,3]", Error);
  CHECK_THROWS_AS(slice(x, 1, 2, 1), Error);
  CHECK_THROWS_WITH_AS(slice(x, 2, 0, 1), "slice: no axis 2 in [2,3]", Error);
}
TEST_CASE("pad: one row above, one column on the right, of value 7") {
  CHECK(pad(counting({1, 2}), {1, 0}, {0, 1}, 7).values() == Values{7, 7, 7, 0, 1, 7});
  CHECK(pad(counting({2}), {0}, {0}).values() == Values{0, 1});
  CHECK_THROWS_WITH_AS(pad(counting({2, 3}), {1}, {0, 0}), "pad: 1 and 2 sizes for input [2,3]", Error);
  CHECK_THROWS_WITH_AS(pad(counting({2}), {-1}, {0}), "pad: negative size on axis 0, input [2]", Error);
}
TEST_CASE("reshape, permute, concat, slice, pad: gradients") {
  CHECK(gradcheck("reshape", [](const Tensors& in) { return reshape(in[0], {4, -1}); }, {random_f64({2, 6}, 1)}) == "");
  for (std::vector<int> order : {std::vector<int>{0, 2, 1}, {2, 0, 1}, {1, 0, 2}})
    CHECK(gradcheck("permute", permuting(order), {random_f64({2, 3, 4}, 1)}) == "");
  for (int axis : {0, 1, 2})
    CHECK(gradcheck("concat", [=](const Tensors& in) { return concat({in[0], in[1], in[0]}, axis); },
                    {random_f64({2, 3, 2}, 1), random_f64({2, 3, 2}, 2)}) == "");
  CHECK(gradcheck("concat", [](const Tensors& in) { return concat(in); },
                  {random_f64({2, 1}, 1), random_f64({2, 3}, 2)}) == "");
  for (int axis : {0, 1, 2})
    CHECK(gradcheck("slice", [=](const Tensors& in) { return slice(in[0], axis, 1, 3); }, {random_f64({3, 4, 3}, 1)}) ==
          "");
  CHECK(gradcheck("pad",
                  [](const Tensors& in) {
                    return pad(in[0], {1, 0, 2}, {0, 3, 1}, 1.5);
                  },
                  {random_f64({2, 1, 3}, 1)}) == "");
}
TEST_CASE("permute, concat, slice, pad: the same bytes for any number of threads") {
  const Tensor x = random_f32({9, 101, 97}, 1);
  CHECK(same_for_any_threads([&] { return forward_backward(permuting({2, 1, 0}), {x}); }));
  CHECK(same_for_any_threads([&] {
    return forward_backward([](const Tensors& in) { return concat({in[0], in[0]}, 1); }, {x});
  }));
  CHECK(same_for_any_threads(
      [&] { return forward_backward([](const Tensors& in) { return slice(in[0], 1, 3, 90); }, {x}); }));
  CHECK(same_for_any_threads([&] {
    return forward_backward([](const Tensors& in) { return pad(in[0], {1, 2, 3}, {0, 1, 0}); }, {x});
  }));
}
