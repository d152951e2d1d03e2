#include "core/safetensors.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/tensor.h"
#include "tests/core/temp_folder.h"

namespace bantam {
namespace {

using namespace std::string_view_literals;

// The content that tests/fixtures/make_safetensors.py gives to tensor k: byte i is (31 k + 7 i + 1) % 256.
struct Made {
  std::vector<Bytes> data;
  std::vector<SafeTensor> tensors;
  explicit Made(std::vector<SafeTensor> shapes) : tensors(std::move(shapes)) {
    for (size_t k = 0; k < tensors.size(); ++k) {
      uint64_t n = uint64_t(bits_of(tensors[k].dtype));
      for (uint64_t d : tensors[k].shape) n *= d;
      Bytes bytes(n / 8);
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(31 * k + 7 * i + 1);
      data.push_back(std::move(bytes));
    }
    for (size_t k = 0; k < tensors.size(); ++k) tensors[k].bytes = data[k];
  }
};

Made dtypes() {
  // In the order of torch's names: bfloat16, bool, complex64, ...
  using T = StDType;
  const T order[] = {T::kBF16,   T::kBool,       T::kC64,    T::kF16,        T::kF32,    T::kF4,  T::kF64,
                     T::kF8E4M3, T::kF8E4M3Fnuz, T::kF8E5M2, T::kF8E5M2Fnuz, T::kF8E8M0, T::kI16, T::kI32,
                     T::kI64,    T::kI8,         T::kU16,    T::kU32,        T::kU64,    T::kU8};
  std::vector<SafeTensor> list;
  for (size_t i = 0; i < std::size(order); ++i)
    list.push_back({"t." + std::to_string(i), order[i], {order[i] == T::kF4 ? 6u : 3u}, {}});
  return Made(list);
}

Made net() {
  return Made({{"features.10.weight", StDType::kF32, {2, 3, 1, 1}, {}},
               {"features.9.weight", StDType::kF32, {2}, {}},
               {"bn.num_batches_tracked", StDType::kI64, {}, {}},
               {"bn.running_mean", StDType::kF32, {2}, {}},
               {"Bn.bias", StDType::kF32, {2}, {}},
               {"steps", StDType::kI32, {1}, {}},
               {"mask", StDType::kU8, {5}, {}}});
}
const StMetadata kNetMetadata = {{"net", "{\"nodes\":[\"a\\b\"]}"}};

Made odd() {
  return Made({{"empty", StDType::kF32, {0}, {}},
               {"empty2", StDType::kF32, {2, 0, 3}, {}},
               {"", StDType::kU8, {1}, {}},
               {"quote\"back\\slash/\n\x01\x7f", StDType::kF64, {}, {}},
               {"r\xC3\xA9sum\xC3\xA9 \xE4\xB8\xAD\xF0\x9F\x98\x80", StDType::kU8, {2}, {}}});
}
const StMetadata kOddMetadata = {{"k\t\"", "v\xC3\xBC\r"}};

Bytes golden(const std::string& name) { return read_file("tests/fixtures/st_" + name + ".safetensors", 1 << 20); }

// The same tensors, whatever the order.
void check_same(const SafeTensors& file, const Made& made) {
  REQUIRE(file.tensors().size() == made.tensors.size());
  for (const SafeTensor& want : made.tensors) {
    CAPTURE(want.name);
    const SafeTensor* found = file.find(want.name);
    REQUIRE(found);
    CHECK(found->dtype == want.dtype);
    CHECK(found->shape == want.shape);
    CHECK(Bytes(found->bytes.begin(), found->bytes.end()) == Bytes(want.bytes.begin(), want.bytes.end()));
  }
}

// N, the header, the data.
Bytes file_of(std::string_view header, std::string_view data = "") {
  Bytes out(8);
  store_le64(out.data(), header.size());
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

TEST_CASE("safetensors: the writer's bytes are the reference library's") {
  CHECK(safetensors_bytes({}) == golden("empty"));
  CHECK(safetensors_bytes({}, {{"framework", "pt"}}) == golden("metadata_only"));
  CHECK(safetensors_bytes(dtypes().tensors) == golden("dtypes"));
  Made n = net(), o = odd();
  CHECK(safetensors_bytes(n.tensors, kNetMetadata) == golden("net"));
  CHECK(safetensors_bytes(o.tensors, kOddMetadata) == golden("odd"));
  std::vector<SafeTensor> reversed(n.tensors.rbegin(), n.tensors.rend());
  CHECK(safetensors_bytes(reversed, kNetMetadata) == golden("net"));
}

TEST_CASE("safetensors: the reader gets out of the reference library's files what went in") {
  CHECK(SafeTensors::parse(golden("empty")).tensors().empty());
  CHECK(SafeTensors::parse(golden("metadata_only")).metadata() == StMetadata{{"framework", "pt"}});
  check_same(SafeTensors::parse(golden("dtypes")), dtypes());
  SafeTensors n = SafeTensors::read("tests/fixtures/st_net.safetensors");
  check_same(n, net());
  CHECK(n.metadata() == kNetMetadata);
  CHECK(n.find("bn.num_batches_tracked")->shape.empty());
  CHECK(n.find("bn") == nullptr);
  SafeTensors o = SafeTensors::parse(golden("odd"));
  check_same(o, odd());
  CHECK(o.metadata() == kOddMetadata);
}

TEST_CASE("safetensors: every dtype goes out and comes back, those below a byte too") {
  std::vector<SafeTensor> list;
  for (int t = 0; t < kStDTypes; ++t)
    for (std::vector<uint64_t> shape : {std::vector<uint64_t>{4}, {2, 0}, {3, 4}})
      list.push_back({std::string(name_of(StDType(t))) + std::to_string(shape.size()) + std::to_string(shape[0]),
                      StDType(t),
                      shape,
                      {}});
  Made made(list);
  check_same(SafeTensors::parse(safetensors_bytes(made.tensors)), made);
}

TEST_CASE("safetensors: a file on the disk has the same bytes, and reading it into a moved object keeps them") {
  TempFolder folder;
  Made n = net();
  write_safetensors(folder / "n", n.tensors, kNetMetadata);
  CHECK(read_file(folder / "n", 1 << 20) == golden("net"));
  SafeTensors a = SafeTensors::read(folder / "n");
  SafeTensors b = std::move(a);
  check_same(b, n);
}

TEST_CASE("safetensors: several metadata entries are sorted by key") {
  Bytes bytes = safetensors_bytes({}, {{"z", "1"}, {"a", "2"}, {"m", "3"}});
  CHECK(as_text(bytes).substr(8) == "{\"__metadata__\":{\"a\":\"2\",\"m\":\"3\",\"z\":\"1\"}}      ");
}

TEST_CASE("safetensors: valid files that the writer would not write") {
  // Any order of tensors, keys and fields; white space inside the header; no padding; escapes; no data.
  for (
      const std::pair<std::string_view, std::string_view>& valid :
      {std::pair{R"({ "b" : {"shape":[1],"data_offsets":[1,2],"dtype":"U8"},
            "a":{"data_offsets":[0,1],"dtype":"I8","shape":[1,1]}, "__metadata__":{}})"sv,
                 "xy"sv},
       {R"({"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})"sv, "x"sv},
       {R"({"z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})"sv,
        "x"sv},
       {"{}          "sv, ""sv}}) {
    CAPTURE(valid.first);
    SafeTensors f = SafeTensors::parse(file_of(valid.first, valid.second));
    CHECK(f.tensors().size() <= 2);
    if (!f.tensors().empty()) CHECK(f.find("a")->bytes[0] == 'x');
  }
}

