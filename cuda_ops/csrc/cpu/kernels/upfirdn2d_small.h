// Planes so small that their rows are shorter than what a row costs to begin. kPlanes of them at a time become the
// channels of one image in channels_last, in cache.
#pragma once

#include <algorithm>

#include "lanes.h"
#include "numbers.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// Planes of this many pixels a side at most are small, or of this many where PlaneRows has loops for them.
constexpr int64_t kSmallPlane = 24, kShortRow = 17;
constexpr int64_t kPlanes = 16;

// Rows become columns. Each pass turns the bits of (row, column), side by side, by one place.
template <typename A>
inline void transpose(Vector<A>* v) {
  constexpr int lanes = Lanes<A>::count;
#pragma GCC unroll 4
  for (int pass = 1; pass < lanes; pass *= 2) {
    Vector<A> turned[lanes];
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      turned[2 * i] = zip_low<A>(v[i], v[i + lanes / 2]);
      turned[2 * i + 1] = zip_high<A>(v[i], v[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      v[i] = turned[i];
    }
  }
}

// `count` planes of `size` numbers into pixels of kPlanes numbers; channels without a plane repeat the last.
template <typename T>
void interleave(const T* planes, int64_t count, int64_t size, acc_t<T>* pixels) {
  using A = acc_t<T>;
  constexpr int64_t lanes = Lanes<A>::count;
  const auto plane = [&](int64_t c) { return planes + std::min(c, count - 1) * size; };
  if (size < lanes) {
    for (int64_t p = 0; p < size; ++p) {
      for (int64_t c = 0; c < kPlanes; ++c) {
        pixels[p * kPlanes + c] = load<A>(plane(c)[p]);
      }
    }
    return;
  }
  for (int64_t first = 0; first < kPlanes; first += lanes) {
    for (int64_t p = 0; p < size; p += lanes) {
      const int64_t at = std::min(p, size - lanes);
      Vector<A> v[lanes];
      for (int64_t c = 0; c < lanes; ++c) {
        v[c] = load_vector_as<A>(plane(first + c) + at);
      }
      transpose<A>(v);
      for (int64_t c = 0; c < lanes; ++c) {
        store_vector(pixels + (at + c) * kPlanes + first, v[c]);
      }
    }
  }
}

// The same way back.
template <typename T>
void separate(const acc_t<T>* pixels, int64_t count, int64_t size, T* planes) {
  using A = acc_t<T>;
  constexpr int64_t lanes = Lanes<A>::count;
  if (size < lanes) {
    for (int64_t c = 0; c < count; ++c) {
      for (int64_t p = 0; p < size; ++p) {
        planes[c * size + p] = store<T>(pixels[p * kPlanes + c]);
      }
    }
    return;
  }
  for (int64_t first = 0; first < count; first += lanes) {
    const int64_t there = std::min(lanes, count - first);
    for (int64_t p = 0; p < size; p += lanes) {
      const int64_t at = std::min(p, size - lanes);
      Vector<A> v[lanes];
      for (int64_t c = 0; c < lanes; ++c) {
        v[c] = load_vector(pixels + (at + c) * kPlanes + first);
      }
      transpose<A>(v);
      for (int64_t c = 0; c < there; ++c) {
        store_vector_as<A>(planes + (first + c) * size + at, v[c]);
      }
    }
  }
}

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
