// upfirdn2d of wide pixels by an outer product. The filters that a StyleGAN has go through upfirdn2d_tile.h, two output
// rows at a time. Others, and a last odd row, go as it is written in upfirdn2d.cpp, but that the channels of a strip go by
// in blocks, whose sum of rows stays in the first-level cache.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "upfirdn2d.h"
#include "upfirdn2d_tile.h"
#include "weighted_sum.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// Numbers of a strip's input row: 64 KiB of float32, so that five such rows stay in the second-level cache, and the two
// that are asked for. Numbers of a block's sum of rows, and the most columns of a strip that goes by in blocks.
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
        stream_(stream), tiles_(find_tiles<T>(pair_of(x), pair_of(y), channels)) {
    if (tiles_ != nullptr) {
      weights_x_.set(x, row);
      weights_y_.set(y, column);
    }
  }

  // Output columns of each strip, about the same for all; a multiple of `up`.
  static int64_t size(const Axis& x, const Axis& y, int64_t channels, int64_t out_width) {
    const bool tiled = find_tiles<T>(pair_of(x), pair_of(y), channels) != nullptr;
    const int64_t least = 16, most = tiled ? kWideStrip : std::max(kBlockColumns, kBlock / channels);
    const int64_t wanted = std::max(std::clamp(kWideStrip / channels, least, most) / x.down, int64_t(1));
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
    sum_.assign(seen_ * block_, A(0));
    zeros_.assign(tiles_ == nullptr ? 0 : (outside_ - inside_) * channels_, T(0));
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
  // `dst_row` numbers apart. `o` is even.
  void rows(const T* src, int64_t o, int64_t count, T* dst, int64_t dst_row) {
    if (count == 2 && tiles_ != nullptr) {
      two_rows(src, o, dst, dst_row);
      return;
    }
    for (int64_t r = 0; r < count; ++r) {
      one_row(src, o + r, dst + r * dst_row);
    }
  }

 private:
  // The strip's part of an input row, from the first column that lies in the image.
  const T* input(const T* src, int64_t y) const { return src + (y * width_ + from_ + inside_) * channels_; }

  void two_rows(const T* src, int64_t o, T* dst, int64_t dst_row) {
    const auto window = y_.window(o), other = y_.window(o + 1);
    TileRows<T> rows{weights_x_, weights_y_, channels_};
    const int64_t end = other.first + other.count;
    for (int64_t y = window.first; y < end; ++y) {
      rows.src[y - window.first] = y >= 0 && y < height_ ? input(src, y) : zeros_.data();
    }
    rows.inside = inside_;
    rows.outside = outside_;
    rows.next = input(src, std::clamp<int64_t>(end, 0, height_ - 1));
    rows.ahead = std::clamp<int64_t>(height_ - end, 0, 2 * y_.down / y_.up);
    rows.row = width_ * channels_;
    rows.dst = dst;
    rows.dst_row = dst_row;
    rows.pixels = pixels_;
    rows.stream = stream_;
    tiles_(rows);
  }

  void one_row(const T* src, int64_t o, T* dst) {
    const T* rows[kTaps];
    A weights[kTaps];
    int64_t count = 0;
    const auto window = y_.window(o);
    for (int64_t t = 0; t < window.count; ++t) {
      const int64_t y = window.first + t;
      if (y >= 0 && y < height_) {
        rows[count] = input(src, y);
        weights[count++] = A(column_[window.tap + t * y_.up]);
      }
    }
    for (int64_t c = 0; c < channels_; c += block_) {
      const int64_t size = std::min(block_, channels_ - c);
      weighted_sum(rows, weights, count, false, sum_.data() + inside_ * block_, outside_ - inside_, channels_, block_,
                   size);
      horizontal(sum_.data(), dst + c, size);
      for (int64_t t = 0; t < count; ++t) {
        rows[t] += block_;
      }
    }
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
  const Tiles<T> tiles_;  // null: one row at a time
  PairWeights<A> weights_x_, weights_y_;
  int64_t pixels_ = 0;                // output columns
  int64_t from_ = 0, seen_ = 0;       // the first input column that these see, and how many
  int64_t inside_ = 0, outside_ = 0;  // of these, the ones that lie in the image
  int64_t block_ = 0;                 // channels of a block
  std::vector<A> sum_;                // the sum of rows of a block; zero beside the image
  std::vector<T> zeros_;              // an input row above or below the image, for tiles
  std::vector<std::vector<int64_t>> shifts_;
  std::vector<std::vector<A>> row_weights_;
};

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
