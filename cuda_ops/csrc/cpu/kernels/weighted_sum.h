// Weighted sums of rows of pixels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "lanes.h"
#include "numbers.h"

namespace cuda_ops {

// Taps of one pass over a row; more are added in further passes.
constexpr int kTaps = 6;

// Calls f(i) for begin <= i < end, in vectors. The compiler knows the length of most loops, which are short.
template <typename F>
inline void for_numbers(int64_t begin, int64_t end, const F& f) {
  constexpr int64_t chunk = 32;
  for (; begin + chunk <= end; begin += chunk) {
#pragma GCC ivdep
    for (int64_t i = 0; i < chunk; ++i) {
      f(begin + i);
    }
  }
#pragma GCC ivdep
  for (; begin < end; ++begin) {
    f(begin);
  }
}

// dst[p][i] (+)= sum over t of weights[t] * src[t][p][i], for pixels p that lie `src_step` and `dst_step` apart.
// `stream` stores past the caches; pixels are whole and aligned vectors of one type then.
template <int taps, bool add, typename A, typename In, typename Out>
void weighted_sum(const In* const* src, const A* weights, Out* dst, int64_t pixels, int64_t src_step, int64_t dst_step,
                  int64_t size, bool stream) {
  const In* s[taps];
  A w[taps];
  for (int t = 0; t < taps; ++t) {
    s[t] = src[t];
    w[t] = weights[t];
  }
  for (int64_t p = 0; p < pixels; ++p) {
    int64_t i = 0;
    if constexpr (!add && std::is_same_v<In, A> && std::is_same_v<Out, A>) {
      for (; stream && i < size; i += Lanes<A>::count) {
        Vector<A> sum = w[0] * load_vector(s[0] + i);
#pragma GCC unroll 6
        for (int t = 1; t < taps; ++t) {
          sum += w[t] * load_vector(s[t] + i);
        }
        stream_vector(dst + i, sum);
      }
    }
    for_numbers(i, size, [&](int64_t i) {
      A sum = w[0] * load<A>(s[0][i]);
#pragma GCC unroll 6
      for (int t = 1; t < taps; ++t) {
        sum += w[t] * load<A>(s[t][i]);
      }
      dst[i] = store<Out>(add ? load<A>(dst[i]) + sum : sum);
    });
    for (int t = 0; t < taps; ++t) {
      s[t] += src_step;
    }
    dst += dst_step;
  }
}

// The same for any number of taps. More than kTaps are summed in several passes, so Out must be A then.
template <typename A, typename In, typename Out>
void weighted_sum(const In* const* src, const A* weights, int64_t taps, bool add, Out* dst, int64_t pixels,
                  int64_t src_step, int64_t dst_step, int64_t size, bool stream = false) {
  if (src_step == size && dst_step == size) {
    size *= pixels;
    pixels = 1;
  }
  if (taps == 0 && !add) {
    for (int64_t p = 0; p < pixels; ++p) {
      std::fill_n(dst + p * dst_step, size, store<Out>(A(0)));
    }
  }
  while (taps > 0) {
    const int64_t now = std::min<int64_t>(taps, kTaps);
#define CUDA_OPS_TAPS(n)                                                                            \
  case n:                                                                                           \
    add ? weighted_sum<n, true>(src, weights, dst, pixels, src_step, dst_step, size, false)         \
        : weighted_sum<n, false>(src, weights, dst, pixels, src_step, dst_step, size, stream);      \
    break;
    switch (now) {
      CUDA_OPS_TAPS(1)
      CUDA_OPS_TAPS(2)
      CUDA_OPS_TAPS(3)
      CUDA_OPS_TAPS(4)
      CUDA_OPS_TAPS(5)
      CUDA_OPS_TAPS(6)
    }
#undef CUDA_OPS_TAPS
    src += now;
    weights += now;
    taps -= now;
    add = true;
  }
}

}  // namespace cuda_ops
