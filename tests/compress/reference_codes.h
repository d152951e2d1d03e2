// The codebooks written down once more, for the oracle of reference_net.h: a value is a step times a code. Steps and
// codes are computed in f32 with the divisions and roundings of the definitions in ops/quant; sums of magnitudes in
// f64. A value of a table is a step of its own, times 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/kernels/elementwise.h"
#include "ops/quant/scheme.h"
#include "ops/quant/uniform.h"

namespace bantam {

// Codes of a tensor, and the step of each of its elements.
struct ReferenceCodes {
  bool defined = false, scaled = false;  // not scaled: all steps are 1
  std::vector<int> code = {};
  std::vector<float> step = {};

  float value(size_t i) const { return step[i] * float(code[i]); }
};

// clamp(round(x factor), lo, hi), half to even.
inline int reference_round(float x, float factor, int lo, int hi) {
  const float v = x * factor;
  return !(v > float(lo)) ? lo : v >= float(hi) ? hi : int(std::nearbyint(v));
}

// Activations on powers of two, of which there are no codes: 0, and 2^k - 1 values.
inline bool reference_is_steps(Scheme scheme) {
  return scheme == Scheme::kLog || scheme == Scheme::kLog2 || scheme == Scheme::kPow2;
}
inline float reference_step_value(float x, const QuantSpec& q) {
  const int levels = (1 << q.bits) - 1;
  const double least = std::ldexp(1.0, -126), high = q.high > 0 ? q.high : 1;
  const double low = q.low > 0 ? std::min(q.low, high) : 0.03 * high, top = std::floor(std::log2(high) + 0.5);
  const double first = -std::log2(high), last = -std::log2(low), gap = levels > 1 ? (last - first) / (levels - 1) : 0;
  double value = 0;  // of the level before
  for (int j = 0; j < levels; ++j) {
    const int depth = levels - 1 - j;
    const bool log = q.scheme == Scheme::kLog;
    const double own = std::max(least, std::exp2(log ? -(first + depth * gap) : top - depth));
    double bound = log ? std::exp2(-(first + depth * gap + 0.5 * gap)) : std::exp2(top - depth - 0.5);
    if (q.scheme == Scheme::kPow2) bound = (value + own) / 2;
    if (j == 0 && q.scheme != Scheme::kPow2) bound = least;
    if (!(x >= float(std::max(least, bound)))) break;
    value = own;
  }
  return float(value);
}

inline ReferenceCodes reference_activation(const std::vector<float>& x, const QuantSpec& q) {
  ReferenceCodes r;
  if (q.scheme == Scheme::kNone || reference_is_steps(q.scheme)) return r;
  r.defined = true, r.scaled = q.scheme != Scheme::kSign && q.scheme != Scheme::kStochastic;
  const int n = (1 << q.bits) - 1, h = (1 << (q.bits - 1)) - 1;
  float step = 1;
  // Of a range that was found, a step of it; the inverse of that.
  const auto even = [&](float v, int lo, int hi) {
    step = q.high > 0 ? float(q.high / hi) : 1.0f / float(hi);
    r.code.push_back(reference_round(v, q.high > 0 ? 1.0f / step : float(hi), lo, hi));
  };
  for (float v : x) switch (q.scheme) {
      case Scheme::kSign:
      case Scheme::kStochastic:
        r.code.push_back(v >= 0 ? 1 : -1);
        break;
      case Scheme::kTernary:
        even(v, -1, 1);
        break;
      case Scheme::kUniform:
        even(v, -h, h);
        break;
      case Scheme::kDorefa:
      case Scheme::kRelu:
        even(v, 0, n);
        break;
      case Scheme::kTanh: {
        const double m = q.high > 0 ? std::tanh(q.high) : 1;
        int code = -n;
        for (int j = 0; j < n; ++j)
          if (v >= float(std::atanh((2 * (j + 0.5) / n - 1) * m))) code = 2 * (j + 1) - n;
        step = 1.0f / float(n), r.scaled = n > 1, r.code.push_back(code);
        break;
      }
      case Scheme::kHwgq:
        step = float(hwgq_step(q.bits));
        r.code.push_back(v > 0 ? std::max(1, reference_round(v, 1.0f / step, 0, n)) : 0);
        break;
      case Scheme::kInt: {
        const double width = (q.high - q.low) / n;
        const int zero = int(std::nearbyint(-q.low / width));
        step = float(width);
        r.code.push_back(reference_round(v, 1.0f / step, -zero, n - zero));
        break;
      }
      default:
        throw Error("reference_activation: no " + std::string(name_of(q.scheme)));
    }
  r.step.assign(x.size(), step);
  return r;
}

// The nearest float with this many bits of fraction whose exponent is at least `least`: a whole number of its steps.
inline float reference_half(float v, int fraction, int least) {
  if (v == 0) return v;
  const double step = std::ldexp(1.0, std::max(std::ilogb(v), least) - fraction);
  return float(std::nearbyint(double(v) / step) * step);
}

// Of codebooks that are tables, each weight's value.
inline std::vector<float> reference_table_values(const std::vector<float>& w, const QuantSpec& q) {
  std::vector<float> out;
  const double least = *std::min_element(w.begin(), w.end()), largest = *std::max_element(w.begin(), w.end());
  const double most = std::max(std::abs(least), std::abs(largest));
  const int n = (1 << (q.bits - 1)) - 1;
  if (q.scheme == Scheme::kLog || q.scheme == Scheme::kLog2) {
    const double floor = q.bits < 3 ? 0.33 : q.bits < 4 ? 0.15 : 0.03;
    const auto depth = [&](float v) { return -std::log2(std::max(std::abs(v) / (most > 0 ? most : 1), floor)); };
    double near = depth(w[0]), far = near;
    for (float v : w) near = std::min(near, depth(v)), far = std::max(far, depth(v));
    const bool whole = q.scheme == Scheme::kLog2;
    const double first = whole || n == 0 ? 0 : near, step = n == 0 ? 0 : whole ? 1 : (far - near) / n;
    for (float v : w) {
      const double number = step > 0 ? std::min(std::nearbyint((depth(v) - first) / step), double(n)) : 0;
      const float magnitude = float(std::exp2(-(first + number * step)));
      out.push_back(std::signbit(v) && v != 0 ? -magnitude : magnitude);
    }
    return out;
  }
  std::vector<double> book;
  if (q.scheme == Scheme::kPow2) {
    const double top = most > 0 ? std::exp2(std::floor(std::log2(most) + 0.5)) : 1;
    book.push_back(0);
    for (int i = 0; i < n; ++i) book.push_back(std::ldexp(top, -i)), book.push_back(-std::ldexp(top, -i));
    std::sort(book.begin(), book.end());
  } else if (q.scheme == Scheme::kKmeans) {
    const size_t k = size_t(1) << q.bits, bins = 4096;
    for (size_t j = 0; j < k; ++j) book.push_back(least + (largest - least) * (double(j) + 0.5) / double(k));
    const double width = (largest - least) / double(bins);
    std::vector<double> n_of(bins, 0), sum_of(bins, 0);
    for (float v : w) {
      const size_t bin = width > 0 ? std::min(size_t((v - least) / width), bins - 1) : 0;
      n_of[bin] += 1, sum_of[bin] += v;
    }
    for (int round = 0; round < 50 && width > 0; ++round) {
      std::vector<double> members(k, 0), sums(k, 0);
      for (size_t bin = 0, j = 0; bin < bins; ++bin) {
        const double x = least + (double(bin) + 0.5) * width;
        while (j + 1 < k && x > (book[j] + book[j + 1]) / 2) ++j;
        members[j] += n_of[bin], sums[j] += sum_of[bin];
      }
      for (size_t j = 0; j < k; ++j)
        if (members[j] > 0) book[j] = sums[j] / members[j];
    }
  } else {
    throw Error("reference_weight: no " + std::string(name_of(q.scheme)));
  }
  for (float v : w) {
    size_t j = 0;
    while (j + 1 < book.size() && v > float((book[j] + book[j + 1]) / 2)) ++j;
    out.push_back(float(book[j]));
  }
  return out;
}

// Are the values no multiples of a step that stands outside of a sum?
inline bool reference_is_apart(Scheme scheme) { return traits_of(scheme).table || traits_of(scheme).half; }

// w [rows][taps][c], c the last dimension.
inline ReferenceCodes reference_weight(std::vector<float> w, size_t rows, size_t c, const QuantSpec& q,
                                       const std::vector<float>& learned = {}) {
  ReferenceCodes r;
  if (q.scheme == Scheme::kNone) return r;
  r.defined = true;
  if (traits_of(q.scheme).half) {
    r.scaled = true, r.code.assign(w.size(), 1);
    for (float v : w)
      r.step.push_back(reference_half(v, q.scheme == Scheme::kF16 ? 10 : 7, q.scheme == Scheme::kF16 ? -14 : -126));
    return r;
  }
  if (traits_of(q.scheme).table) {
    r.scaled = true, r.code.assign(w.size(), 1), r.step = reference_table_values(w, q);
    return r;
  }
  const size_t n = w.size(), per_row = n / rows;
  const bool by_layer = !traits_of(q.scheme).granular || q.granularity == Granularity::kLayer;
  const bool by_kernel = !by_layer && q.granularity == Granularity::kKernel && per_row != c;
  std::vector<size_t> group(n);
  for (size_t i = 0; i < n; ++i) group[i] = by_layer ? 0 : by_kernel ? i / per_row * c + i % c : i / per_row;
  // Of each group: how many there are of what `what` says is not 0, and the sum and the largest of that.
  struct Tally {
    double n = 0, sum = 0, most = 0;
  };
  const auto tally = [&](auto what) {
    std::vector<Tally> t(group.back() + 1);
    for (size_t i = 0; i < n; ++i) {
      const double v = what(i);
      t[group[i]].n += v != 0, t[group[i]].sum += v, t[group[i]].most = std::max(t[group[i]].most, v);
    }
    return t;
  };
  const double group_size = double(n) / double(group.back() + 1);
  const auto magnitude = [&](size_t i) { return std::abs(double(w[i])); };
  const auto scales = [&](ScaleRule rule, double of_mean) {
    std::vector<float> s;
    for (const Tally& t : tally(magnitude)) {
      const double v = rule == ScaleRule::kMean ? of_mean * t.sum / group_size : t.most;
      s.push_back(rule != ScaleRule::kNone && v > 0 ? float(v) : 1.0f);
    }
    return s;
  };
  r.code.resize(n), r.step.assign(n, 1.0f);
  r.scaled = q.scheme != Scheme::kSign && q.scheme != Scheme::kStochastic;
  const auto use = [&](const std::vector<float>& steps, auto code) {
    for (size_t i = 0; i < n; ++i) r.step[i] = steps[group[i]], r.code[i] = code(i);
  };
  const auto sign = [&](size_t i) { return w[i] >= 0 ? 1 : -1; };
  switch (q.scheme) {
    case Scheme::kSign:
    case Scheme::kStochastic:
      use(scales(ScaleRule::kNone, 1), sign);
      break;
    case Scheme::kBwn:
      r.scaled = q.scale != ScaleRule::kNone;
      use(learned.empty() ? scales(q.scale, 1) : learned, sign);
      break;
    case Scheme::kXnor:
      use(scales(ScaleRule::kMean, 1), sign);
      break;
    case Scheme::kTwn: {
      std::vector<float> delta, steps;
      for (const Tally& t : tally(magnitude)) delta.push_back(float(0.7 * t.sum / group_size));
      const auto above = [&](size_t i) { return std::abs(w[i]) > delta[group[i]] ? magnitude(i) : 0.0; };
      for (const Tally& t : tally(above)) steps.push_back(t.n > 0 ? float(t.sum / t.n) : 1.0f);
      use(steps, [&](size_t i) { return w[i] > delta[group[i]] ? 1 : w[i] < -delta[group[i]] ? -1 : 0; });
      break;
    }
    case Scheme::kTernary:
    case Scheme::kUniform:
    case Scheme::kInt: {
      const int h = q.scheme == Scheme::kTernary ? 1 : (1 << (q.bits - 1)) - 1;
      if (!learned.empty()) {
        std::vector<float> least = learned;
        for (float& v : least) v = v > 0x1p-26f ? v : 0x1p-26f;
        use(least, [&](size_t i) { return reference_round(w[i] / least[group[i]], 1.0f, -h, h); });
        break;
      }
      const std::vector<float> reach =
          scales(q.scheme == Scheme::kInt ? ScaleRule::kMax : q.scale, 2 * std::sqrt(double(h)));
      std::vector<float> steps;
      for (float v : reach) steps.push_back(v / float(h));
      use(steps, [&](size_t i) { return reference_round(w[i] / reach[group[i]], float(h), -h, h); });
      break;
    }
    case Scheme::kDorefa:
    case Scheme::kTanh: {
      if (q.scheme == Scheme::kDorefa && q.bits == 1) {
        use(scales(ScaleRule::kMean, 1), sign);
        break;
      }
      std::vector<float> t(n);
      tanh_f32(w.data(), t.data(), int64_t(n));
      w = t;
      const float most = scales(ScaleRule::kMax, 1)[0];
      const int levels = (1 << q.bits) - 1;
      use({1.0f / float(levels)}, [&](size_t i) {
        return 2 * reference_round(t[i] / (most + most) + 0.5f, float(levels), 0, levels) - levels;
      });
      break;
    }
    default:
      throw Error("reference_weight: no " + std::string(name_of(q.scheme)));
  }
  return r;
}

}  // namespace bantam