TEST_CASE("safetensors: a malformed file for each rule, with its one-line error") {
  struct Row {
    StRule rule;
    Bytes file;
    std::string error;
  };
  auto tensor = [](const std::string& fields, std::string_view data = "x") {
    return file_of("{\"a\":{" + fields + "}}", data);
  };
  const std::string kDType = R"("dtype":"U8")", kShape = R"("shape":[1])", kOffsets = R"("data_offsets":[0,1])";
  auto shaped = [&](const std::string& dtype, const std::string& shape, const std::string& offsets,
                    std::string_view data = "x") {
    return tensor("\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets, data);
  };
  auto two = [&](const std::string& first, const std::string& second, std::string_view data) {
    auto one = [](const std::string& name, const std::string& offsets, int n) {
      return "\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(n) + "],\"data_offsets\":" + offsets +
             "}";
    };
    return file_of("{" + one("a", first, 2) + "," + one("b", second, 2) + "}", data);
  };
  auto sized = [](uint64_t n, size_t follow) {
    Bytes b(8 + follow, ' ');
    store_le64(b.data(), n);
    return b;
  };
  std::string deep = "{\"a\":" + std::string(100000, '[');
  std::string ranks = "[1";
  for (int i = 0; i < 64; ++i) ranks += ",1";
  ranks += "]";
  std::string long_name(10'000'000, 'n');
  const Row rows[] = {
      {StRule::kHeaderTooSmall, {}, "0 bytes, a safetensors file has at least 8"},
      {StRule::kHeaderTooSmall, Bytes(7), "7 bytes, a safetensors file has at least 8"},
      {StRule::kHeaderTooLarge, sized(100'000'001, 8), "header of 100000001 bytes, at most 100000000 allowed"},
      {StRule::kHeaderTooLarge, sized(UINT64_MAX, 8),
       "header of 18446744073709551615 bytes, at most 100000000 allowed"},
      {StRule::kHeaderTooLarge, sized(UINT64_MAX - 7, 8),
       "header of 18446744073709551608 bytes, at most 100000000 allowed"},
      {StRule::kHeaderTooLarge, sized(0x0808000004034b50, 8),
       "is no safetensors file but, it seems, one of torch.save; see docs/convert.md"},
      {StRule::kHeaderTooLarge, sized(0x469cfc6c0a8a0280, 8),
       "is no safetensors file but, it seems, one of torch.save; see docs/convert.md"},
      {StRule::kHeaderLength, sized(0x0280, 8), "header of 640 bytes, but only 8 follow"},
      {StRule::kHeaderLength, sized(9, 8), "header of 9 bytes, but only 8 follow"},
      {StRule::kHeaderLength, sized(2, 0), "header of 2 bytes, but only 0 follow"},
      {StRule::kUtf8, file_of("{\"\xFF\":1}"), "header is not UTF-8"},
      {StRule::kHeaderStart, file_of(""), "header does not start with '{'"},
      {StRule::kHeaderStart, file_of(" {}"), "header does not start with '{'"},
      {StRule::kHeaderStart, file_of("[]"), "header does not start with '{'"},
      {StRule::kHeaderStart, file_of("\xEF\xBB\xBF{}"), "header does not start with '{'"},
      {StRule::kHeaderEnd, file_of("{}\n"), "header does not end with '}' and spaces"},
      {StRule::kHeaderEnd, file_of("{"), "header does not end with '}' and spaces"},
      {StRule::kHeaderEnd, file_of("{}\0"sv), "header does not end with '}' and spaces"},
      {StRule::kJson, file_of("{} {}"),
       "header: at byte 4: syntax error while parsing value - unexpected '{'; expected end of input"},
      {StRule::kJson, file_of("{\"a\"}"),
       "header: at byte 5: syntax error while parsing object separator - unexpected '}'; expected ':'"},
      {StRule::kJson, file_of("{\"a\0\":{}}"sv), "header: at byte 3: NUL byte"},
      {StRule::kJson,
       file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
               "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
               "x"),
       "header: at byte 56: duplicate key 'a'"},
      {StRule::kJson, file_of("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}"),
       "header: at byte 26: duplicate key 'dtype'"},
      {StRule::kJson, file_of("{\"__metadata__\":{},\"__metadata__\":{}}"),
       "header: at byte 33: duplicate key '__metadata__'"},
      {StRule::kJson, file_of("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"), "header: at byte 28: duplicate key 'k'"},
      {StRule::kTensorInfo, file_of(deep + "}"), "tensor 'a': expected an object, found an array"},
      {StRule::kMetadata, file_of("{\"__metadata__\":null}"),
       "__metadata__: expected an object of strings, found null"},
      {StRule::kMetadata, file_of("{\"__metadata__\":[]}"),
       "__metadata__: expected an object of strings, found an array"},
      {StRule::kMetadata, file_of("{\"__metadata__\":{\"k\":1}}"),
       "__metadata__ 'k': expected a string, found an integer"},
      {StRule::kMetadata, file_of("{\"__metadata__\":{\"k\":{}}}"),
       "__metadata__ 'k': expected a string, found an object"},
      {StRule::kTensorInfo, file_of("{\"a\":1}"), "tensor 'a': expected an object, found an integer"},
      {StRule::kTensorInfo, tensor(kShape + "," + kOffsets), "tensor 'a': missing dtype"},
      {StRule::kTensorInfo, tensor(kDType + "," + kOffsets), "tensor 'a': missing shape"},
      {StRule::kTensorInfo, tensor(kDType + "," + kShape), "tensor 'a': missing data_offsets"},
      {StRule::kTensorInfo, tensor(kDType + "," + kShape + "," + kOffsets + ",\"strides\":[1]"),
       "tensor 'a': unknown field 'strides'"},
      {StRule::kTensorInfo, tensor("\"dtype\":8," + kShape + "," + kOffsets),
       "tensor 'a': dtype: expected a string, found an integer"},
      {StRule::kTensorInfo, tensor("\"dtype\":{}"), "tensor 'a': dtype: expected a string, found an object"},
      {StRule::kDType, shaped("B1", "[8]", "[0,1]"), "tensor 'a': unknown dtype 'B1'"},
      {StRule::kDType, shaped("f32", "[1]", "[0,4]", "xxxx"), "tensor 'a': unknown dtype 'f32'"},
      {StRule::kTensorInfo, shaped("U8", "1", "[0,1]"),
       "tensor 'a': shape: expected an array of integers, found an integer"},
      {StRule::kTensorInfo, shaped("U8", "[-1]", "[0,1]"),
       "tensor 'a': shape: expected an integer that is not negative, found -1"},
      {StRule::kTensorInfo, shaped("U8", "[1.0]", "[0,1]"),
       "tensor 'a': shape: expected an integer that is not negative, found a number"},
      {StRule::kTensorInfo, shaped("U8", "[[1]]", "[0,1]"),
       "tensor 'a': shape: expected an integer that is not negative, found an array"},
      {StRule::kJson, shaped("U8", "[18446744073709551616]", "[0,1]"),
       "header: at byte 49: integer out of range: 18446744073709551616"},
      {StRule::kTensorInfo, shaped("U8", ranks, "[0,1]"), "tensor 'a': shape: more than 64 dimensions"},
      {StRule::kTensorInfo, shaped("U8", "[1]", "[0]"),
       "tensor 'a': data_offsets: expected 2 numbers, found 1 or none"},
      {StRule::kTensorInfo, shaped("U8", "[1]", "[]"), "tensor 'a': data_offsets: expected 2 numbers, found 1 or none"},
      {StRule::kTensorInfo, shaped("U8", "[1]", "[0,1,1]"), "tensor 'a': data_offsets: expected 2 numbers, found more"},
      {StRule::kTensorInfo, shaped("U8", "[1]", "{}"),
       "tensor 'a': data_offsets: expected an array of integers, found an object"},
      {StRule::kTensorInfo, shaped("U8", "[1]", "[0,-1]"),
       "tensor 'a': data_offsets: expected an integer that is not negative, found -1"},
      {StRule::kOffset, shaped("U8", "[1]", "[1,0]"), "tensor 'a': data_offsets run backwards: [1,0]"},
      {StRule::kOffset, shaped("U8", "[1]", "[1,2]", "xx"), "tensor 'a': data begin at 1, a hole after 0"},
      {StRule::kOffset, two("[0,2]", "[3,5]", "xxxxx"), "tensor 'b': data begin at 3, a hole after 2"},
      {StRule::kOffset, two("[0,2]", "[1,3]", "xxx"), "tensor 'b': data begin at 1, an overlap before 2"},
      {StRule::kOffset, two("[0,2]", "[0,2]", "xx"), "tensor 'b': data begin at 0, an overlap before 2"},
      {StRule::kOverflow, shaped("U8", "[4294967296,4294967296]", "[0,0]", ""), "tensor 'a': size beyond 64 bits"},
      {StRule::kOverflow, shaped("F64", "[2305843009213693952]", "[0,0]", ""), "tensor 'a': size beyond 64 bits"},
      {StRule::kOverflow, shaped("U8", "[4294967296,4294967296,0]", "[0,0]", ""), "tensor 'a': size beyond 64 bits"},
      {StRule::kMisaligned, shaped("F4", "[3]", "[0,2]", "xx"), "tensor 'a': 12 bits do not end on a byte"},
      {StRule::kMisaligned, shaped("F6_E2M3", "[2]", "[0,2]", "xx"), "tensor 'a': 12 bits do not end on a byte"},
      {StRule::kSize, shaped("F32", "[2]", "[0,4]", "xxxx"),
       "tensor 'a': shape and dtype take 8 bytes, data_offsets 4"},
      {StRule::kSize, shaped("U8", "[0]", "[0,1]"), "tensor 'a': shape and dtype take 0 bytes, data_offsets 1"},
      {StRule::kSize, shaped("U8", "[]", "[0,0]", ""), "tensor 'a': shape and dtype take 1 bytes, data_offsets 0"},
      {StRule::kIncompleteBuffer, shaped("U8", "[2]", "[0,2]", "x"), "tensors take 2 bytes, the file holds 1"},
      {StRule::kIncompleteBuffer, shaped("U8", "[1]", "[0,1]", "xx"), "1 bytes after the last tensor"},
      {StRule::kIncompleteBuffer, file_of("{}", "x"), "1 bytes after the last tensor"},
      {StRule::kIncompleteBuffer, shaped("U8", "[1152921504606846976]", "[0,1152921504606846976]", "x"),
       "tensors take 1152921504606846976 bytes, the file holds 1"},
      {StRule::kTensorInfo, file_of("{\"" + long_name + "\":{}}"),
       "tensor '" + long_name.substr(0, 80) + "...': missing dtype"},
      {StRule::kTensorInfo, file_of("{\"a\\u0000\\n\\u00e9\":{}}"), "tensor 'a\\x00\\x0a\\xc3\\xa9': missing dtype"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.error);
    try {
      SafeTensors::view(row.file, "net.safetensors");
      FAIL_CHECK("accepted");
    } catch (const StError& e) {
      CHECK(std::string(e.what()) == "net.safetensors: " + row.error);
      CHECK(int(e.rule()) == int(row.rule));
    }
  }
  for (int rule = 0; rule <= int(StRule::kIncompleteBuffer); ++rule) {
    bool has_row = false;
    for (const Row& row : rows) has_row |= int(row.rule) == rule;
    CAPTURE(rule);
    CHECK(has_row);
  }
}

