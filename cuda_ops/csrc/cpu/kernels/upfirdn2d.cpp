// upfirdn2d: zero-insertion, padding, a FIR filter and keeping every n-th sample, without the zero-inserted image.
//
// An image is a stack of rows of pixels, and a pixel is `channels` numbers that lie side by side: all channels in
// channels_last, one in a contiguous plane. A filter is a sum of terms, each a column of taps times a row of taps: one
// term for an outer product such as [1,3,3,1] x [1,3,3,1], one term a row for any other filter. An output row is then,
// per term, a weighted sum of input rows (vertical taps) and a weighted sum of shifts of that row (horizontal taps);
// both are the same loop over numbers that lie side by side. The image goes by in strips that keep the rows in cache.

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "lanes.h"
#include "memory.h"
#include "upfirdn2d.h"
#include "upfirdn2d_planes.h"
#include "upfirdn2d_small.h"
#include "upfirdn2d_wide.h"
#include "weighted_sum.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {
namespace {

// Numbers of a strip's row: 16 KiB of float32, so that four input rows, the sum and the result stay in the second-level
// cache, and the processor foresees what is read next.
constexpr int64_t kStrip = 4096;
// Least columns of a strip, times `up`: neighbours share all but the first of the columns that a filter sees.
constexpr int64_t kStripPixels = 16;

// A column of taps times a row of taps, in the order in which the samples are met.
struct Term {
  std::vector<double> column, row;
};

// The filter as a sum of terms: one where it is an outer product to within rounding, else one for each of its rows.
std::vector<Term> terms_of(const double* f, int64_t height, int64_t width, double rounding) {
  const double* largest = std::max_element(
      f, f + height * width, [](double a, double b) { return std::abs(a) < std::abs(b); });
  const int64_t pivot_y = (largest - f) / width, pivot_x = (largest - f) % width;
  Term product;
  product.row.assign(f + pivot_y * width, f + (pivot_y + 1) * width);
  for (int64_t y = 0; y < height; ++y) {
    product.column.push_back(*largest == 0 ? 0 : f[y * width + pivot_x] / *largest);
  }
  bool is_product = true;
  for (int64_t i = 0; i < height * width; ++i) {
    const double error = product.column[i / width] * product.row[i % width] - f[i];
    is_product = is_product && std::abs(error) <= rounding * std::abs(*largest);  // false for NaN
  }
  if (is_product) {
    return {product};
  }
  std::vector<Term> terms(height);
  for (int64_t y = 0; y < height; ++y) {
    terms[y].column.assign(height, 0);
    terms[y].column[y] = 1;
    terms[y].row.assign(f + y * width, f + (y + 1) * width);
  }
  return terms;
}

// Pixels of `channels` numbers from every `src_step`-th place to every `dst_step`-th; steps are in pixels.
template <typename A, typename From, typename To>
void spread(const From* src, int64_t src_step, To* dst, int64_t dst_step, int64_t pixels, int64_t channels) {
  const auto copy = [&](auto size) {
#pragma GCC ivdep
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < size; ++c) {
        dst[p * dst_step * size + c] = store<To>(load<A>(src[p * src_step * size + c]));
      }
    }
  };
  // A plane and an RGB image, with loops of known length.
  if (channels == 1) {
    copy(std::integral_constant<int64_t, 1>());
  } else if (channels == 3) {
    copy(std::integral_constant<int64_t, 3>());
  } else {
    copy(channels);
  }
}

// `phases` rows of pixels, `row` pixels apart, into one row in which they take turns.
template <typename A, typename To>
void take_turns(const A* src, int64_t row, int64_t phases, To* dst, int64_t pixels, int64_t channels) {
  int64_t pairs = 0;
  if (phases == 2 && channels == 1) {
    pairs = pixels / 2;
    const A* const odd = src + row;
#pragma GCC ivdep
    for (int64_t p = 0; p < pairs; ++p) {
      dst[2 * p] = store<To>(src[p]);
      dst[2 * p + 1] = store<To>(odd[p]);
    }
  }
  for (int64_t phase = 0; phase < phases; ++phase) {
    const int64_t count = (pixels - phase + phases - 1) / phases - pairs;
    spread<A>(src + (phase * row + pairs) * channels, 1, dst + (phase + pairs * phases) * channels, phases, count,
              channels);
  }
}

// What is to be done, and the columns of one strip of it; one per thread, because it holds that thread's rows.
template <typename T>
class Strip {
 public:
  using A = acc_t<T>;

