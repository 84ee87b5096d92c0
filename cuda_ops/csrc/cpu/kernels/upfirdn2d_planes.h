// upfirdn2d of planes, which are images in contiguous memory, by the filters that a StyleGAN has: two output rows at a
// time, and vectors of columns. The sums of input rows are made first, of a few output rows, so that they stay in the
// first-level cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "lanes.h"
#include "upfirdn2d_pairs.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// Numbers of the sums that are made before their output rows are, and of the widest row: six such input rows of float32
// and two sums stay in the second-level cache.
constexpr int64_t kSums = 2048, kWidestRow = 4096;

// Planes of one size; one per thread, because it holds that thread's sums.
template <typename T>
class PlaneRows {
 public:
  using A = acc_t<T>;

  // `column` and `row` are the factors of the filter. `stream` writes past the caches, which takes `whole_vectors`.
  PlaneRows(const Axis& x, const Axis& y, const std::vector<double>& column, const std::vector<double>& row,
            int64_t height, int64_t width, int64_t out_width, bool stream)
      : y_(y), columns_(x, width, out_width), height_(height), width_(width), out_width_(out_width), stream_(stream),
        second_(x.window(1).first - columns_.first), loops_(find(x, y)) {
    x_weights_.set(x, row);
    y_weights_.set(y, column);
    // Where every other column is kept, the even columns' sums lie before the odd ones'.
    half_ = (columns_.seen + 1) / 2;
    stride_ = (2 * half_ + lanes - 1) / lanes * lanes;
    at_once_ = std::max(kSums / stride_ / 2 * 2, int64_t(2));
    storage_.assign(at_once_ * stride_ + lanes, A(0));
    // The sums of the first column in the plane are aligned.
    const A* const first = storage_.data() + columns_.begin - columns_.first;
    sums_ = storage_.data() + (lanes - reinterpret_cast<uintptr_t>(first) / sizeof(A) % lanes) % lanes;
    zeros_.assign(columns_.end - columns_.begin, T(0));
  }

  // Whether there are loops for these factors and taps, and rows are of at least a vector.
  static bool fits(const Axis& x, const Axis& y, int64_t width, int64_t out_width) {
    const Columns columns(x, width, out_width);
    const Loops loops = find(x, y);
    return loops.vertical != nullptr && loops.horizontal != nullptr && std::max(width, out_width) <= kWidestRow &&
           out_width >= x.up * lanes && columns.end - columns.begin >= x.down * lanes;
  }

  // Whether output rows of such a width, from an aligned place, are whole vectors of what they are computed with.
  static bool whole_vectors(const Axis& x, int64_t out_width) {
    return std::is_same_v<T, A> && out_width % (x.up * lanes) == 0;
  }

  // `count` output rows from `o` on, which is even, from the plane at `src`, to `dst`.
  void rows(const T* src, int64_t o, int64_t count, T* dst) {
    for (; count > 0; count -= at_once_, o += at_once_, dst += at_once_ * out_width_) {
      const int64_t now = std::min(count, at_once_);
      for (int64_t r = 0; r < now; r += 2) {
        sum_rows(src, o + r, sums_ + r * stride_);
      }
      (this->*loops_.horizontal)(now, dst);
    }
  }

 private:
  static constexpr int64_t lanes = Lanes<A>::count;
  using V = Vector<A>;

  // The input columns that a row of outputs sees, [first, first + seen), and those of them in the plane, [begin, end).
  struct Columns {
    Columns(const Axis& x, int64_t width, int64_t out_width) {
      const auto last = x.window(out_width - 1), before = x.window(std::max<int64_t>(out_width - 2, 0));
      first = x.window(0).first;
      seen = std::max(last.first + last.count, before.first + before.count) - first;
      begin = std::clamp<int64_t>(0, first, first + seen);
      end = std::clamp(width, begin, first + seen);
    }
    int64_t first, seen, begin, end;
  };

  struct Loops {
    void (PlaneRows::*vertical)(const T* const*, A*) = nullptr;
    void (PlaneRows::*horizontal)(int64_t, T*) = nullptr;
  };

  // The loops for these axes, or null where there are none.
  static Loops find(const Axis& x, const Axis& y) {
    Loops found;
    const Pair along_x = pair_of(x), along_y = pair_of(y);
    const auto offer = [&](auto pair) {
      using Y = decltype(pair);
      if (Y::is(along_y)) {
        found.vertical = x.down == 1 ? &PlaneRows::vertical<1, Y> : &PlaneRows::vertical<2, Y>;
      }
    };
    offer(Same());
    offer(SameOfThree());
    offer(Half());
    offer(Twice());
    offer(TwiceShifted());
    if (Same::is(along_x)) found.horizontal = &PlaneRows::same<4>;
    if (SameOfThree::is(along_x)) found.horizontal = &PlaneRows::same<3>;
    if (Half::is(along_x)) found.horizontal = &PlaneRows::halved;
    if (Twice::is(along_x) || TwiceShifted::is(along_x)) found.horizontal = &PlaneRows::doubled;
    return found;
  }

