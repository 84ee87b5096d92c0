// downsample_l2 on plain pointers: images made small by two banded matrices, the adjoint, and the squared error.
#pragma once

#include <algorithm>
#include <cstdint>

#include "numbers.h"

namespace cuda_ops {
namespace downsample_l2_kernel {

// Numbers of a strip of an image's row, long enough for the processor to foresee what is read next; rows that are added
// to all their sums while they are in the cache; and rows of the small image that are summed at a time.
constexpr int64_t kStrip = 3072, kRows = 4, kOutputs = 16;

// A matrix (out, length) whose rows are zero outside of one run of `taps` columns each.
template <typename A>
struct Banded {
  const A* weights;      // (out, taps)
  const int64_t* first;  // (out,): the column of the first tap; taps that meet no column count as 0
  int64_t out, taps, length;

  // The columns of row `o` that lie in [from, to), and the weight of the first of them.
  int64_t begin(int64_t o, int64_t from) const { return std::max(first[o], from); }
  int64_t end(int64_t o, int64_t to) const { return std::min(first[o] + taps, to); }
  const A* from(int64_t o, int64_t column) const { return weights + o * taps + column - first[o]; }
};

// Rows of pixels whose numbers lie side by side: `count` images in channels_last, or planes of one channel.
struct Rows {
  int64_t count, channels, width;

  int64_t row() const { return width * channels; }
  int64_t strip() const { return std::max<int64_t>(kStrip / channels, 1); }
  int64_t strips() const { return (width + strip() - 1) / strip(); }
};

// Makes images small: `down` times the height, `across` times the width. A block of outputs at a time: the rows that
// they see go by once, a strip of columns and a few rows at a time, and what they add up to never leaves the cache.
// small (count, channels, rows, columns).
template <typename A, typename In>
void reduce(const Rows& rows, const Banded<A>& down, const Banded<A>& across, const In* x, A* small);

// The adjoint: small (count, channels, rows, columns) is spread over images, `up` and `across` being the transposed
// matrices. Strip by strip from the top to the bottom; the few rows of the small image that a row sees are kept as wide
// as the strip, so that each is widened once.
template <typename A, typename Out>
void expand(const Rows& rows, const Banded<A>& up, const Banded<A>& across, const A* small, Out* dx);

template <typename A>
double squared_error(const A* found, const A* wanted, int64_t count);

}  // namespace downsample_l2_kernel
}  // namespace cuda_ops