  Strip(const Axis& x, const Axis& y, const std::vector<Term>& terms, int64_t channels, int64_t height, int64_t width)
      : x_(x), y_(y), terms_(terms), channels_(channels), height_(height), width_(width) {}

  // Output columns [first, last); `first` is a multiple of `up`.
  void columns(int64_t first, int64_t last) {
    pixels_ = last - first;
    const int64_t phases = std::min(x_.up, pixels_);
    from_ = std::numeric_limits<int64_t>::max();
    int64_t to = std::numeric_limits<int64_t>::min(), most_taps = 0;
    for (int64_t phase = 0; phase < phases; ++phase) {
      const auto window = x_.window(first + phase);
      from_ = std::min(from_, window.first);
      to = std::max(to, window.first + (pixels_ - phase - 1) / x_.up * x_.down + std::max<int64_t>(window.count, 1));
      most_taps = std::max(most_taps, window.count);
    }
    seen_ = to - from_;
    inside_ = std::clamp<int64_t>(-from_, 0, seen_);
    outside_ = std::clamp<int64_t>(width_ - from_, inside_, seen_);
    wide_ = channels_ >= kWidePixel;
    direct_ = terms_.size() == 1 && most_taps <= kTaps;
    group_ = (seen_ + x_.down - 1) / x_.down;
    sum_.assign(seen_ * channels_, A(0));
    sorted_.resize(wide_ || x_.down == 1 ? 0 : group_ * x_.down * channels_);
    line_.resize(direct_ ? 0 : pixels_ * channels_);
    phase_row_ = (pixels_ + x_.up - 1) / x_.up;
    phase_.resize(wide_ || x_.up == 1 ? 0 : phase_row_ * phases * channels_);
    const A* const src = sorted_.empty() ? sum_.data() : sorted_.data();
    shifts_.assign(phases, {});
    row_weights_.assign(phases * terms_.size(), {});
    for (int64_t phase = 0; phase < phases; ++phase) {
      const auto window = x_.window(first + phase);
      for (int64_t t = 0; t < window.count; ++t) {
        const int64_t i = window.first - from_ + t;
        shifts_[phase].push_back(src + (sorted_.empty() ? i : i % x_.down * group_ + i / x_.down) * channels_);
        for (size_t term = 0; term < terms_.size(); ++term) {
          row_weights_[term * phases + phase].push_back(A(terms_[term].row[window.tap + t * x_.up]));
        }
      }
    }
  }

  // One output row of the strip, from the image at `src`, to the strip's first pixel at `dst`.
  void row(const T* src, int64_t o, T* dst) {
    for (size_t term = 0; term < terms_.size(); ++term) {
      vertical(src, o, terms_[term].column);
      if (direct_) {
        horizontal(term, dst, false);
      } else {
        horizontal(term, line_.data(), term > 0);
      }
    }
    if (!direct_) {
      spread<A>(line_.data(), 1, dst, 1, pixels_, channels_);
    }
  }

 private:
  // sum_ = the weighted sum of the input rows; it stays zero beside the image.
  void vertical(const T* src, int64_t o, const std::vector<double>& taps) {
    const auto window = y_.window(o);
    rows_.clear();
    weights_.clear();
    for (int64_t t = 0; t < window.count; ++t) {
      const int64_t y = window.first + t;
      const double weight = taps[window.tap + t * y_.up];
      // A filter that is no outer product has columns with one tap: the other rows are not read.
      if (y >= 0 && y < height_ && (weight != 0 || terms_.size() == 1)) {
        rows_.push_back(src + (y * width_ + from_ + inside_) * channels_);
        weights_.push_back(A(weight));
      }
    }
    const int64_t size = (outside_ - inside_) * channels_;
    weighted_sum(rows_.data(), weights_.data(), rows_.size(), false, sum_.data() + inside_ * channels_, 1, size, size,
                 size);
    if (!sorted_.empty()) {
      for (int64_t r = 0; r < std::min(x_.down, seen_); ++r) {
        spread<A>(sum_.data() + r * channels_, x_.down, sorted_.data() + r * group_ * channels_, 1,
                  (seen_ - r + x_.down - 1) / x_.down, channels_);
      }
    }
  }

