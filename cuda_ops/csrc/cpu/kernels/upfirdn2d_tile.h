// upfirdn2d of wide pixels with a short filter: two by two output pixels at a time, of one or two vectors of channels.
//
// A tile goes along two output rows. At each input column the sums of rows of both are made, and the last few columns'
// sums stay in registers, where the output columns are made of them. So each input row of a pair is read once, and
// nothing but the result is written.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lanes.h"
#include "numbers.h"
#include "upfirdn2d_pairs.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// Two output rows of a strip.
template <typename T>
struct TileRows {
  const PairWeights<acc_t<T>>&along_x, &along_y;
  int64_t channels;
  const T* src[kPairSeen];       // input rows, from the first column that lies in the image; zeros above and below it
  int64_t inside, outside;       // the columns [inside, outside) of those that the strip sees lie in the image
  const T* next;                 // the row that the next pair begins with,
  int64_t ahead, row;            // of which so many are asked for meanwhile, that lie so many numbers apart
  T* dst;                        // the first output row
  int64_t dst_row, pixels;       // numbers from there to the second, and output columns
  bool stream;                   // whether results are whole aligned vectors that are stored past the caches
};

// Channels of a tile.
template <typename T, int vectors>
constexpr int64_t kTile = vectors * Lanes<acc_t<T>>::count;

// The channels from c on of two output rows.
template <typename T, typename X, typename Y, int vectors>
void tile(const TileRows<T>& rows, int64_t c) {
  using A = acc_t<T>;
  using V = Vector<A>;
  constexpr int64_t lanes = Lanes<A>::count, line = kLine / int64_t(sizeof(T));
  const int64_t channels = rows.channels, inside = rows.inside, outside = rows.outside, ahead = rows.ahead;
  const PairWeights<A> x_weights = rows.along_x, y_weights = rows.along_y;
  const T* src[Y::seen];
  for (int t = 0; t < Y::seen; ++t) {
    src[t] = rows.src[t] + c;
  }
  const T* const next = rows.next + c;
  // The sums of rows of the columns that a pair sees, for both output rows.
  V sums[X::seen][vectors], other_sums[X::seen][vectors];

  const auto column = [&](int64_t i, V* sum, V* other_sum) {
    if (i < inside || i >= outside) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        sum[v] = other_sum[v] = V{};
      }
      return;
    }
    const int64_t at = (i - inside) * channels;
    for (int64_t r = 0; r < ahead; ++r) {
      for (int64_t n = 0; n < kTile<T, vectors>; n += line) {
        __builtin_prefetch(next + r * rows.row + at + n, 0, 2);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      V x[Y::seen];
#pragma GCC unroll 8
      for (int t = 0; t < Y::seen; ++t) {
        x[t] = load_vector_as<A>(src[t] + at + v * lanes);
      }
      sum[v] = y_weights.first[0] * x[0];
      other_sum[v] = y_weights.second[0] * x[Y::shift];
#pragma GCC unroll 8
      for (int t = 1; t < Y::taps; ++t) {
        sum[v] += y_weights.first[t] * x[t];
        other_sum[v] += y_weights.second[t] * x[t + Y::shift];
      }
    }
  };
  const auto write = [&](const V(&from)[X::seen][vectors], const A* weights, int shift, T* to) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      V sum = weights[0] * from[shift][v];
#pragma GCC unroll 8
      for (int t = 1; t < X::taps; ++t) {
        sum += weights[t] * from[shift + t][v];
      }
      if constexpr (std::is_same_v<T, A>) {
        rows.stream ? stream_vector(to + v * lanes, sum) : store_vector(to + v * lanes, sum);
      } else {
        store_vector_as<A>(to + v * lanes, sum);
      }
    }
  };

#pragma GCC unroll 8
  for (int k = 0; k < X::kept; ++k) {
    column(k, sums[k], other_sums[k]);
  }
  T* dst = rows.dst + c;
  for (int64_t p = 0, i = X::kept; p < rows.pixels; p += 2, i += X::advance) {
#pragma GCC unroll 8
    for (int k = 0; k < X::advance; ++k) {
      column(i + k, sums[X::kept + k], other_sums[X::kept + k]);
    }
    write(sums, x_weights.first, 0, dst);
    write(other_sums, x_weights.first, 0, dst + rows.dst_row);
    if (p + 1 < rows.pixels) {
      write(sums, x_weights.second, X::shift, dst + channels);
      write(other_sums, x_weights.second, X::shift, dst + rows.dst_row + channels);
    }
#pragma GCC unroll 8
    for (int k = 0; k < X::kept; ++k) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        sums[k][v] = sums[k + X::advance][v];
        other_sums[k][v] = other_sums[k + X::advance][v];
      }
    }
    dst += 2 * channels;
  }
}

// All channels of two output rows. The last tile overlaps the one before where they are no multiple of a tile.
template <typename T, typename X, typename Y, int vectors>
void tiles(const TileRows<T>& rows) {
  constexpr int64_t size = kTile<T, vectors>;
  for (int64_t c = 0; c < rows.channels; c += size) {
    tile<T, X, Y, vectors>(rows, std::min(c, rows.channels - size));
  }
}

template <typename T>
using Tiles = void (*)(const TileRows<T>&);

// The loop for these pairs, or null where there is none: pixels narrower than a vector, and other filters than of three
// or four taps at the same size, or of four to half or twice the size.
template <typename T>
Tiles<T> find_tiles(const Pair& x, const Pair& y, int64_t channels) {
  Tiles<T> found = nullptr;
  const auto offer = [&](auto along_x, auto along_y) {
    using X = decltype(along_x);
    using Y = decltype(along_y);
    if (X::is(x) && Y::is(y)) {
      found = channels >= kTile<T, 2> ? tiles<T, X, Y, 2> : channels >= kTile<T, 1> ? tiles<T, X, Y, 1> : nullptr;
    }
  };
  offer(Same(), Same());
  offer(SameOfThree(), SameOfThree());
  offer(Half(), Half());
  offer(Twice(), Twice());
  offer(Twice(), TwiceShifted());
  offer(TwiceShifted(), Twice());
  offer(TwiceShifted(), TwiceShifted());
  return found;
}

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
