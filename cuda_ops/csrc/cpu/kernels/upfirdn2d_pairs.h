// Neighbouring outputs of an axis, two at a time: what they see, and the pairs that there are loops for.
#pragma once

#include <cstdint>
#include <vector>

#include "upfirdn2d.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// What the outputs 2q and 2q+1 of an axis see: `taps` inputs each, those of the second `shift` further on, and those of
// the next two outputs `advance` further on.
struct Pair {
  int64_t taps = 0, shift = 0, advance = 0;
};

// The pairs of an axis; no taps where they are not all alike.
inline Pair pair_of(const Axis& axis) {
  const auto first = axis.window(0), second = axis.window(1), next = axis.window(2);
  if (first.count != second.count || first.count != next.count || first.tap != next.tap) {
    return {};
  }
  return {first.count, second.first - first.first, next.first - first.first};
}

// One of the pairs that there is a loop for.
template <int taps_, int shift_, int advance_>
struct PairOf {
  static constexpr int taps = taps_, shift = shift_, advance = advance_;
  // Inputs that a pair sees, and those of them that the next pair sees as well.
  static constexpr int seen = taps + shift, kept = seen - advance;

  static bool is(const Pair& pair) { return pair.taps == taps && pair.shift == shift && pair.advance == advance; }
};

// The pairs of the filters that a StyleGAN has: three or four taps at the same size, four to half and twice the size.
using Same = PairOf<4, 1, 2>;
using SameOfThree = PairOf<3, 1, 2>;
using Half = PairOf<4, 2, 4>;
using Twice = PairOf<2, 0, 1>;
using TwiceShifted = PairOf<2, 1, 1>;

// The most taps of such a pair, and the most inputs that it sees.
constexpr int kPairTaps = 4, kPairSeen = 6;

// The weights of the first and of the second output of a pair.
template <typename A>
struct PairWeights {
  A first[kPairTaps], second[kPairTaps];

  void set(const Axis& axis, const std::vector<double>& taps) {
    const auto one = axis.window(0), other = axis.window(1);
    for (int64_t t = 0; t < one.count; ++t) {
      first[t] = A(taps[one.tap + t * axis.up]);
      second[t] = A(taps[other.tap + t * axis.up]);
    }
  }
};

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
