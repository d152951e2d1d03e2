#include "core/hash.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace bantam {
namespace {

std::span<const uint8_t> bytes_of(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

TEST_CASE("sha256: the published examples") {
  // FIPS 180-4, appendix B, and the empty message.
  CHECK(sha256_hex({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(bytes_of("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  std::string million(1000000, 'a');
  CHECK(sha256_hex(bytes_of(million)) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: pieces of any size give the hash of the whole, at every length around the block size") {
  std::vector<uint8_t> data(300);
  for (size_t i = 0; i < data.size(); ++i) data[i] = uint8_t(i * 7 + 1);
  for (size_t n = 0; n <= data.size(); ++n) {
    std::string whole = sha256_hex({data.data(), n});
    for (size_t piece : {1, 3, 63, 64, 65}) {
      Sha256 h;
      for (size_t i = 0; i < n; i += piece) h.update({data.data() + i, std::min(piece, n - i)});
      REQUIRE(h.hex() == whole);
    }
  }
}

TEST_CASE("sha256: after the digest a new message starts") {
  Sha256 h;
  h.update(bytes_of("something else"));
  h.hex();
  h.update(bytes_of("abc"));
  CHECK(h.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace bantam
