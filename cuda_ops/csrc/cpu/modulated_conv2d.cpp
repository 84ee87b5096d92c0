// The convolution with 3x3 taps of a modulated layer, and its derivatives, by minimal filtering (winograd.h): at 4x4
// outputs a tile it takes a quarter of the multiplications, and as many bytes of transformed numbers as a cache holds.
//
// Three linear maps of images, each with the same weights (O, I, 3, 3) for the whole batch:
//   same  (N, I, H, W) to (N, O, H, W), the correlation with a border of zeros, and its adjoint;
//   up    (N, I, H, W) to (N, O, 2H+1, 2W+1), the transposed convolution of stride two;
//   down  the adjoint of up.
// An image's channels are scaled by its styles as they are read, or, in the adjoint, as they are written.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <memory>
#include <new>
#include <tuple>
#include <vector>

#include "lanes.h"
#include "matmul.h"
#include "output.h"
#include "winograd.h"

namespace cuda_ops {
namespace {

using at::Tensor;
using c10::SymInt;
using OptionalTensor = std::optional<Tensor>;

// Bytes of transformed inputs that one thread works on, a share of its own cache, and that all threads work on together;
// and bytes of transformed weights that stay in the cache of all threads while chunks of inputs go by.
constexpr int64_t kOwnBytes = 256 << 10, kSharedBytes = 8 << 20, kWeightBytes = 4 << 20;
// Channels whose transformed weights a thread makes and uses at a time, in its own cache.
constexpr int64_t kDepth = 128;

// Uninitialised memory that begins with a cache line.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t size) : data_(static_cast<T*>(::operator new(size * sizeof(T), kLine))) {}
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

// Images (images, height, width, channels) in, images (images, out_height, out_width, outs) out.
template <typename T>
struct Problem {
  const T* x;
  const T* weight;  // entry (k, n) of 9 taps lies at k * weight_step + n * weight_out_step
  const T* styles;  // (images, channels), or null
  T* y;
  int64_t images, channels, height, width;
  int64_t outs, out_height, out_width;
  int64_t weight_step, weight_out_step;
  bool flipped;  // the taps from the last to the first
  // Of the adjoint: y is scaled by out_styles (images, outs) and the sums of its products with `beside`, an image of
  // the form of y, before that are kept.
  const T* out_styles = nullptr;
  const T* beside = nullptr;
};

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

  // Returns sums (parts, images, outs) of the products of the adjoint.
  Tensor run(const at::TensorOptions& options) {
    const int64_t bytes = kPoints * depth_ * sizeof(T);
    const int64_t own = std::max<int64_t>(kOwnBytes / bytes, 4 * kRows);
    const bool weights_fit = panels_ * kMatrices * matrix_ * int64_t(sizeof(T)) <= kWeightBytes;
    if (weights_fit && p_.images * tiles_ >= 2 * own * at::get_num_threads()) return run_apart(own, options);
    return run_together(std::max<int64_t>(kSharedBytes / bytes, 4 * kRows), options);
  }

 private:
  static constexpr int64_t kLanes = Lanes<T>::count, kPoints = S::kPoints * S::kPoints;
  static constexpr int64_t kMatrices = S::kMatrices * S::kMatrices;