  // The weighted sums of the input rows that the output rows `o` and o + 1 see.
  void sum_rows(const T* src, int64_t o, A* sums) {
    const auto window = y_.window(o), other = y_.window(o + 1);
    const T* rows[kPairSeen];
    for (int64_t y = window.first; y < other.first + other.count; ++y) {
      rows[y - window.first] = y >= 0 && y < height_ ? src + y * width_ + columns_.begin : zeros_.data();
    }
    (this->*loops_.vertical)(rows, sums);
  }

  // The last vectors of a row overlap those before where it is no multiple of them; so it is in all loops here.
  template <int down, typename Y>
  void vertical(const T* const* rows, A* sums) {
    constexpr int64_t step = down * lanes;
    const int64_t size = columns_.end - columns_.begin, offset = columns_.begin - columns_.first, half = half_;
    const PairWeights<A> weights = y_weights_;
    const T* s[Y::seen];
    std::copy_n(rows, Y::seen, s);
    A* const other_sums = sums + stride_;
    const auto two = [&](int64_t i, V& sum, V& other) {
      V x[Y::seen];
#pragma GCC unroll 8
      for (int t = 0; t < Y::seen; ++t) {
        x[t] = load_vector_as<A>(s[t] + i);
      }
      sum = weights.first[0] * x[0];
      other = weights.second[0] * x[Y::shift];
#pragma GCC unroll 8
      for (int t = 1; t < Y::taps; ++t) {
        sum += weights.first[t] * x[t];
        other += weights.second[t] * x[t + Y::shift];
      }
    };
    for (int64_t i = 0; i < size; i += step) {
      const int64_t at = std::min(i, size - step), to = offset + at;
      V sum, other;
      two(at, sum, other);
      if constexpr (down == 1) {
        store_vector(sums + to, sum);
        store_vector(other_sums + to, other);
      } else {
        V next, other_next;
        two(at + lanes, next, other_next);
        const int64_t even = to % 2 * half + to / 2, odd = (to + 1) % 2 * half + (to + 1) / 2;
        store_vector(sums + even, evens<A>(sum, next));
        store_vector(sums + odd, odds<A>(sum, next));
        store_vector(other_sums + even, evens<A>(other, other_next));
        store_vector(other_sums + odd, odds<A>(other, other_next));
      }
    }
  }

  void write(T* to, V v) const {
    if constexpr (std::is_same_v<T, A>) {
      stream_ ? stream_vector(to, v) : store_vector(to, v);
    } else {
      store_vector_as<A>(to, v);
    }
  }

  template <int taps>
  void same(int64_t rows, T* dst) {
    const PairWeights<A> weights = x_weights_;
    const int64_t stride = stride_, width = out_width_;
    const A* sum = sums_;
    for (int64_t r = 0; r < rows; ++r, sum += stride, dst += width) {
      for (int64_t o = 0; o < width; o += lanes) {
        const int64_t at = std::min(o, width - lanes);
        V v = weights.first[0] * load_vector(sum + at);
#pragma GCC unroll 4
        for (int t = 1; t < taps; ++t) {
          v += weights.first[t] * load_vector(sum + at + t);
        }
        write(dst + at, v);
      }
    }
  }

  void halved(int64_t rows, T* dst) {
    const PairWeights<A> weights = x_weights_;
    const auto& w = weights.first;
    const int64_t stride = stride_, width = out_width_, half = half_;
    const A* even = sums_;
    for (int64_t r = 0; r < rows; ++r, even += stride, dst += width) {
      const A* const odd = even + half;
      for (int64_t o = 0; o < width; o += lanes) {
        const int64_t at = std::min(o, width - lanes);
        write(dst + at, w[0] * load_vector(even + at) + w[1] * load_vector(odd + at) +
                            w[2] * load_vector(even + at + 1) + w[3] * load_vector(odd + at + 1));
      }
    }
  }

  void doubled(int64_t rows, T* dst) {
    const PairWeights<A> weights = x_weights_;
    const auto &w = weights.first, &w2 = weights.second;
    const int64_t stride = stride_, width = out_width_, shift = second_, pairs = width / 2;
    const A* first = sums_;
    for (int64_t r = 0; r < rows; ++r, first += stride, dst += width) {
      const A* const second = first + shift;
      for (int64_t o = 0; o < pairs; o += lanes) {
        const int64_t at = std::min(o, pairs - lanes);
        const V one = w[0] * load_vector(first + at) + w[1] * load_vector(first + at + 1);
        const V other = w2[0] * load_vector(second + at) + w2[1] * load_vector(second + at + 1);
        write(dst + 2 * at, zip_low<A>(one, other));
        write(dst + 2 * at + lanes, zip_high<A>(one, other));
      }
      if (width % 2 == 1) {
        dst[width - 1] = store<T>(w[0] * first[pairs] + w[1] * first[pairs + 1]);
      }
    }
  }

  const Axis y_;
  const Columns columns_;
  const int64_t height_, width_, out_width_;
  const bool stream_;
  const int64_t second_;           // columns from the first that output 0 sees to the first that output 1 sees
  const Loops loops_;
  PairWeights<A> x_weights_, y_weights_;
  int64_t half_ = 0, stride_ = 0;  // numbers from even to odd columns, and from a row's sums to the next row's
  int64_t at_once_ = 0;            // rows, an even number
  std::vector<A> storage_;
  A* sums_ = nullptr;              // in the storage; zero beside the plane
  std::vector<T> zeros_;           // an input row above or below the plane
};

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
