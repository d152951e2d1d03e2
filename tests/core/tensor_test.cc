#include "core/tensor.h"

#include <doctest/doctest.h>

using namespace bantam;

TEST_CASE("tensor: values, views and outer slices share one buffer") {
  Tensor t = Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(t.at(4) == 5);
  const Tensor row = t.slice_outer(1, 2);
  CHECK(row.shape() == Shape{1, 3});
  CHECK(row.at(0) == 4);
  t.view({6}).mutable_data<float>()[3] = 40;
  CHECK(row.at(0) == 40);
  CHECK_FALSE(t.unique());
  CHECK(t.clone().unique());
}

TEST_CASE("tensor: conversions and fills") {
  CHECK(Tensor::full({3}, 2.5).to(DType::kF64).values() == std::vector<double>{2.5, 2.5, 2.5});
  CHECK(Tensor::of({2}, {1.75, -1.75}).to(DType::kI32).values() == std::vector<double>{1, -1});
  CHECK(Tensor::zeros({0, 4}).size() == 0);
  CHECK(Tensor::full({}, 3).item() == 3);
}

TEST_CASE("tensor: errors name the shapes") {
  const Tensor t = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(t.view({7}), "tensor: view of [2,3] as [7]", Error);
  CHECK_THROWS_WITH_AS(t.slice_outer(1, 3), "tensor: slice [1, 3) of [2,3]", Error);
  CHECK_THROWS_WITH_AS(t.item(), "tensor: item() of [2,3]", Error);
  CHECK_THROWS_WITH_AS(t.data<double>(), "tensor: elements are f32, asked for as f64", Error);
  CHECK_THROWS_WITH_AS(Tensor::of({2}, {1}), "tensor: 1 values for shape [2]", Error);
  CHECK_THROWS_WITH_AS(Tensor::virtual_like({2}).at(0), "tensor: no data (a dry run, or codes only)", Error);
}
