// upfirdn2d of wide pixels by an outer product, as it is written in upfirdn2d.cpp, with two changes: the channels of a
// strip go by in blocks, whose sum of rows stays in the first-level cache, and the output rows two at a time, because
// they share most of the input rows.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "upfirdn2d.h"
#include "weighted_sum.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// Numbers of a strip's input row: 64 KiB of float32, so that five such rows stay in the second-level cache, and the two
// that are asked for. Numbers of a block's sum of rows, and the most columns of a strip.
constexpr int64_t kWideStrip = 16384, kBlock = 2048, kBlockColumns = 64;
// Least channels of such pixels.
constexpr int64_t kWidePixel = 8;

// The columns of one strip; one per thread, because it holds that thread's sums.
template <typename T>
class WideStrip {
 public:
  using A = acc_t<T>;

  // `column` and `row` are the factors of the filter, of which an output sees kTaps numbers at most each way.
  WideStrip(const Axis& x, const Axis& y, const std::vector<double>& column, const std::vector<double>& row,
            int64_t channels, int64_t height, int64_t width, bool stream)
      : x_(x), y_(y), column_(column), row_(row), channels_(channels), height_(height), width_(width),
        stream_(stream) {}

  // Output columns of each strip, about the same for all; a multiple of `up`.
  static int64_t size(const Axis& x, int64_t channels, int64_t out_width) {
    const int64_t most = std::max(kBlockColumns, kBlock / channels);
    const int64_t wanted = std::max(std::clamp<int64_t>(kWideStrip / channels, 16, most) / x.down, int64_t(1));
    const int64_t groups = (out_width + x.up - 1) / x.up, strips = std::max((groups + wanted / 2) / wanted, int64_t(1));
    return (groups + strips - 1) / strips * x.up;
  }

  // Output columns [first, last); `first` is a multiple of `up`.
  void columns(int64_t first, int64_t last) {
    pixels_ = last - first;
    const int64_t phases = std::min(x_.up, pixels_);
    from_ = std::numeric_limits<int64_t>::max();
    int64_t to = std::numeric_limits<int64_t>::min();
    for (int64_t phase = 0; phase < phases; ++phase) {
      const auto window = x_.window(first + phase);
      from_ = std::min(from_, window.first);
      to = std::max(to, window.first + (pixels_ - phase - 1) / x_.up * x_.down + std::max<int64_t>(window.count, 1));
    }
    seen_ = to - from_;
    inside_ = std::clamp<int64_t>(-from_, 0, seen_);
    outside_ = std::clamp<int64_t>(width_ - from_, inside_, seen_);
    constexpr int64_t lanes = kVectorBytes / sizeof(T);
    block_ = std::min(channels_, std::max(kBlock / seen_ / lanes, int64_t(2)) * lanes);
    for (auto& sum : sums_) {
      sum.assign(seen_ * block_, A(0));
    }
    shifts_.assign(phases, {});
    row_weights_.assign(phases, {});
    for (int64_t phase = 0; phase < phases; ++phase) {
      const auto window = x_.window(first + phase);
      for (int64_t t = 0; t < window.count; ++t) {
        shifts_[phase].push_back((window.first - from_ + t) * block_);
        row_weights_[phase].push_back(A(row_[window.tap + t * x_.up]));
      }
    }
  }

  // `count` output rows of the strip, 1 or 2, from the image at `src`, to the strip's first pixel at `dst`, where rows are
  // `dst_row` numbers apart.
  void rows(const T* src, int64_t o, int64_t count, T* dst, int64_t dst_row) {
    Rows rows[2];
    for (int64_t r = 0; r < count; ++r) {
      find(src, o + r, &rows[r]);
    }
    const bool together = count == 2 && shared(rows[0], rows[1]);
    for (int64_t c = 0; c < channels_; c += block_) {
      const int64_t size = std::min(block_, channels_ - c);
      if (together) {
        vertical(rows[0], rows[1], c, size);
      }
      for (int64_t r = 0; r < count; ++r) {
        if (!together) {
          vertical(rows[r], c, size, sums_[r].data() + inside_ * block_);
        }
        horizontal(sums_[r].data(), dst + r * dst_row + c, size);
      }
    }
  }