  template <typename Out>
  void horizontal(size_t term, Out* dst, bool add) {
    const int64_t src_step = sorted_.empty() ? x_.down * channels_ : channels_, phases = shifts_.size();
    for (int64_t phase = 0; phase < phases; ++phase) {
      const int64_t pixels = (pixels_ - phase + x_.up - 1) / x_.up;
      const auto& shifts = shifts_[phase];
      const auto& weights = row_weights_[term * phases + phase];
      if (phase_.empty()) {
        weighted_sum(shifts.data(), weights.data(), shifts.size(), add, dst + phase * channels_, pixels, src_step,
                     x_.up * channels_, channels_);
      } else {
        A* const turn = phase_.data() + phase * phase_row_ * channels_;
        if (add) {
          spread<A>(dst + phase * channels_, x_.up, turn, 1, pixels, channels_);
        }
        weighted_sum(shifts.data(), weights.data(), shifts.size(), add, turn, pixels, src_step, channels_, channels_);
      }
    }
    if (!phase_.empty()) {
      take_turns(phase_.data(), phase_row_, phases, dst, pixels_, channels_);
    }
  }

  const Axis x_, y_;
  const std::vector<Term>& terms_;
  const int64_t channels_, height_, width_;
  int64_t pixels_ = 0;                // output columns
  int64_t from_ = 0, seen_ = 0;       // the first input column that these see, and how many
  int64_t inside_ = 0, outside_ = 0;  // of these, the ones that lie in the image
  int64_t group_ = 0, phase_row_ = 0;
  bool wide_ = false, direct_ = false;
  std::vector<A> sum_;     // the sum of rows
  std::vector<A> sorted_;  // the same, with the columns that one shift meets side by side; only for narrow pixels
  std::vector<A> phase_;   // results, with the columns of one phase side by side; only for narrow pixels
  std::vector<A> line_;    // results that are not complete
  std::vector<std::vector<const A*>> shifts_;
  std::vector<std::vector<A>> row_weights_;
  std::vector<const T*> rows_;
  std::vector<A> weights_;
};

// Whether WideStrip is for pixels of so many channels and for this filter.
bool fits_wide(const Axis& x, const Axis& y, int64_t channels, const std::vector<Term>& terms) {
  return channels >= kWidePixel && terms.size() == 1 && std::max(x.most(), y.most()) <= kTaps;
}

// Images in channels_last that WideStrip is for.
template <typename T>
void run_wide(const T* src, T* dst, int64_t images, int64_t channels, int64_t height, int64_t width,
              int64_t out_height, int64_t out_width, const Axis& x, const Axis& y, const Term& term) {
  const int64_t pixels = WideStrip<T>::size(x, y, channels, out_width), strips = (out_width + pixels - 1) / pixels;
  const int64_t pairs = (out_height + 1) / 2;
  const int64_t grain = std::max(kGrain / (2 * std::min(pixels, out_width) * channels), int64_t(1));
  const bool stream = channels % Lanes<acc_t<T>>::count == 0 &&
                      past_the_caches(dst, images * out_height * out_width * channels);
  at::parallel_for(0, images * strips * pairs, grain, [&](int64_t begin, int64_t end) {
    WideStrip<T> strip(x, y, term.column, term.row, channels, height, width, stream);
    int64_t at = -1;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % pairs * 2, column = i / pairs % strips, image = i / pairs / strips;
      const int64_t first = column * pixels;
      if (column != at) {
        strip.columns(first, std::min(first + pixels, out_width));
        at = column;
      }
      strip.rows(src + image * height * width * channels, row, std::min(out_height - row, int64_t(2)),
                 dst + ((image * out_height + row) * out_width + first) * channels, out_width * channels);
    }
    finish_streams();
  });
}

// Images in channels_last, or planes (one channel).
template <typename T>
void run(const T* src, T* dst, int64_t images, int64_t channels, int64_t height, int64_t width, int64_t out_height,
         int64_t out_width, const Axis& x, const Axis& y, const std::vector<Term>& terms) {
  const int64_t pixels = std::max(kStrip / channels / x.up, kStripPixels) * x.up;
  const int64_t strips = (out_width + pixels - 1) / pixels;
  const int64_t grain = std::max(kGrain / (std::min(pixels, out_width) * channels), int64_t(1));
  at::parallel_for(0, images * strips * out_height, grain, [&](int64_t begin, int64_t end) {
    Strip<T> strip(x, y, terms, channels, height, width);
    int64_t at = -1;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % out_height, column = i / out_height % strips, image = i / out_height / strips;
      const int64_t first = column * pixels;
      if (column != at) {
        strip.columns(first, std::min(first + pixels, out_width));
        at = column;
      }
      strip.row(src + image * height * width * channels, row,
                dst + ((image * out_height + row) * out_width + first) * channels);
    }
  });
}

