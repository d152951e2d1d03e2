#include "data/image.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "core/tensor.h"
#include "tests/core/temp_folder.h"
#include "tests/data/image_files.h"

namespace bantam {
namespace {

std::string decode_refusal(const Bytes& file) {
  return refusal([&] { decode_image(file, 0, "f"); });
}

const char* const kGrayPngs[] = {"gray1",  "gray2",       "gray4",        "gray8",
                                 "gray16", "gray8_alpha", "gray16_alpha", "gray1_interlaced"};
const char* const kColorPngs[] = {"palette1",
                                  "palette2",
                                  "palette4",
                                  "palette8",
                                  "rgb8",
                                  "rgb16",
                                  "rgb8_alpha",
                                  "rgb16_alpha",
                                  "one_pixel",
                                  "rgb8_interlaced",
                                  "palette2_interlaced",
                                  "palette4_transparent"};

TEST_CASE("decode_image: PNG of each color type, depth and filter, plain and interlaced, gives the stored pixels") {
  for (const std::string name : kGrayPngs) {
    CAPTURE(name);
    const Image want = read_netpbm(name + ".pgm");
    const Image got = read_image(image_fixture(name + ".png"), 0);
    CHECK((got.h == want.h && got.w == want.w && got.c == 1));
    CHECK(got.pixels == want.pixels);
  }
  for (const std::string name : kColorPngs) {
    CAPTURE(name);
    const Image want = read_netpbm(name + ".ppm");
    const Image got = read_image(image_fixture(name + ".png"), 0);
    CHECK((got.h == want.h && got.w == want.w && got.c == 3));
    CHECK(got.pixels == want.pixels);
  }
}

TEST_CASE(
    "decode_image: JPEG of each kind has libjpeg's pixels, with stb_image nearly, and the same on every machine") {
  // Differences as measured, from libjpeg-turbo (an IDCT and a color conversion that round otherwise; another
  // interpolation of subsampled chroma): both sides are fixed numbers, so the bounds are tight.
  struct Case {
    std::string name;
    int worst;
    double average;
    uint32_t crc;  // of our pixels
  };
  const Case cases[] = {
      {"gray", 1, 0.02, 891569935},          {"ycc444", 2, 0.05, 506756760},      {"ycc422", 12, 0.4, 1069241568},
      {"ycc420", 2, 0.15, 1413648304},       {"progressive", 3, 0.1, 3971417085}, {"optimized", 2, 0.1, 4004020436},
      {"restarts", 3, 0.15, 2241070640},     {"cmyk", 2, 0.03, 3750083967},       {"one_pixel_jpeg", 0, 0, 3205852364},
      {"table_in_exif", 2, 0.03, 782070471},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const bool gray = c.name == "gray";
    const Image want = read_netpbm(c.name + (gray ? ".pgm" : ".ppm"));
    const Image got = read_image(image_fixture(c.name + ".jpg"), 0);
    CHECK((got.h == want.h && got.w == want.w && got.c == want.c));
    REQUIRE(got.pixels.size() == want.pixels.size());
    int worst = 0;
    double sum = 0;
    for (size_t i = 0; i < want.pixels.size(); ++i) {
      const int d = std::abs(int(got.pixels[i]) - int(want.pixels[i]));
      worst = std::max(worst, d);
      sum += d;
    }
    if (std::string(jpeg_decoder()) == "libjpeg-turbo") {
      CHECK(worst == 0);
    } else {
      CHECK(worst <= c.worst);
      CHECK(sum / double(want.pixels.size()) <= c.average);
      CHECK(crc32(got.pixels.data(), got.pixels.size()) == c.crc);
    }
  }
}

TEST_CASE("decode_image: one or three channels as asked for") {
  const Image rgb = read_image(image_fixture("rgb8.png"), 3), gray = read_image(image_fixture("rgb8.png"), 1);
  CHECK(gray.c == 1);
  for (size_t i = 0; i < gray.pixels.size(); ++i) {
    const uint8_t* p = rgb.pixels.data() + 3 * i;
    CHECK(gray.pixels[i] == uint8_t((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 32768) >> 16));
  }
  const Image one = read_image(image_fixture("gray8_alpha.png"), 1),
              three = read_image(image_fixture("gray8_alpha.png"), 3);
  CHECK(three.c == 3);
  for (size_t i = 0; i < three.pixels.size(); ++i) CHECK(three.pixels[i] == one.pixels[i / 3]);
  CHECK_THROWS_AS(read_image(image_fixture("no such file.png"), 3), FileError);
}

TEST_CASE("decode_image: each malformed PNG is refused with its own line") {
  const Bytes good = image_fixture_bytes("rgb8.png");
  const auto chunks = png_chunks(good);
  REQUIRE(chunks.size() == 5);  // IHDR tEXt IDAT IDAT IEND
  REQUIRE(png_file(chunks) == good);
  const auto changed = [&](const std::function<void(std::vector<PngChunk>&)>& change) {
    auto c = chunks;
    change(c);
    return png_file(c);
  };
  const auto header = [&](size_t at, uint8_t value) { return changed([&](auto& c) { c[0].body[at] = value; }); };
  const auto inserted = [&](size_t at, const PngChunk& chunk) {
    return changed([&](auto& c) { c.insert(c.begin() + ptrdiff_t(at), chunk); });
  };
  struct Rule {
    Bytes file;
    const char* text;
  };
  Bytes wrong_crc = good, no_name = good, long_chunk = good;
  wrong_crc[good.size() - 1] ^= 1;
  no_name[12] = '1';
  long_chunk[33] = 0x7f;
  const Rule rules[] = {
      {{}, "neither a PNG nor a JPEG image"},
      {{'P', '5', ' ', '1'}, "neither a PNG nor a JPEG image"},
      {Bytes(good.begin(), good.begin() + 8), "the PNG is cut short"},
      {no_name, "a PNG chunk at byte 8 has no name"},
      {long_chunk, "the PNG chunk tEXt is cut short"},
      {wrong_crc, "the PNG chunk IEND has a wrong checksum"},
      {changed([](auto& c) { c.erase(c.begin()); }), "the PNG does not begin with its one header"},
      {inserted(1, chunks[0]), "the PNG does not begin with its one header"},
      {changed([](auto& c) { c[0].body.push_back(0); }), "the PNG header is not 13 bytes long"},
      {header(3, 0), "the image has no pixels"},
      {header(0, 0x80), "the image has 2147483659x9 pixels, more than are read (sides of 16384, 64 Mi in all)"},
      {changed([](auto& c) {
         c[0].body[2] = c[0].body[6] = 0x40;
         c[0].body[3] = c[0].body[7] = 0;
       }),
       "the image has 16384x16384 pixels, more than are read (sides of 16384, 64 Mi in all)"},
      {header(8, 4), "PNG color type 2 with 4 bits does not exist"},
      {header(9, 5), "PNG color type 5 with 8 bits does not exist"},
      {header(10, 1), "PNG compression or filter method is unknown"},
      {header(12, 2), "PNG interlace method is unknown"},
      {header(9, 3), "the PNG has no palette"},
      {inserted(1, {"PLTE", Bytes(4)}), "the PNG palette has a wrong length"},
      {inserted(1, {"PLTE", Bytes(771)}), "the PNG palette has a wrong length"},
      {inserted(3, {"PLTE", Bytes(3)}), "the PNG palette is not before the data, or not the only one"},
      {inserted(0, {"CgBI", {}}), "the PNG does not begin with its one header"},
      {inserted(1, {"CgBI", {}}), "the PNG chunk CgBI is not known"},
      {inserted(3, {"tIME", {}}), "the PNG data is not in one piece"},
      {changed([](auto& c) { c.erase(c.begin() + 2, c.begin() + 4); }), "the PNG has no data"},
      {changed([](auto& c) { c[4].body.push_back(0); }), "the PNG end is not empty"},
      {changed([](auto& c) { c[3].body.clear(); }), nullptr},                   // half of the zlib stream
      {changed([](auto& c) { c[2].body[0] = 0x79; }), nullptr},                 // zlib's own header
      {changed([](auto& c) { c[0].body[7] = 200; }), nullptr},                  // more rows than data
      {changed([](auto& c) { c[0].body[2] = c[0].body[6] = 0x1f; }), nullptr},  // 190 MB of pixels in 400 bytes
  };
  for (const Rule& r : rules) {
    const std::string text = decode_refusal(r.file);
    if (r.text != nullptr)
      CHECK(text == r.text);
    else
      CHECK(text.starts_with("the image cannot be decoded ("));
  }
  CHECK(decode_refusal(changed([](auto& c) { c[0].body[2] = c[0].body[6] = 0x1f; })) ==
        "the image cannot be decoded (it takes more memory than a file of its size may)");
  CHECK(decode_refusal(inserted(1, {"prVt", Bytes(5)})) == "accepted");  // ancillary: stepped over
}

TEST_CASE("decode_image: each malformed JPEG is refused with its own line") {
  const Bytes good = image_fixture_bytes("ycc444.jpg"), progressive = image_fixture_bytes("progressive.jpg");
  REQUIRE(decode_refusal(good) == "accepted");
  const size_t sof = jpeg_segment(good, 0xc0), dht = jpeg_segment(good, 0xc4), dqt = jpeg_segment(good, 0xdb),
               sos = jpeg_segment(good, 0xda), app = jpeg_segment(good, 0xe0);
  const auto with = [](Bytes b, size_t at, uint8_t value) {
    b[at] = value;
    return b;
  };
  const auto insert = [](Bytes b, size_t at, const Bytes& what) {
    b.insert(b.begin() + ptrdiff_t(at), what.begin(), what.end());
    return b;
  };
  const auto erase = [](Bytes b, size_t begin, size_t end) {
    b.erase(b.begin() + ptrdiff_t(begin), b.begin() + ptrdiff_t(end));
    return b;
  };
  const auto end_of = [](const Bytes& b, size_t at) { return at + 2 + (size_t(b[at + 2]) << 8 | b[at + 3]); };
  Bytes many_codes = {0xff, 0xc4, 0x01, 0x45, 0x00};  // 16 counts of 255 at the last two lengths, and values
  for (int i = 0; i < 16; ++i) many_codes.push_back(i < 14 ? 0 : 200);
  many_codes.resize(2 + 0x145);
  Bytes crowded = {0xff, 0xc4, 0, 22, 0, 3};  // three codes of one bit
  crowded.resize(2 + 22);
  Bytes hidden = {0xff, 0xdb, 0, 67, 0};
  hidden.resize(2 + 67, 1);
  hidden[20] = 0xff;
  hidden[21] = 0xc4;
  Bytes scans = good;
  const Bytes scan(good.begin() + ptrdiff_t(sos), good.end() - 2);
  for (int i = 0; i < 100; ++i) scans.insert(scans.end() - 2, scan.begin(), scan.end());
  const size_t psos = jpeg_segment(progressive, 0xda), pac = jpeg_segment(progressive, 0xda, 1);
  struct Rule {
    Bytes file;
    const char* text;
  };
  const Rule rules[] = {
      {{0xff, 0xd8, 0xff}, "JPEG: cut short"},
      {erase(good, good.size() - 2, good.size()), "JPEG: cut short"},
      {with(good, app, 0), "neither a PNG nor a JPEG image"},
      {with(good, dqt, 0), "JPEG: no marker at byte 20"},
      {with(good, app + 1, 0xd8), "JPEG: marker 216 at byte 2 has no place there"},
      {with(good, app + 1, 0x01), "JPEG: marker 1 at byte 2 has no place there"},
      {with(with(good, app + 2, 0), app + 3, 1), "JPEG: a segment at byte 2 is shorter than its own length"},
      {with(good, app + 2, 0xff), "JPEG: cut short"},
      {with(good, sof + 1, 0xc3), "JPEG: lossless, arithmetic, hierarchical files and DNL are not read"},
      {with(good, sof + 1, 0xc9), "JPEG: lossless, arithmetic, hierarchical files and DNL are not read"},
      {with(good, sof + 4, 12), "JPEG: 12 bits a sample are not read, only 8"},
      {with(good, sof + 6, 0), "the image has no pixels"},
      {with(with(good, sof + 5, 0xff), sof + 7, 0xff),
       "the image has 65301x65299 pixels, more than are read (sides of 16384, 64 Mi in all)"},
      {with(good, sof + 9, 2), "JPEG: 2 components are not read"},
      {with(good, sof + 9, 4), "JPEG: the frame header has a wrong length"},
      {with(good, sof + 11, 0x01), "JPEG: a sampling factor is not in 1 .. 4"},
      {with(good, sof + 11, 0x15), "JPEG: a sampling factor is not in 1 .. 4"},
      {with(with(good, sof + 11, 0x31), sof + 14, 0x21), "JPEG: a sampling ratio is not a whole number"},
      {with(good, sof + 12, 4), "JPEG: a component has an impossible quantization table"},
      {with(good, sof + 13, good[sof + 10]), "JPEG: two components have the same number"},
      {insert(good, sof, Bytes(good.begin() + ptrdiff_t(sof), good.begin() + ptrdiff_t(end_of(good, sof)))),
       "JPEG: more than one frame"},
      {insert(good, dht, {0xff, 0xc0, 0, 4, 8, 0}), "JPEG: more than one frame"},
      {insert(good, sof, {0xff, 0xc0, 0, 4, 8, 0}), "JPEG: the frame header is cut short"},
      {erase(good, sof, end_of(good, sof)), "JPEG: a scan comes before the frame header"},
      {with(good, dqt + 4, 0x20), "JPEG: a quantization table has an impossible number"},
      {with(good, dqt + 4, 0x10), "JPEG: a quantization table is cut short"},
      {with(good, dht + 4, 0x20), "JPEG: a Huffman table has an impossible number"},
      {with(good, dht + 4, 0x04), "JPEG: a Huffman table has an impossible number"},
      {with(good, dht + 3, uint8_t(good[dht + 3] - 1)), "JPEG: a Huffman table is cut short"},
      {insert(good, dht, {0xff, 0xc4, 0, 3, 0}), "JPEG: a Huffman table is cut short"},
      {insert(good, dht, many_codes), "JPEG: a Huffman table has 400 codes, more than 256"},
      {insert(good, dht, crowded), "JPEG: a Huffman table has more codes than its lengths allow"},
      {with(good, dht + 21, 16), "JPEG: a Huffman table for DC has a symbol above 15"},
      {insert(good, dht, hidden), "JPEG: a Huffman table hides in another segment"},
      {insert(good, sos, {0xff, 0xdd, 0, 5, 0, 0, 0}), "JPEG: the restart interval has a wrong length"},
      {with(good, sos + 4, 0), "JPEG: a scan header has a wrong length"},
      {with(good, sos + 4, 4), "JPEG: a scan header has a wrong length"},
      {with(good, sos + 5, 77), "JPEG: a scan names a component that does not exist"},
      {with(good, sos + 7, good[sos + 5]), "JPEG: a scan names a component twice"},
      {with(good, sos + 6, 0x40), "JPEG: a scan names an impossible Huffman table"},
      {with(good, sos + 6, 0x33), "JPEG: a scan uses a Huffman table that is not defined"},
      {with(good, sof + 12, 3), "JPEG: a scan uses a quantization table that is not defined"},
      {with(good, sos + 12, 1), "JPEG: a scan is not that of a baseline file"},
      {with(progressive, psos + 12, 5), "JPEG: a progressive scan has an impossible range"},
      {with(progressive, pac + 8, 64), "JPEG: a progressive scan has an impossible range"},
      {with(progressive, pac + 9, 0xee), "JPEG: a progressive scan has an impossible range"},
      {erase(good, sos, good.size() - 2), "JPEG: no scan"},
      {scans, "JPEG: more than 100 scans"},
  };
  for (const Rule& r : rules) CHECK(decode_refusal(r.file) == r.text);
}

TEST_CASE(
    "decode_image: pixels or coefficients beyond what a file of its size may take are refused before they are made") {
  const std::string text = "the image cannot be decoded (it takes more memory than a file of its size may)";
  for (const char* name : {"gray.jpg", "ycc420.jpg", "progressive.jpg", "cmyk.jpg"}) {
    CAPTURE(name);
    Bytes file = image_fixture_bytes(name);
    const size_t sof = jpeg_segment(file, std::string(name) == "progressive.jpg" ? 0xc2 : 0xc0);
    file[sof + 5] = file[sof + 7] = 0x1f;  // about 8,000 x 8,000
    CHECK(decode_refusal(file) == text);
  }
  // The decoder's own memory counts: here the pixels alone would fit.
  Bytes file = image_fixture_bytes("progressive.jpg");
  const size_t sof = jpeg_segment(file, 0xc2);
  file[sof + 5] = file[sof + 7] = 0x06;  // about 1,570 x 1,570: 7.4 MB, of 8.2 that may be taken
  CHECK(decode_refusal(file) == text);
}

TEST_CASE("decode_image: a file cut at any byte is refused") {
  for (const std::string name :
       {"palette4.png", "rgb8_interlaced.png", "gray.jpg", "progressive.jpg", "table_in_exif.jpg"}) {
    CAPTURE(name);
    const Bytes file = image_fixture_bytes(name);
    for (size_t n = 0; n < file.size(); ++n)
      REQUIRE(decode_refusal(Bytes(file.begin(), file.begin() + ptrdiff_t(n))) != "accepted");
    Bytes longer = file;
    longer.resize(file.size() + 9, 0xff);
    CHECK(decode_refusal(longer) == "accepted");  // as libjpeg, libpng and PIL do
  }
}

TEST_CASE("decode_image: any single-bit flip of a PNG is refused; of a JPEG it does no harm") {
  const Bytes png = image_fixture_bytes("rgb8.png");
  for (size_t bit = 0; bit < 8 * png.size(); ++bit) {
    Bytes file = png;
    file[bit / 8] ^= uint8_t(1 << bit % 8);
    REQUIRE(decode_refusal(file) != "accepted");
  }
  for (const char* name : {"ycc420.jpg", "progressive.jpg"}) {
    const Bytes jpeg = image_fixture_bytes(name);
    for (size_t bit = 0; bit < 8 * jpeg.size(); ++bit) {
      Bytes file = jpeg;
      file[bit / 8] ^= uint8_t(1 << bit % 8);
      decode_refusal(file);  // checks that an error, if any, is one line
    }
  }
}

TEST_CASE("decode_image: threads do not share the decoder's memory") {
  const Bytes file = image_fixture_bytes("progressive.jpg");
  const auto want = decode_image(file, 3, "f").pixels;
  bool same[4] = {};
  std::vector<std::thread> threads;
  for (bool& ok : same)
    threads.emplace_back([&] {
      ok = true;
      for (int i = 0; i < 20; ++i) ok = ok && decode_image(file, 3, "f").pixels == want;
    });
  for (auto& t : threads) t.join();
  for (const bool ok : same) CHECK(ok);
}

TEST_CASE("encode_png: what is written reads back, gray and color, and the bytes are golden") {
  for (const int c : {1, 3}) {
    const Image image = made_picture(28, 27, c);
    const Bytes file = encode_png(image);
    const Image back = decode_image(file, 0, "f");
    CHECK((back.h == 28 && back.w == 27 && back.c == c));
    CHECK(back.pixels == image.pixels);
    CHECK(crc32(file.data(), file.size()) == (c == 1 ? 3311854919u : 1503449572u));
  }
  const TempFolder folder;
  write_png(folder / "a.png", made_picture(5, 6, 3));
  CHECK(read_image(folder / "a.png", 3).pixels == made_picture(5, 6, 3).pixels);
  CHECK_THROWS_WITH_AS(encode_png({2, 2, 3, {1, 2}}), "png: cannot write an image [2,2,3] of 2 bytes", Error);
  CHECK_THROWS_AS(encode_png({1, 1, 2, {1, 2}}), Error);
}

}  // namespace
}  // namespace bantam