  // Each thread takes a chunk of tiles of an image from the input to the output.
  Tensor run_apart(int64_t chunk, const at::TensorOptions& options) {
    const int64_t chunks = divided(tiles_, chunk);
    chunk = divided(tiles_, chunks);
    const Tensor sums = p_.beside ? at::zeros({chunks, p_.images, p_.outs}, options) : Tensor();
    T* const sum = p_.beside ? sums.mutable_data_ptr<T>() : nullptr;
    const Tensor weights_kept = on_huge_pages(at::empty({panels_ * kMatrices * matrix_}, options));
    T* const u = weights_kept.mutable_data_ptr<T>();
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
  Tensor run_together(int64_t chunk, const at::TensorOptions& options) {
    const int64_t all = p_.images * tiles_, chunks = divided(all, chunk);
    chunk = divided(all, chunks);
    const Tensor sums = p_.beside ? at::zeros({1, p_.images, p_.outs}, options) : Tensor();
    T* const sum = p_.beside ? sums.mutable_data_ptr<T>() : nullptr;
    const int64_t step = spaced<T>(chunk * depth_), product_step = spaced<T>(chunk * kPanel<T>);
    const Tensor shared = on_huge_pages(at::empty({kPoints * step}, options));
    T* const v = shared.mutable_data_ptr<T>();
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

void check(const Tensor& x, const Tensor& weight, bool adjoint, bool up) {
  TORCH_CHECK_VALUE(weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3,
                    "modulated_conv3x3: the weight has shape ", weight.sizes(), "; give (O, I, 3, 3).");
  TORCH_CHECK_VALUE(x.dim() == 4 && x.size(1) == weight.size(adjoint ? 0 : 1), "modulated_conv3x3: x has shape ",
                    x.sizes(), " and the weight ", weight.sizes(), "; give as many channels to both.");
  TORCH_CHECK_VALUE(x.scalar_type() == weight.scalar_type(),
                    "modulated_conv3x3: x and the weight differ in type; give both the same.");
  TORCH_CHECK_VALUE(!(adjoint && up) || (x.size(2) % 2 == 1 && x.size(3) % 2 == 1),
                    "modulated_conv3x3: the adjoint of `up` takes images of odd height and width.");
}

template <typename Size>
Size out_size(const Size& size, bool adjoint, bool up) {
  return !up ? size : adjoint ? (size - 1) / 2 : size * 2 + 1;
}

template <typename T>
Tensor convolved(const Problem<T>& problem, bool adjoint, bool up, const at::TensorOptions& options) {
  if (!up) return Convolution<Same, T>(problem).run(options);
  return adjoint ? Convolution<Down, T>(problem).run(options) : Convolution<Up, T>(problem).run(options);
}

// y and the sums (images, outs); `given` and `beside` in any memory format, y in that of `given`.
std::tuple<Tensor, Tensor> convolve(const Tensor& given, const Tensor& weight, const OptionalTensor& styles, bool adjoint,
                                    bool up, const OptionalTensor& beside) {
  check(given, weight, adjoint, up);
  const auto last = at::MemoryFormat::ChannelsLast;
  const Tensor x = given.contiguous(last), w = weight.contiguous();
  const int64_t outs = weight.size(adjoint ? 1 : 0);
  const int64_t out_height = out_size(x.size(2), adjoint, up), out_width = out_size(x.size(3), adjoint, up);
  Tensor y = on_huge_pages(at::empty({x.size(0), outs, out_height, out_width}, x.options().memory_format(last)));
  Tensor sums = beside ? at::zeros({x.size(0), outs}, x.options()) : Tensor();
  const auto format = given.suggest_memory_format();
  if (y.numel() == 0) return {y.contiguous(format), sums};
  const Tensor other = beside ? beside->contiguous(last) : Tensor();
  const Tensor factors = styles ? styles->contiguous() : Tensor();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "modulated_conv3x3", [&] {
    const scalar_t* factor = styles ? factors.const_data_ptr<scalar_t>() : nullptr;
    Problem<scalar_t> problem{x.const_data_ptr<scalar_t>(),
                              w.const_data_ptr<scalar_t>(),
                              adjoint ? nullptr : factor,
                              y.mutable_data_ptr<scalar_t>(),
                              x.size(0),
                              x.size(1),
                              x.size(2),
                              x.size(3),
                              outs,
                              out_height,
                              out_width,
                              adjoint ? w.size(1) * 9 : 9,
                              adjoint ? 9 : w.size(1) * 9,
                              adjoint && !up};
    if (beside) {
      problem.out_styles = factor;
      problem.beside = other.const_data_ptr<scalar_t>();
    }
    const Tensor parts = convolved(problem, adjoint, up, x.options().memory_format(std::nullopt));
    if (beside) sums = parts.sum(0);
  });
  return {y.contiguous(format), sums};
}

Tensor conv3x3_cpu(const Tensor& x, const Tensor& weight, const OptionalTensor& styles, bool up) {
  return std::get<0>(convolve(x, weight, styles, false, up, {}));
}
Tensor conv3x3_adjoint_cpu(const Tensor& dy, const Tensor& weight, bool up) {
  return std::get<0>(convolve(dy, weight, {}, true, up, {}));
}
std::tuple<Tensor, Tensor> conv3x3_backward_cpu(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                                const Tensor& styles, bool up) {
  return convolve(dy, weight, styles, true, up, x);
}

Tensor conv3x3_meta(const Tensor& x, const Tensor& weight, const OptionalTensor&, bool up) {
  return at::empty_symint({x.sym_size(0), weight.sym_size(0), out_size(x.sym_size(2), false, up),
                           out_size(x.sym_size(3), false, up)},
                          x.options().memory_format(x.suggest_memory_format()));
}
Tensor conv3x3_adjoint_meta(const Tensor& dy, const Tensor& weight, bool up) {
  return at::empty_symint({dy.sym_size(0), weight.sym_size(1), out_size(dy.sym_size(2), true, up),
                           out_size(dy.sym_size(3), true, up)},
                          dy.options().memory_format(dy.suggest_memory_format()));
}
std::tuple<Tensor, Tensor> conv3x3_backward_meta(const Tensor& dy, const Tensor&, const Tensor& weight,
                                                 const Tensor& styles, bool up) {
  return {conv3x3_adjoint_meta(dy, weight, up), at::empty_like(styles)};
}

template <typename Signature>
auto operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}
Tensor conv3x3(const Tensor& x, const Tensor& weight, const OptionalTensor& styles, bool up) {
  static const auto op = operation<decltype(conv3x3_cpu)>("cuda_ops::conv3x3");
  return op.call(x, weight, styles, up);
}
Tensor conv3x3_adjoint(const Tensor& dy, const Tensor& weight, bool up) {
  static const auto op = operation<decltype(conv3x3_adjoint_cpu)>("cuda_ops::conv3x3_adjoint");
  return op.call(dy, weight, up);
}
std::tuple<Tensor, Tensor> conv3x3_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                            const Tensor& styles, bool up) {
  static const auto op = operation<decltype(conv3x3_backward_cpu)>("cuda_ops::conv3x3_backward");
  return op.call(dy, x, weight, styles, up);
}

// The derivative to the weights of <dy, conv3x3(x, weight)>.
Tensor weight_gradient(const Tensor& dy, const Tensor& x, const Tensor& weight, bool up) {
  const SymInt zero(0), one(1), two(2);
  // F.conv_transpose2d takes (I, O, 3, 3).
  const Tensor w = up ? weight.transpose(0, 1) : weight;
  const SymInt stride[] = {up ? two : one, up ? two : one}, padding[] = {up ? zero : one, up ? zero : one};
  const SymInt dilation[] = {one, one}, output_padding[] = {zero, zero};
  const Tensor dw = std::get<1>(at::convolution_backward_symint(dy, x, w, std::nullopt, stride, padding, dilation, up,
                                                                output_padding, one, {false, true, false}));
  return up ? dw.transpose(0, 1) : dw;
}

Tensor scaled(const Tensor& x, const Tensor& styles) { return x * styles.unsqueeze(-1).unsqueeze(-1); }

class Conv3x3 : public torch::autograd::Function<Conv3x3> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const OptionalTensor& styles, bool up) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({x, weight, styles.value_or(Tensor())});
    ctx->saved_data["up"] = up;
    return conv3x3(x, weight, styles, up);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &dy = grads[0], &x = saved[0], &weight = saved[1], &styles = saved[2];
    const bool up = ctx->saved_data["up"].toBool();
    Tensor dx, dweight, dstyles;
    if (ctx->needs_input_grad(0) || (styles.defined() && ctx->needs_input_grad(2))) {
      if (!styles.defined()) {
        dx = conv3x3_adjoint(dy, weight, up);
      } else if (at::GradMode::is_enabled()) {
        // Made of what can be differentiated again.
        const Tensor dscaled = conv3x3_adjoint(dy, weight, up);
        dx = scaled(dscaled, styles);
        dstyles = (dscaled * x).sum(at::IntArrayRef{2, 3});
      } else {
        std::tie(dx, dstyles) = conv3x3_backward(dy, x, weight, styles, up);
      }
    }
    if (ctx->needs_input_grad(1)) {
      dweight = weight_gradient(dy, styles.defined() ? scaled(x, styles) : x, weight, up);
    }
    return {dx, dweight, dstyles, {}};
  }
};

