// Small files of each format, made by code, and the check that a reader refuses a damaged one in one line.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/file.h"
#include "tests/core/error_text.h"
#include "tests/data/gzipped.h"

namespace bantam {

inline Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

// A file of these bytes, in folders that are made where they are not there.
inline void put(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  const ByteSpan pieces[] = {bytes};
  atomic_write(path.string(), pieces);
}

inline void append_be32(Bytes& out, uint32_t v) {
  for (int i = 3; i >= 0; --i) out.push_back(uint8_t(v >> (8 * i)));
}

// IDX of unsigned bytes; element i is values(i).
inline Bytes make_idx(const std::vector<uint32_t>& dims, const std::function<uint8_t(size_t)>& values) {
  Bytes out = {0, 0, 8, uint8_t(dims.size())};
  size_t n = 1;
  for (const uint32_t d : dims) {
    append_be32(out, d);
    n *= d;
  }
  for (size_t i = 0; i < n; ++i) out.push_back(values(i));
  return out;
}

// CIFAR-10 records: label i mod 10; channel c of pixel p of record i is (31 i + 7 p + 100 c) mod 251.
inline uint8_t made_cifar_value(int64_t i, int64_t p, int64_t c) { return uint8_t((31 * i + 7 * p + 100 * c) % 251); }
inline Bytes make_cifar(int64_t records) {
  Bytes out;
  for (int64_t i = 0; i < records; ++i) {
    out.push_back(uint8_t(i % 10));
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t p = 0; p < 1024; ++p) out.push_back(made_cifar_value(i, p, c));
  }
  return out;
}

// CIFAR-100 records with the same pixels: superclass i mod 20, class (99 - 7 i) mod 100.
inline Bytes make_cifar100(int64_t records) {
  const Bytes ten = make_cifar(records);
  Bytes out;
  for (int64_t i = 0; i < records; ++i) {
    out.push_back(uint8_t(i % 20));
    out.push_back(uint8_t((99 + 93 * i) % 100));
    out.insert(out.end(), ten.begin() + 3073 * i + 1, ten.begin() + 3073 * (i + 1));
  }
  return out;
}

// What FileError says of a file named "f", without the name; "accepted" if there is none.
inline std::string refusal(const std::function<void()>& read) {
  const std::string text = error_text<FileError>(read);
  CHECK(text.find('\n') == std::string::npos);
  if (text == "accepted") return text;
  REQUIRE(text.starts_with("f: "));
  return text.substr(3);
}

}  // namespace bantam
