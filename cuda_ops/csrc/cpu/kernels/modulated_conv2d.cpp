// The convolution with 3x3 taps of a modulated layer, and its derivatives, by minimal filtering (winograd.h): at 4x4
// outputs a tile it takes a quarter of the multiplications, and as many bytes of transformed numbers as a cache holds.
//
// Three linear maps of images, each with the same weights (O, I, 3, 3) for the whole batch:
//   same  (N, I, H, W) to (N, O, H, W), the correlation with a border of zeros, and its adjoint;
//   up    (N, I, H, W) to (N, O, 2H+1, 2W+1), the transposed convolution of stride two;
//   down  the adjoint of up.
// An image's channels are scaled by its styles as they are read, or, in the adjoint, as they are written.

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "lanes.h"
#include "matmul.h"
#include "memory.h"
#include "modulated_conv2d.h"
#include "winograd.h"

namespace cuda_ops {
namespace modulated_conv2d_kernel {
namespace {

// Bytes of transformed inputs that one thread works on, a share of its own cache, and that all threads work on together;
// and bytes of transformed weights that stay in the cache of all threads while chunks of inputs go by.
constexpr int64_t kOwnBytes = 256 << 10, kSharedBytes = 8 << 20, kWeightBytes = 4 << 20;
// Channels whose transformed weights a thread makes and uses at a time, in its own cache.
constexpr int64_t kDepth = 128;

// Uninitialised memory that begins with a cache line.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t size) : data_(static_cast<T*>(::operator new(size * sizeof(T), kLine))) {
    ask_for_huge_pages(data_.get(), size * sizeof(T));
  }
  T* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(T* data) const { ::operator delete(data, kLine); }
  };
  std::unique_ptr<T, Free> data_;
};