 private:
  // The input rows of one output row, and their weights; those outside of the image are left out.
  struct Rows {
    int64_t first = 0, count = 0;
    const T* src[kTaps + 2];
    A weights[kTaps];
  };

  void find(const T* src, int64_t o, Rows* rows) {
    const auto window = y_.window(o);
    for (int64_t t = 0; t < window.count; ++t) {
      const int64_t y = window.first + t;
      if (y >= 0 && y < height_) {
        if (rows->count == 0) {
          rows->first = y;
        }
        rows->src[rows->count] = src + (y * width_ + from_ + inside_) * channels_;
        rows->weights[rows->count++] = A(column_[window.tap + t * y_.up]);
      }
    }
  }

  // Whether there is a loop for two rows, and what it needs.
  bool shared(Rows& one, const Rows& other) {
    const int64_t shift = other.first - one.first;
    const bool known = one.count == other.count && ((one.count == 4 && (shift == 1 || shift == 2)) ||
                                                    (one.count == 2 && (shift == 0 || shift == 1)));
    for (int64_t s = 0; known && s < shift; ++s) {
      one.src[one.count + s] = other.src[other.count - shift + s];
    }
    return known;
  }

  void vertical(const Rows& one, const Rows& other, int64_t c, int64_t size) {
    const int64_t shift = other.first - one.first, taps = one.count;
    const int64_t row = width_ * channels_, pixels = outside_ - inside_;
    const int64_t ahead = std::clamp<int64_t>(height_ - (other.first + taps), 0, 2 * y_.down / y_.up);
    const T* s[kTaps + 2];
    for (int64_t t = 0; t < taps + shift; ++t) {
      s[t] = one.src[t] + c;
    }
    A *const dst = sums_[0].data() + inside_ * block_, *const dst2 = sums_[1].data() + inside_ * block_;
    const auto sum = [&](auto n, auto k) {
      two_sums<n.value, k.value>(s, one.weights, other.weights, dst, dst2, pixels, channels_, block_, size, ahead, row);
    };
    using std::integral_constant;
    if (taps == 4) {
      shift == 1 ? sum(integral_constant<int, 4>(), integral_constant<int, 1>())
                 : sum(integral_constant<int, 4>(), integral_constant<int, 2>());
    } else {
      shift == 0 ? sum(integral_constant<int, 2>(), integral_constant<int, 0>())
                 : sum(integral_constant<int, 2>(), integral_constant<int, 1>());
    }
  }

  void vertical(const Rows& rows, int64_t c, int64_t size, A* dst) {
    const T* s[kTaps];
    for (int64_t t = 0; t < rows.count; ++t) {
      s[t] = rows.src[t] + c;
    }
    weighted_sum(s, rows.weights, rows.count, false, dst, outside_ - inside_, channels_, block_, size);
  }

  void horizontal(const A* sums, T* dst, int64_t size) {
    const int64_t phases = shifts_.size();
    for (int64_t phase = 0; phase < phases; ++phase) {
      const A* s[kTaps];
      const int64_t taps = shifts_[phase].size();
      for (int64_t t = 0; t < taps; ++t) {
        s[t] = sums + shifts_[phase][t];
      }
      weighted_sum(s, row_weights_[phase].data(), taps, false, dst + phase * channels_,
                   (pixels_ - phase + x_.up - 1) / x_.up, x_.down * block_, x_.up * channels_, size, stream_);
    }
  }

  const Axis x_, y_;
  const std::vector<double>&column_, &row_;
  const int64_t channels_, height_, width_;
  const bool stream_;
  int64_t pixels_ = 0;                // output columns
  int64_t from_ = 0, seen_ = 0;       // the first input column that these see, and how many
  int64_t inside_ = 0, outside_ = 0;  // of these, the ones that lie in the image
  int64_t block_ = 0;                 // channels of a block
  std::vector<A> sums_[2];            // the sums of rows of a block; zero beside the image
  std::vector<std::vector<int64_t>> shifts_;
  std::vector<std::vector<A>> row_weights_;
};

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