TEST_CASE("safetensors: a file cut off anywhere is refused, one with a byte too many too") {
  Bytes whole = golden("odd");
  for (size_t n = 0; n < whole.size(); ++n) {
    Bytes cut(whole.begin(), whole.begin() + std::ptrdiff_t(n));
    CAPTURE(n);
    CHECK_THROWS_AS(SafeTensors::view(cut), StError);
  }
  whole.push_back(0);
  CHECK_THROWS_AS(SafeTensors::view(whole), StError);
}

TEST_CASE("safetensors: any byte of a header may be another: an error or a file, never more") {
  Bytes whole = golden("net");
  size_t header = 8 + size_t(load_le64(whole.data()));
  size_t refused = 0;
  const std::string_view kBytes =
      "\0 \"{}[],:019-.e\\\x7f\x80\xC3\xFF"sv;  // what JSON gives a meaning, and what it does not
  for (size_t i = 0; i < header; ++i) {
    uint8_t old = whole[i];
    for (char v : kBytes) {
      whole[i] = uint8_t(v);
      try {
        SafeTensors f = SafeTensors::view(whole);
        size_t bytes = 0;
        for (const SafeTensor& t : f.tensors()) bytes += t.bytes.size();
        CHECK(bytes == whole.size() - header);  // all of the data, once
      } catch (const StError&) {
        ++refused;
      }
    }
    whole[i] = old;
  }
  CHECK(refused > 10 * header);
}