int64_t divided(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Entries from one matrix to the next: never a multiple of 4096 bytes, at which all would compete for the same few
// places of the cache.
template <typename T>
int64_t spaced(int64_t entries) {
  constexpr int64_t line = 64 / sizeof(T);
  return divided(entries, line) * line + line;
}

template <typename S, typename T>
class Convolution {
 public:
  explicit Convolution(const Problem<T>& problem)
      : p_(problem),
        tile_rows_(divided(p_.out_height, S::kOutStep)),
        tile_columns_(divided(p_.out_width, S::kOutStep)),
        tiles_(tile_rows_ * tile_columns_),
        panels_(divided(p_.outs, kPanel<T>)),
        depth_(divided(p_.channels, kLanes) * kLanes),
        matrix_(spaced<T>(p_.channels * kPanel<T>)),
        zeros_(p_.channels, T(0)) {}

  // Returns sums (parts, images, outs) of the products of the adjoint, where there is a `beside`.
  std::vector<T> run() {
    const int64_t bytes = kPoints * depth_ * sizeof(T);
    const int64_t own = std::max<int64_t>(kOwnBytes / bytes, 4 * kRows);
    const bool weights_fit = panels_ * kMatrices * matrix_ * int64_t(sizeof(T)) <= kWeightBytes;
    if (weights_fit && p_.images * tiles_ >= 2 * own * at::get_num_threads()) return run_apart(own);
    return run_together(std::max<int64_t>(kSharedBytes / bytes, 4 * kRows));
  }

 private:
  static constexpr int64_t kLanes = Lanes<T>::count, kPoints = S::kPoints * S::kPoints;
  static constexpr int64_t kMatrices = S::kMatrices * S::kMatrices;

  // Each thread takes a chunk of tiles of an image from the input to the output.
  std::vector<T> run_apart(int64_t chunk) {
    const int64_t chunks = divided(tiles_, chunk);
    chunk = divided(tiles_, chunks);
    std::vector<T> sums(p_.beside ? chunks * p_.images * p_.outs : 0);
    T* const sum = p_.beside ? sums.data() : nullptr;
    const Scratch<T> weights_kept(panels_ * kMatrices * matrix_);
    T* const u = weights_kept.get();
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel) weights(panel, 0, p_.channels, u + panel * kMatrices * matrix_, matrix_);
    });
    const int64_t step = spaced<T>(chunk * depth_), product_step = spaced<T>(chunk * kPanel<T>);
    at::parallel_for(0, p_.images * chunks, 1, [&](int64_t begin, int64_t end) {
      const Scratch<T> v(kPoints * step), m(kPoints * product_step);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / chunks, part = i % chunks;
        const int64_t first = image * tiles_ + part * chunk, last = image * tiles_ + std::min((part + 1) * chunk, tiles_);
        input(first, last, v.get(), step);
        for (int64_t panel = 0; panel < panels_; ++panel) {
          multiply_panel(last - first, p_.channels, v.get(), step, u + panel * kMatrices * matrix_, matrix_,
                         false, m.get(), product_step);
          output(first, last, panel, m.get(), product_step, sum ? sum + part * p_.images * p_.outs : nullptr);
        }
      }
    });
    return sums;
  }

  // All threads take a chunk of tiles, and each its own panels of outputs. The transformed weights, which may be many
  // more than the tiles, are used while they are in the cache and not kept.
  std::vector<T> run_together(int64_t chunk) {
    const int64_t all = p_.images * tiles_, chunks = divided(all, chunk);
    chunk = divided(all, chunks);
    std::vector<T> sums(p_.beside ? p_.images * p_.outs : 0);
    T* const sum = p_.beside ? sums.data() : nullptr;
    const int64_t step = spaced<T>(chunk * depth_), product_step = spaced<T>(chunk * kPanel<T>);
    const Scratch<T> shared(kPoints * step);
    T* const v = shared.get();
    for (int64_t first = 0; first < all; first += chunk) {
      const int64_t last = std::min(first + chunk, all);
      at::parallel_for(first, last, 4, [&](int64_t begin, int64_t end) {
        input(begin, end, v + (begin - first) * depth_, step);
      });
      at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
        const int64_t matrix = spaced<T>(kDepth * kPanel<T>);
        const Scratch<T> u(kMatrices * matrix), m(kPoints * product_step);
        for (int64_t panel = begin; panel < end; ++panel) {
          for (int64_t k = 0; k < p_.channels; k += kDepth) {
            const int64_t depth = std::min(kDepth, p_.channels - k);
            weights(panel, k, k + depth, u.get(), matrix);
            multiply_panel(last - first, depth, v + k, step, u.get(), matrix, k > 0, m.get(), product_step);
          }
          output(first, last, panel, m.get(), product_step, sum);
        }
      });
    }
    return sums;
  }

  // The transformed weights of some channels and a panel of outputs: a matrix (channels, kPanel) for each of kMatrices.
  void weights(int64_t panel, int64_t begin, int64_t end, T* u, int64_t matrix) const {
    for (int64_t k = begin; k < end; ++k) {
      Vector<T> transformed[2][kMatrices];
      for (int64_t half = 0; half < 2; ++half) {
        T taps[9][kLanes] = {};
        const int64_t first = panel * kPanel<T> + half * kLanes;
        const int64_t count = std::min(kLanes, p_.outs - first);
        const T* from = p_.weight + k * p_.weight_step + first * p_.weight_out_step;
        for (int64_t n = 0; n < count; ++n) {
          for (int64_t tap = 0; tap < 9; ++tap) taps[tap][n] = from[n * p_.weight_out_step + tap];
        }
        Vector<T> w[9], columns[S::kMatrices * 3];
        for (int64_t tap = 0; tap < 9; ++tap) w[tap] = load_vector(taps[p_.flipped ? 8 - tap : tap]);
        for (int64_t x = 0; x < 3; ++x) S::template weights<T>(w + x, 3, columns + x, 3);
        for (int64_t y = 0; y < S::kMatrices; ++y) {
          S::template weights<T>(columns + 3 * y, 1, transformed[half] + y * S::kMatrices, 1);
        }
      }
      for (int64_t i = 0; i < kMatrices; ++i) {
        store_vector(u + i * matrix + (k - begin) * kPanel<T>, transformed[0][i]);
        store_vector(u + i * matrix + (k - begin) * kPanel<T> + kLanes, transformed[1][i]);
      }
    }
  }

  // The transformed inputs of tiles: a matrix (tiles, depth_) for each point.
  void input(int64_t first, int64_t last, T* v, int64_t step) const {
    const T* from[S::kIn * S::kIn];
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t image = tile / tiles_, y = tile % tiles_ / tile_columns_ * S::kInStep - S::kBefore;
      const int64_t x = tile % tile_columns_ * S::kInStep - S::kBefore;
      for (int64_t i = 0; i < S::kIn; ++i) {
        for (int64_t j = 0; j < S::kIn; ++j) {
          const bool inside = y + i >= 0 && y + i < p_.height && x + j >= 0 && x + j < p_.width;
          from[i * S::kIn + j] =
              inside ? p_.x + ((image * p_.height + y + i) * p_.width + x + j) * p_.channels : zeros_.data();
        }
      }
      T* const to = v + (tile - first) * depth_;
      const T* const scale = p_.styles ? p_.styles + image * p_.channels : nullptr;
      int64_t c = 0;
      for (; c + kLanes <= p_.channels; c += kLanes) input_vector<true>(from, scale, c, to + c, step);
      if (c < p_.channels) input_vector<false>(from, scale, c, to + c, step);
    }
  }

  // The transformed inputs of some channels of a tile, as many as a vector has or fewer.
  template <bool whole>
  void input_vector(const T* const* from, const T* scale, int64_t c, T* to, int64_t step) const {
    const int64_t count = whole ? kLanes : p_.channels - c;
    const Vector<T> factor = scale ? load_vector(scale + c, count) : Vector<T>{} + T(1);
    Vector<T> columns[S::kPoints * S::kIn];
    for (int64_t j = 0; j < S::kIn; ++j) {
      Vector<T> d[S::kIn];
      for (int64_t i = 0; i < S::kIn; ++i) d[i] = load_vector(from[i * S::kIn + j] + c, count) * factor;
      S::template input<T>(d, 1, columns + j, S::kIn);
    }
    for (int64_t i = 0; i < S::kPoints; ++i) {
      Vector<T> values[S::kPoints];
      S::template input<T>(columns + i * S::kIn, 1, values, 1);
      for (int64_t j = 0; j < S::kPoints; ++j) store_vector(to + (i * S::kPoints + j) * step, values[j]);
    }
  }

  // The products of a panel, or what further channels add to them: a matrix (count, kPanel) for each point.
  void multiply_panel(int64_t count, int64_t depth, const T* v, int64_t step, const T* u, int64_t matrix, bool add, T* m,
                      int64_t product_step) const {
    for (int64_t i = 0; i < kPoints; ++i) {
      const int64_t at = S::matrix(i / S::kPoints) * S::kMatrices + S::matrix(i % S::kPoints);
      multiply(count, v + i * step, depth_, u + at * matrix, depth, add, m + i * product_step);
    }
  }

  // The outputs of tiles, of one panel.
  void output(int64_t first, int64_t last, int64_t panel, const T* m, int64_t step, T* sums) const {
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t image = tile / tiles_, y = tile % tiles_ / tile_columns_ * S::kOutStep;
      const int64_t x = tile % tile_columns_ * S::kOutStep;
      const int64_t height = std::min(S::kOut, p_.out_height - y), width = std::min(S::kOut, p_.out_width - x);
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t c = panel * kPanel<T> + half * kLanes, channels = p_.outs - c;
        if (channels <= 0) break;
        Vector<T> rows[S::kOut * S::kPoints], result[S::kOut * S::kOut];
        const T* const from = m + (tile - first) * kPanel<T> + half * kLanes;
        for (int64_t j = 0; j < S::kPoints; ++j) {
          Vector<T> values[S::kPoints];
          for (int64_t i = 0; i < S::kPoints; ++i) values[i] = load_vector(from + (i * S::kPoints + j) * step);
          S::template output<T>(values, 1, rows + j, S::kPoints);
        }
        for (int64_t i = 0; i < S::kOut; ++i) {
          S::template output<T>(rows + i * S::kPoints, 1, result + i * S::kOut, 1);
        }
        const int64_t at = ((image * p_.out_height + y) * p_.out_width + x) * p_.outs + c;
        if (height == S::kOut && width == S::kOut && channels >= kLanes) {
          put(result, S::kOut, S::kOut, at, kLanes, image, c, sums);
        } else {
          put(result, height, width, at, channels, image, c, sums);
        }
      }
    }
  }

  // Some channels of a tile of outputs, to where they belong.
  inline __attribute__((always_inline)) void put(const Vector<T>* result, int64_t height, int64_t width, int64_t at,
                                                 int64_t channels, int64_t image, int64_t c, T* sums) const {
    if (!p_.beside) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          store_vector(p_.y + at + (i * p_.out_width + j) * p_.outs, result[i * S::kOut + j], channels);
        }
      }
      return;
    }
    const Vector<T> scale = load_vector(p_.out_styles + image * p_.outs + c, channels);
    T* const into = sums + image * p_.outs + c;
    Vector<T> sum = load_vector(into, channels);
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        const int64_t pixel = at + (i * p_.out_width + j) * p_.outs;
        sum += result[i * S::kOut + j] * load_vector(p_.beside + pixel, channels);
        store_vector(p_.y + pixel, result[i * S::kOut + j] * scale, channels);
      }
    }
    store_vector(into, sum, channels);
  }

  const Problem<T> p_;
  const int64_t tile_rows_, tile_columns_, tiles_, panels_;
  const int64_t depth_;   // entries of a row of transformed inputs
  const int64_t matrix_;  // entries of a matrix of all channels' transformed weights
  const std::vector<T> zeros_;
};

}  // namespace

template <typename T>
std::vector<T> convolve(const Problem<T>& problem, Map map) {
  if (map == kSame) return Convolution<Same, T>(problem).run();
  return map == kDown ? Convolution<Down, T>(problem).run() : Convolution<Up, T>(problem).run();
}

template std::vector<float> convolve(const Problem<float>&, Map);
template std::vector<double> convolve(const Problem<double>&, Map);

}  // namespace modulated_conv2d_kernel
}  // namespace cuda_ops