class Conv3x3Adjoint : public torch::autograd::Function<Conv3x3Adjoint> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& dy, const Tensor& weight, bool up) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({dy, weight});
    ctx->saved_data["up"] = up;
    return conv3x3_adjoint(dy, weight, up);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &dy = saved[0], &weight = saved[1];
    const bool up = ctx->saved_data["up"].toBool();
    const Tensor g = ctx->needs_input_grad(0) ? conv3x3(grads[0], weight, {}, up) : Tensor();
    const Tensor dweight = ctx->needs_input_grad(1) ? weight_gradient(dy, grads[0], weight, up) : Tensor();
    return {g, dweight, {}};
  }
};

Tensor conv3x3_autograd(const Tensor& x, const Tensor& weight, const OptionalTensor& styles, bool up) {
  return Conv3x3::apply(x, weight, styles, up);
}
Tensor conv3x3_adjoint_autograd(const Tensor& dy, const Tensor& weight, bool up) {
  return Conv3x3Adjoint::apply(dy, weight, up);
}

}  // namespace

// x (N, I, H, W), weight (O, I, 3, 3), styles (N, I).
TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def("conv3x3(Tensor x, Tensor weight, Tensor? styles, bool up) -> Tensor");
  m.def("conv3x3_adjoint(Tensor dy, Tensor weight, bool up) -> Tensor");
  m.def("conv3x3_backward(Tensor dy, Tensor x, Tensor weight, Tensor styles, bool up) -> (Tensor dx, Tensor dstyles)");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) {
  m.impl("conv3x3", conv3x3_cpu);
  m.impl("conv3x3_adjoint", conv3x3_adjoint_cpu);
  m.impl("conv3x3_backward", conv3x3_backward_cpu);
}
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) {
  m.impl("conv3x3", conv3x3_meta);
  m.impl("conv3x3_adjoint", conv3x3_adjoint_meta);
  m.impl("conv3x3_backward", conv3x3_backward_meta);
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) {
  m.impl("conv3x3", conv3x3_autograd);
  m.impl("conv3x3_adjoint", conv3x3_adjoint_autograd);
}

}  // namespace cuda_ops
