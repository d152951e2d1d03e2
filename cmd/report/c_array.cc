#include "cmd/report/c_array.h"

#include <algorithm>
#include <utility>

#include "core/hash.h"

namespace bantam {
namespace {

constexpr char kSource[] = R"(/* The bytes of $about */
$include

#if defined(__cplusplus) && __cplusplus >= 201103L
#define ON_64 alignas(64)
#elif defined(__GNUC__)
#define ON_64 __attribute__((aligned(64)))
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ON_64 _Alignas(64)
#else
#error "define ON_64 as what makes this compiler align to 64 bytes"
#endif

ON_64 const unsigned char $name[$NAME_LEN] = {
$bytes};
const unsigned int $name_len = $NAME_LEN;
)";

constexpr char kHeader[] = R"(/* Declares $about */
/*
 * static unsigned char $mem_declaredarena[$NAME_ARENA_BYTES(1)];  on multiples of 64; for one lane
 * bnt_load($name, $name_len, $mem_given, &model, 0);
 * bnt_open(&model, arena, sizeof arena, 0, &session);
 */
#ifndef $NAME_
#define $NAME_

#define $NAME_LEN $len /* bytes of the file */
#define $NAME_MODEL_BYTES $model_bytes /* of mem; 0: none is needed */
#define $NAME_ARENA_BASE $base
#define $NAME_ARENA_PER_LANE $lane
#define $NAME_ARENA_BYTES(lanes) ($NAME_ARENA_BASE + (lanes) * $NAME_ARENA_PER_LANE)
#define $NAME_H $h /* of an image, u8 [H][W][C] */
#define $NAME_W $w
#define $NAME_C $c
#define $NAME_CLASSES $classes /* scores of an image */

#ifdef __cplusplus
extern "C" {
#endif
extern const unsigned char $name[$NAME_LEN];
extern const unsigned int $name_len;
#ifdef __cplusplus
}
#endif

#endif
)";

// The text with each word replaced; of two that fit, the longer one is meant.
std::string filled(const std::string& text, std::vector<std::pair<std::string, std::string>> words) {
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto word = std::find_if(words.begin(), words.end(),
                                   [&](const auto& w) { return text.compare(at, w.first.size(), w.first) == 0; });
    out += word == words.end() ? text.substr(at, 1) : word->second;
    at += word == words.end() ? 1 : word->first.size();
  }
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c); }
// `also`: further characters that may stay.
std::string plain(std::string s, const std::string& also) {
  for (char& c : s)
    if (!is_plain(c) && also.find(c) == std::string::npos) c = '_';
  return s;
}
std::string upper(std::string s) {
  for (char& c : s)
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  return s;
}

// "137,66,...": decimal, without blanks, is the shortest that C reads.
std::string numbers(const std::vector<uint8_t>& file) {
  std::string out, line;
  for (uint8_t byte : file) {
    line += std::to_string(byte) + ",";
    if (line.size() < 116) continue;
    out += line + "\n";
    line.clear();
  }
  return line.empty() ? out : out + line + "\n";
}

}  // namespace

CArray c_array(const std::vector<uint8_t>& file, const bnt_info& info, const std::string& stem,
               const std::string& origin) {
  CArray c;
  c.symbol = plain(stem, "") + "_bnt";
  if (is_digit(c.symbol[0])) c.symbol = "_" + c.symbol;
  Sha256 sha;
  sha.update(file);
  const auto text = [](uint64_t v) { return std::to_string(v) + "u"; };
  const std::vector<std::pair<std::string, std::string>> words = {
      {"$NAME", upper(c.symbol)},
      {"$name", c.symbol},
      {"$include", "#include \"" + stem + ".h\""},
      {"$about", "a packed model made by bantam " BNT_VERSION " pack from " + plain(origin, "._-+ ") +
                     ".\n   SHA-256 " + sha.hex() + "."},
      {"$bytes", numbers(file)},
      {"$len", text(file.size())},
      {"$model_bytes", text(info.model_bytes)},
      {"$base", text(info.arena_base)},
      {"$lane", text(info.arena_per_lane)},
      {"$h", text(info.h)},
      {"$w", text(info.w)},
      {"$c", text(info.c)},
      {"$classes", text(info.classes)},
      // An array of no bytes is no C.
      {"$mem_declared", info.model_bytes ? "mem[" + upper(c.symbol) + "_MODEL_BYTES], " : ""},
      {"$mem_given", info.model_bytes ? "mem, sizeof mem" : "0, 0"},
  };
  c.source = filled(kSource, words);
  c.header = filled(kHeader, words);
  return c;
}

}  // namespace bantam
