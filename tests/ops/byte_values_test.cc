#include "ops/byte_values.h"

#include <doctest/doctest.h>

#include "core/autograd.h"
#include "ops/arith.h"
#include "ops/reduce.h"

using namespace bantam;

namespace {

// Channel k has the value 1000 k + i for byte i.
Tensor counting_table(int64_t channels) {
  Tensor t = Tensor::empty({channels, 256});
  for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<float>()[i] = float(1000 * (i / 256) + i % 256);
  return t;
}

}  // namespace

TEST_CASE("byte_values: each byte is looked up in its channel's table, for 1, 2 and 3 channels and flattened pixels") {
  CHECK(byte_values(Tensor::of({2, 1}, {0, 255}, DType::kU8), counting_table(1)).values() ==
        std::vector<double>{0, 255});
  for (const Shape& shape : {Shape{2, 2}, Shape{1, 4}})
    CHECK(byte_values(Tensor::of(shape, {7, 8, 9, 255}, DType::kU8), counting_table(2)).values() ==
          std::vector<double>{7, 1008, 9, 1255});
  CHECK(byte_values(Tensor::of({1, 3}, {1, 2, 3}, DType::kU8), counting_table(3)).values() ==
        std::vector<double>{1, 1002, 2003});
  // More pixels than one chunk has.
  Tensor many = Tensor::empty({33333, 3}, DType::kU8);
  for (int64_t i = 0; i < many.size(); ++i) many.mutable_data<uint8_t>()[i] = uint8_t(i * 7);
  const Tensor values = byte_values(many, counting_table(3));
  int64_t wrong = 0;
  for (int64_t i = 0; i < many.size(); ++i) wrong += values.at(i) != double(1000 * (i % 3) + int64_t(many.at(i)));
  CHECK(wrong == 0);
}

TEST_CASE("byte_values: no gradient goes to bytes, and what backward needs of the values is made again from them") {
  Parameter w("w", Tensor::full({2, 4}, 2));
  Tensor bytes = Tensor::of({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}, DType::kU8);
  Tensor loss;
  {
    const Tensor x = byte_values(bytes, counting_table(1));
    CHECK_FALSE(x.needs_grad());
    CHECK(recomputable(x));
    const size_t before = pool_stats().live_bytes;
    const Tensor y = mul(x, w.tensor());
    CHECK(pool_stats().live_bytes == before + size_class(y.bytes()));
    loss = sum(y);
  }
  bytes = Tensor();  // the graph holds it
  backward(loss);
  CHECK(w.grad.values() == std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("byte_values: a table of other channels, or with other than 256 values, is refused by name") {
  const Tensor bytes = Tensor::zeros({2, 5}, DType::kU8);
  CHECK_THROWS_WITH_AS(byte_values(bytes, counting_table(3)), "byte_values: table [3,256] for bytes [2,5]", Error);
  CHECK_THROWS_AS(byte_values(bytes, Tensor::zeros({5, 255})), Error);
  CHECK_THROWS_AS(byte_values(Tensor::zeros({2, 5}), counting_table(5)), Error);
}
