#include "core/checkpoint.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "core/base/bytes.h"
#include "tests/core/error_text.h"
#include "tests/core/temp_folder.h"
#include "tests/core/tensors.h"

namespace bantam {
namespace {

Checkpoint example() {
  Checkpoint c;
  c.tensors["w"] = Tensor::of({2, 2}, {1, -0.0, 0.1, 1e-45});
  c.tensors["m"] = Tensor::of({3}, {0.1, 1e300, -1}, DType::kF64);
  c.tensors["labels"] = Tensor::of({2}, {-7, 2147483647}, DType::kI32);
  c.tensors["bits"] = Tensor::of({5}, {0, 1, 127, 128, 255}, DType::kU8);
  c.tensors["scalar"] = Tensor::full({}, 3);
  c.tensors["empty"] = Tensor::zeros({0, 4});
  c.integers["bn.num_batches_tracked"] = int64_t(1) << 40;
  c.metadata["net"] = R"({"nodes":[]})";
  return c;
}

void check_equal(const Checkpoint& a, const Checkpoint& b) {
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& entry : a.tensors) {
    const std::string& name = entry.first;
    CAPTURE(name);
    CHECK(same_tensor(entry.second, b.tensor(name)));
  }
  CHECK(a.integers == b.integers);
  CHECK(a.metadata == b.metadata);
}

TEST_CASE("checkpoint: what is saved is loaded, bit for bit, and saving it again gives the same file") {
  TempFolder folder;
  save_checkpoint(folder / "a", example());
  Checkpoint back = load_checkpoint(folder / "a");
  check_equal(example(), back);
  CHECK(back.path == folder / "a");
  save_checkpoint(folder / "b", back);
  CHECK(read_file(folder / "a", 1 << 20) == read_file(folder / "b", 1 << 20));
}

TEST_CASE("checkpoint: a name that is not there is an error with the path") {
  TempFolder folder;
  save_checkpoint(folder / "a", example());
  Checkpoint c = load_checkpoint(folder / "a");
  CHECK(c.integer("bn.num_batches_tracked") == int64_t(1) << 40);
  CHECK(c.text("net") == "{\"nodes\":[]}");
  CHECK_THROWS_WITH_AS(c.tensor("v"), ((folder / "a") + ": no tensor 'v'").c_str(), FileError);
  CHECK_THROWS_WITH_AS(c.integer("v"), ((folder / "a") + ": no integer 'v'").c_str(), FileError);
  CHECK_THROWS_WITH_AS(c.text("v"), ((folder / "a") + ": no metadata 'v'").c_str(), FileError);
}

TEST_CASE("checkpoint: half and bfloat numbers are widened exactly, small integers fit in 32 bits") {
  auto one = [](StDType dtype, std::vector<uint64_t> shape, std::vector<uint8_t> bytes) {
    return tensor_of({"t", dtype, std::move(shape), bytes}, "f").values();
  };
  const double inf = std::numeric_limits<double>::infinity();
  // 1, -2, largest, smallest normal, largest and smallest subnormal, -0, -inf
  CHECK(one(StDType::kF16, {8},
            {0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x00, 0x04, 0xff, 0x03, 0x01, 0x00, 0x00, 0x80, 0x00, 0xfc}) ==
        std::vector<double>{1, -2, 65504, 0x1p-14, 0x1.ff8p-15, 0x1p-24, -0.0, -inf});
  CHECK(std::signbit(one(StDType::kF16, {1}, {0x00, 0x80})[0]));
  CHECK(std::isnan(one(StDType::kF16, {1}, {0x01, 0x7c})[0]));
  CHECK(one(StDType::kBF16, {3}, {0x80, 0x3f, 0x01, 0x00, 0x80, 0xff}) == std::vector<double>{1, 0x1p-133, -inf});
  CHECK(one(StDType::kI8, {2}, {0x80, 0x7f}) == std::vector<double>{-128, 127});
  CHECK(one(StDType::kI16, {2}, {0x00, 0x80, 0xff, 0x7f}) == std::vector<double>{-32768, 32767});
  CHECK(one(StDType::kU16, {1}, {0xff, 0xff}) == std::vector<double>{65535});
  CHECK(one(StDType::kBool, {2}, {0, 1}) == std::vector<double>{0, 1});
  CHECK(one(StDType::kI64, {1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) == std::vector<double>{-1});
}

TEST_CASE("checkpoint: all half numbers, against their definition") {
  for (int h = 0; h < 65536; ++h) {
    uint8_t bytes[2] = {uint8_t(h), uint8_t(h >> 8)};
    double v = tensor_of({"t", StDType::kF16, {}, bytes}, "f").item();
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double want = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? std::ldexp(1024 + fraction, exponent - 25)
                                 : std::ldexp(fraction, -24);
    if (h >> 15) want = -want;
    if (std::isnan(want)) REQUIRE(std::isnan(v));
    else REQUIRE(v == want);
  }
}

TEST_CASE("checkpoint: tensors that bantam cannot hold are refused by name") {
  auto error = [](StDType dtype, std::vector<uint64_t> shape, Bytes bytes) -> std::string {
    return error_text<FileError>([&] { tensor_of({"t", dtype, std::move(shape), bytes}, "f"); });
  };
  CHECK(error(StDType::kF8E4M3, {1}, Bytes(1)) == "f: tensor 't': dtype F8_E4M3 is not supported");
  CHECK(error(StDType::kU64, {1}, Bytes(8)) == "f: tensor 't': dtype U64 is not supported");
  CHECK(error(StDType::kU8, {1, 1, 1, 1, 1, 1, 1}, Bytes(1)) == "f: tensor 't': 7 dimensions, at most 6 supported");
  CHECK(error(StDType::kI64, {1}, {0, 0, 0, 0, 1, 0, 0, 0}) ==
        "f: tensor 't': value 4294967296 does not fit in 32 bits");
  CHECK(error(StDType::kU8, {0, uint64_t(1) << 63}, {}) == "f: tensor 't': dimension out of range");
}

TEST_CASE("checkpoint: one name for a tensor and an integer is refused, and the old file stays") {
  TempFolder folder;
  save_checkpoint(folder / "a", example());
  Bytes before = read_file(folder / "a", 1 << 20);
  Checkpoint c = example();
  c.integers["w"] = 1;
  CHECK_THROWS_WITH_AS(save_checkpoint(folder / "a", c), "safetensors: two tensors are named 'w'", Error);
  CHECK(read_file(folder / "a", 1 << 20) == before);
  CHECK(folder.count() == 1);
}

TEST_CASE("checkpoint: a process killed while it saves in a loop leaves a whole checkpoint") {
  TempFolder folder;
  std::string path = folder / "last.safetensors";
  for (int round = 0; round < 25; ++round) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      Checkpoint c;
      for (int64_t step = 0;; ++step) {
        Bytes bytes(100000, uint8_t(step));
        std::vector<SafeTensor> entries = {{"w", StDType::kU8, {bytes.size()}, bytes}};
        write_safetensors(path, entries, {{"step", std::to_string(step)}});
      }
    }
    usleep(useconds_t(2000 + 1700 * (round % 7)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(folder.count() <= 2);  // the file, and what this writer left unfinished: never what an earlier one left
    if (access(path.c_str(), F_OK) != 0) continue;
    Checkpoint c = load_checkpoint(path);
    uint8_t want = uint8_t(std::stoll(c.text("step")));
    const Tensor& w = c.tensor("w");
    bool same = true;
    for (int64_t i = 0; i < w.size(); ++i) same &= w.data<uint8_t>()[i] == want;
    CHECK(same);
  }
}

}  // namespace
}  // namespace bantam