// Planes that PlaneRows has loops for.
template <typename T>
void run_planes(const T* src, T* dst, int64_t planes, int64_t height, int64_t width, int64_t out_height,
                int64_t out_width, const Axis& x, const Axis& y, const Term& term) {
  const bool stream =
      PlaneRows<T>::whole_vectors(x, out_width) && past_the_caches(dst, planes * out_height * out_width);
  const int64_t pairs = (out_height + 1) / 2, grain = std::max(kGrain / (2 * out_width), int64_t(1));
  at::parallel_for(0, planes * pairs, grain, [&](int64_t begin, int64_t end) {
    PlaneRows<T> rows(x, y, term.column, term.row, height, width, out_width, stream);
    for (int64_t i = begin, count; i < end; i += count) {
      const int64_t row = i % pairs * 2, plane = i / pairs;
      count = std::min(pairs - i % pairs, end - i);
      rows.rows(src + plane * height * width, row, std::min(2 * count, out_height - row),
                dst + (plane * out_height + row) * out_width);
    }
    finish_streams();
  });
}

// Small planes: see upfirdn2d_small.h.
template <typename T>
void run_small_planes(const T* src, T* dst, int64_t planes, int64_t height, int64_t width, int64_t out_height,
                      int64_t out_width, const Axis& x, const Axis& y, const std::vector<Term>& terms) {
  using A = acc_t<T>;
  const int64_t size = height * width, out_size = out_height * out_width;
  const int64_t grain = std::max(kGrain / (kPlanes * out_size), int64_t(1));
  at::parallel_for(0, (planes + kPlanes - 1) / kPlanes, grain, [&](int64_t begin, int64_t end) {
    std::vector<A> image(kPlanes * size), result(kPlanes * out_size);
    const auto each = [&](const auto& rows) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i * kPlanes, count = std::min(kPlanes, planes - first);
        interleave(src + first * size, count, size, image.data());
        rows();
        separate(result.data(), count, out_size, dst + first * out_size);
      }
    };
    if (fits_wide(x, y, kPlanes, terms)) {
      WideStrip<A> strip(x, y, terms[0].column, terms[0].row, kPlanes, height, width, false);
      strip.columns(0, out_width);
      each([&] {
        for (int64_t o = 0; o < out_height; o += 2) {
          strip.rows(image.data(), o, std::min(out_height - o, int64_t(2)), &result[o * out_width * kPlanes],
                     out_width * kPlanes);
        }
      });
    } else {
      Strip<A> strip(x, y, terms, kPlanes, height, width);
      strip.columns(0, out_width);
      each([&] {
        for (int64_t o = 0; o < out_height; ++o) {
          strip.row(image.data(), o, &result[o * out_width * kPlanes]);
        }
      });
    }
  });
}

}  // namespace

template <typename T>
void forward(const Images& images, const Axis& along_x, const Axis& along_y, const std::vector<double>& taps,
             bool separable, const T* x, T* y) {
  const auto [n, c, height, width, out_height, out_width, last] = images;
  const double rounding = 4 * std::numeric_limits<acc_t<T>>::epsilon();
  const auto terms = separable ? std::vector<Term>{{taps, taps}}
                               : terms_of(taps.data(), along_y.taps, along_x.taps, rounding);
  const bool rows = !last && terms.size() == 1 && PlaneRows<T>::fits(along_x, along_y, width, out_width);
  const int64_t small = rows ? kShortRow : kSmallPlane;
  if (last && fits_wide(along_x, along_y, c, terms)) {
    run_wide(x, y, n, c, height, width, out_height, out_width, along_x, along_y, terms[0]);
  } else if (last) {
    run(x, y, n, c, height, width, out_height, out_width, along_x, along_y, terms);
  } else if (n * c >= kPlanes && std::max({height, width, out_height, out_width}) <= small) {
    run_small_planes(x, y, n * c, height, width, out_height, out_width, along_x, along_y, terms);
  } else if (rows) {
    run_planes(x, y, n * c, height, width, out_height, out_width, along_x, along_y, terms[0]);
  } else {
    run(x, y, n * c, 1, height, width, out_height, out_width, along_x, along_y, terms);
  }
}

template void forward<float>(const Images&, const Axis&, const Axis&, const std::vector<double>&, bool, const float*,
                           float*);
template void forward<double>(const Images&, const Axis&, const Axis&, const std::vector<double>&, bool, const double*,
                           double*);
template void forward<c10::BFloat16>(const Images&, const Axis&, const Axis&, const std::vector<double>&, bool, const c10::BFloat16*,
                           c10::BFloat16*);

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