TEST_CASE("safetensors: memory is bounded by our limit on keys and values") {
  std::string header = "{\"__metadata__\":{";
  for (int i = 0; i < 1100000; ++i) {
    if (i > 0) header += ',';
    header += "\"" + std::to_string(i) + "\":\"\"";
  }
  header += "}}";
  try {
    SafeTensors::view(file_of(header));
    FAIL_CHECK("accepted");
  } catch (const StError& e) {
    CHECK(e.rule() == StRule::kJson);
    CHECK(e.reason().find("more than 2097152 values") != std::string::npos);
  }
}

TEST_CASE(
    "safetensors: bytes that are made while the file is written, in pieces, give the same file; too few or many leave "
    "the old") {
  const TempFolder folder;
  const std::string path = folder / "f";
  const Bytes data = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto made = [&](size_t bytes) {
    SafeTensor t{"t", StDType::kU8, {8}, {}};
    t.make = [&data, bytes](const StSink& sink) {
      for (size_t i = 0; i < bytes; ++i) sink(ByteSpan(data).subspan(i % 8, 1));
    };
    return t;
  };
  const SafeTensor given{"u", StDType::kU8, {8}, data};
  const Bytes want = safetensors_bytes({{"t", StDType::kU8, {8}, data}, given});
  CHECK(safetensors_bytes({made(8), given}) == want);
  write_safetensors(path, {made(8), given});
  CHECK(read_file(path, 1 << 20) == want);
  for (const size_t bytes : {size_t(0), size_t(7), size_t(9)}) {
    const std::string error =
        "safetensors: tensor 't' has " + std::to_string(bytes) + " bytes, which is not U8 [8]";
    CHECK_THROWS_WITH_AS(write_safetensors(path, {made(bytes), given}), error.c_str(), Error);
    CHECK(read_file(path, 1 << 20) == want);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder / "."), std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("safetensors: the writer refuses what no reader could take") {
  Bytes four(4);
  CHECK_THROWS_WITH_AS(safetensors_bytes({{"a", StDType::kF32, {2}, four}}),
                       "safetensors: tensor 'a' has 4 bytes, which is not F32 [2]", Error);
  CHECK_THROWS_WITH_AS(safetensors_bytes({{"a", StDType::kF32, {}, four}, {"a", StDType::kU8, {4}, four}}),
                       "safetensors: two tensors are named 'a'", Error);
  CHECK_THROWS_WITH_AS(safetensors_bytes({{"__metadata__", StDType::kF32, {}, four}}),
                       "safetensors: a tensor cannot be named '__metadata__'", Error);
  CHECK_THROWS_WITH_AS(safetensors_bytes({{"\xFF", StDType::kF32, {}, four}}),
                       "safetensors: a tensor cannot be named '\\xff'", Error);
  CHECK_THROWS_WITH_AS(safetensors_bytes({}, {{"k", "\xFF"}}), "safetensors: metadata 'k' is not UTF-8", Error);
  CHECK_THROWS_AS(safetensors_bytes({{"a", StDType::kF4, {3}, four}}), Error);
}

}  // namespace
}  // namespace bantam
