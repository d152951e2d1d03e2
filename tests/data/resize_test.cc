#include "data/resize.h"

#include "core/tensor.h"
#include "tests/data/image_files.h"

namespace bantam {
namespace {

TEST_CASE("resize: equals PIL's bilinear resize byte for byte, smaller, larger, in one direction, to one pixel") {
  const int cases[][5] = {{20, 30, 1, 10, 15}, {23, 37, 3, 7, 10}, {7, 5, 3, 16, 24},  {40, 41, 1, 1, 1},
                          {1, 1, 3, 3, 4},     {13, 64, 1, 13, 9}, {64, 13, 1, 9, 13}, {50, 40, 3, 49, 41},
                          {100, 3, 1, 17, 5},  {30, 31, 3, 28, 28}};
  for (const auto& s : cases) {
    const auto text = [](int v) { return std::to_string(v); };
    const std::string name = "resize_" + text(s[0]) + "x" + text(s[1]) + "x" + text(s[2]) + "_to_" + text(s[3]) + "x" +
                             text(s[4]) + (s[2] == 3 ? ".ppm" : ".pgm");
    CAPTURE(name);
    const Image want = read_netpbm(name), got = resize(made_picture(s[0], s[1], s[2]), s[3], s[4]);
    CHECK((got.h == want.h && got.w == want.w && got.c == want.c));
    CHECK(got.pixels == want.pixels);
  }
}

TEST_CASE("resize: half the width by hand, the same size is the same image, a constant stays constant") {
  // A triangle of half-width 2 around x = 1, then x = 3. Pixel centers lie 0.5, 0.5 and 1.5 away: weights 3/7, 3/7,
  // 1/7.
  const Image four{1, 4, 1, {0, 70, 140, 210}};
  CHECK(resize(four, 1, 2).pixels == std::vector<uint8_t>{50, 160});
  CHECK(resize(made_picture(9, 8, 3), 9, 8).pixels == made_picture(9, 8, 3).pixels);
  const Image flat{5, 7, 1, std::vector<uint8_t>(35, 255)};
  CHECK(resize(flat, 3, 11).pixels == std::vector<uint8_t>(33, 255));
  CHECK_THROWS_WITH_AS(resize(flat, 0, 3), "resize: 0x3 is not a size", Error);
  CHECK_THROWS_AS(resize(flat, 3, 20000), Error);
}

TEST_CASE("resize_shorter: the longer side is truncated") {
  const auto sides = [](int h, int w, int side) {
    const Image i = resize_shorter(made_picture(h, w, 1), side);
    return std::pair(i.h, i.w);
  };
  CHECK(sides(20, 31, 7) == std::pair(7, 10));  // 10.85
  CHECK(sides(31, 20, 7) == std::pair(10, 7));
  CHECK(sides(20, 20, 30) == std::pair(30, 30));
  CHECK_THROWS_AS(resize_shorter(made_picture(1, 100, 1), 200), Error);
}

TEST_CASE("center_crop: halves are rounded to even, as Python's round does") {
  const auto corner = [](int all, int part) {  // of a picture whose pixel is its own x
    Image i{1, all, 1, {}};
    for (int x = 0; x < all; ++x) i.pixels.push_back(uint8_t(x));
    return int(center_crop(i, 1, part).pixels[0]);
  };
  CHECK(corner(10, 10) == 0);
  CHECK(corner(11, 10) == 0);  // round(0.5) = 0
  CHECK(corner(12, 10) == 1);
  CHECK(corner(13, 10) == 2);  // round(1.5) = 2
  CHECK(corner(15, 10) == 2);  // round(2.5) = 2
  CHECK(corner(17, 10) == 4);  // round(3.5) = 4
  const Image image = made_picture(4, 5, 3), crop = center_crop(image, 2, 3);
  for (int y = 0; y < 2; ++y)
    for (int i = 0; i < 9; ++i) CHECK(crop.pixels[size_t(9 * y + i)] == image.pixels[size_t(15 * (y + 1) + 3 + i)]);
  CHECK_THROWS_WITH_AS(center_crop(image, 5, 5), "center_crop: the image 4x5 is smaller than the crop 5x5", Error);
}

TEST_CASE("fit: the right size is left alone, any other is covered and cut") {
  CHECK(fit(made_picture(28, 28, 1), 28, 28).pixels == made_picture(28, 28, 1).pixels);
  for (const auto& [h, w] : {std::pair(10, 40), {40, 10}, {28, 27}, {27, 28}, {3, 3}, {100, 99}, {57, 31}}) {
    for (const auto& [to_h, to_w] : {std::pair(28, 28), {20, 30}, {30, 20}}) {
      const Image i = fit(made_picture(h, w, 3), to_h, to_w);
      CHECK((i.h == to_h && i.w == to_w && i.c == 3));
    }
  }
  const Image wide = made_picture(10, 40, 1);
  CHECK(fit(wide, 5, 5).pixels == center_crop(resize(wide, 5, 20), 5, 5).pixels);
}

TEST_CASE(
    "Resizer: a box of the image, stretched and mirrored, equals torchvision's resized_crop and hflip byte for byte") {
  struct Case {
    Box box;
    int to;
    bool flip;
  };
  const Case cases[] = {{{0, 0, 40, 50}, 16, false}, {{3, 7, 20, 31}, 16, true},  {{39, 49, 1, 1}, 5, false},
                        {{10, 0, 16, 50}, 16, true}, {{5, 6, 30, 16}, 16, false}, {{8, 9, 16, 16}, 16, true}};
  const Image picture = made_picture(40, 50, 3);
  Resizer resizer;  // one for all: what a call leaves behind changes no other
  for (size_t n = 0; n < std::size(cases); ++n) {
    CAPTURE(n);
    const Case& c = cases[n];
    std::vector<uint8_t> got(size_t(c.to * c.to * 3));
    resizer.run(picture, c.box, c.to, c.to, {0, 0, c.to, c.to}, c.flip, got.data());
    CHECK(got == read_netpbm("../transforms/crop" + std::to_string(n) + ".ppm").pixels);
  }
}

TEST_CASE("Resizer: a window of the result is that part of the whole, mirrored or not, gray or color") {
  Resizer resizer;
  for (const int c : {1, 3})
    for (const auto& [h, w] : {std::pair(21, 17), {40, 50}, {21, 50}, {40, 23}, {70, 90}})
      for (const bool flip : {false, true}) {
        const Image image = made_picture(40, 50, c), whole = resize(image, h, w);
        const Box window = {5, 3, 11, 9};
        std::vector<uint8_t> got(size_t(11 * 9 * c));
        resizer.run(image, {0, 0, 40, 50}, h, w, window, flip, got.data());
        for (int y = 0; y < 11; ++y)
          for (int x = 0; x < 9; ++x)
            for (int k = 0; k < c; ++k)
              REQUIRE(got[size_t((y * 9 + x) * c + k)] ==
                      whole.pixels[size_t(((5 + y) * w + 3 + (flip ? 8 - x : x)) * c + k)]);
      }
  const Image image = made_picture(4, 5, 3);
  uint8_t out[60];
  CHECK_THROWS_WITH_AS(resizer.run(image, {1, 0, 4, 5}, 2, 2, {0, 0, 2, 2}, false, out),
                       "resize: the box at (1,0) of 4x5 is not inside of 4x5", Error);
  CHECK_THROWS_WITH_AS(resizer.run(image, {0, 0, 4, 5}, 2, 2, {0, 1, 2, 2}, false, out),
                       "resize: the window at (0,1) of 2x2 is not inside of 2x2", Error);
}

TEST_CASE("fit: a shorter side and a center equal torchvision's Resize and CenterCrop byte for byte") {
  const int cases[][4] = {{40, 61, 20, 17}, {61, 40, 24, 19}, {33, 33, 22, 21}, {20, 29, 20, 20}};
  for (size_t n = 0; n < std::size(cases); ++n) {
    CAPTURE(n);
    const auto& [h, w, side, crop] = cases[n];
    CHECK(fit(made_picture(h, w, 3), crop, crop, side).pixels ==
          read_netpbm("../transforms/center" + std::to_string(n) + ".ppm").pixels);
  }
}

}  // namespace
}  // namespace bantam
