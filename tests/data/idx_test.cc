#include "data/idx.h"

#include "core/base/bytes.h"
#include "data/gzip.h"
#include "tests/data/made_files.h"

namespace bantam {
namespace {

Bytes small_images() {
  return make_idx({3, 4, 5}, [](size_t i) { return uint8_t(7 * i); });
}

std::string idx_refusal(const Bytes& file, int rank = 3) {
  return refusal([&] { parse_idx(file, rank, "f"); });
}

TEST_CASE("idx: dimensions are big-endian, elements come in file order, plain and gzipped alike") {
  const Bytes plain = small_images();
  for (const Bytes& file : {plain, gzipped(plain)}) {
    const IdxArray a = parse_idx(file, 3, "f");
    CHECK(a.dims == std::vector<uint32_t>{3, 4, 5});
    REQUIRE(a.data.size() == 60);
    for (size_t i = 0; i < 60; ++i) CHECK(a.data[i] == uint8_t(7 * i));
  }
  const IdxArray labels = parse_idx(Bytes{0, 0, 8, 1, 0, 0, 0, 2, 9, 4}, 1, "f");
  CHECK(labels.dims == std::vector<uint32_t>{2});
  CHECK(labels.data == std::vector<uint8_t>{9, 4});
}

TEST_CASE("idx: each malformed file is refused with its own line") {
  const auto with = [](size_t at, uint8_t value) {
    Bytes b = small_images();
    b[at] = value;
    return b;
  };
  const auto longer = [](Bytes b) {
    b.push_back(0);
    return b;
  };
  struct Rule {
    Bytes file;
    int rank;
    const char* text;
  };
  const Bytes packed = gzipped(small_images());
  Bytes wrong_crc = packed, wrong_length = packed, damaged = packed, cut = packed, wrong_method = packed;
  wrong_crc[packed.size() - 8] ^= 1;
  wrong_length[packed.size() - 4] ^= 1;
  damaged[10] = 0x07;  // block type 3 does not exist
  cut.resize(cut.size() - 9);
  wrong_method[2] = 7;
  const Rule rules[] = {
      {{}, 3, "not an IDX file: shorter than the 4 bytes of its magic number"},
      {{0, 0, 8}, 3, "not an IDX file: shorter than the 4 bytes of its magic number"},
      {with(0, 1), 3, "not an IDX file: the first two bytes are not 0"},
      {with(2, 13), 3, "IDX element type 13 is not read, only unsigned bytes (8)"},
      {with(3, 0), 3, "IDX rank 0 is not in 1 .. 4"},
      {with(3, 5), 3, "IDX rank 5 is not in 1 .. 4"},
      {small_images(), 1, "IDX holds images (rank 3) where labels (rank 1) are expected"},
      {{0, 0, 8, 1, 0, 0, 0, 1, 4}, 3, "IDX holds labels (rank 1) where images (rank 3) are expected"},
      {{0, 0, 8, 3, 0, 0, 0, 1}, 3, "the IDX dimensions are cut short"},
      {with(7, 0), 3, "IDX dimension 0 is 0"},
      {with(15, 0), 3, "IDX dimension 2 is 0"},
      {with(4, 0xff), 3, "the IDX dimensions claim more than 4 GiB"},
      {{0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
       3,
       "the IDX dimensions claim more than 4 GiB"},
      {with(7, 4), 3, "the IDX dimensions [4,4,5] claim 80 bytes, the file cannot hold more than 60"},
      {longer(small_images()), 3, "1 bytes follow the IDX elements"},
      {gzipped(with(6, 2)), 3, nullptr},  // 515 images in a file of some 60 bytes: possible as far as deflate goes
      {gzipped(with(5, 1)), 3, nullptr},  // 65539 images: impossible
      {wrong_crc, 3, "the gzip stream is damaged (incorrect data check)"},
      {wrong_length, 3, "the gzip stream is damaged (incorrect length check)"},
      {damaged, 3, "the gzip stream is damaged (invalid block type)"},
      {wrong_method, 3, "the gzip stream is damaged (unknown compression method)"},
      {cut, 3, "the gzip stream is cut short"},
      {longer(packed), 3, "bytes follow the end of the gzip stream"},
      {gzipped(longer(small_images())), 3, "the gzip stream holds more than its contents need"},
      {gzipped(Bytes{}), 3, "not an IDX file: shorter than the 4 bytes of its magic number"},
  };
  for (const Rule& r : rules) {
    const std::string text = idx_refusal(r.file, r.rank);
    if (r.text != nullptr) CHECK(text == r.text);
  }
  CHECK(idx_refusal(gzipped(with(6, 2))) == "the IDX elements end after 60 of 10300 bytes");
  CHECK(idx_refusal(gzipped(with(5, 1)))
            .starts_with("the IDX dimensions [65539,4,5] claim 1310780 bytes, the file cannot"));
}

TEST_CASE("idx: a file cut at any byte is refused, plain and gzipped") {
  for (const Bytes& file : {small_images(), gzipped(small_images())})
    for (size_t n = 0; n < file.size(); ++n)
      CHECK(idx_refusal(Bytes(file.begin(), file.begin() + ptrdiff_t(n))) != "accepted");
}

TEST_CASE("gzip: a stream larger than any piece that is asked for comes out whole") {
  Bytes plain(300000);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = uint8_t(i * i >> 7);
  const Bytes file = gzipped(plain);
  GzipReader reader(file, "f");
  Bytes out(plain.size());
  for (size_t done = 0; done < out.size();) {
    const size_t n = std::min<size_t>(out.size() - done, 7919);
    REQUIRE(reader.read(out.data() + done, n) == n);
    done += n;
  }
  reader.expect_end();
  CHECK(out == plain);
}

}  // namespace
}  // namespace bantam
