// bias_act: y = clamp(act(scale * x + strength * noise + b) * gain), in one pass over x; the gradient likewise.
//
// The loops see an image as channels and pixels. In channels_last the channels of a pixel lie side by side and the noise
// is one number a run; in contiguous planes the pixels of a channel do, and bias and scale are. Sums for the gradients
// of the parameters are taken in float32 over a few hundred runs and in double beyond, part by part of an image, and the
// parts are added in order: the number of threads changes no digit.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "output.h"
#include "vectors.h"

namespace cuda_ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// In the order of the reference.
enum Act : int64_t { kLinear, kRelu, kLrelu, kTanh, kSigmoid, kElu, kSelu, kSoftplus, kSwish };

// Klambauer et al. 2017.
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;

// Numbers of a part of an image, in channels_last and in planes, whose channels lie far apart.
constexpr int64_t kPart = 1 << 16, kPlanePart = 1 << 18;
// Pixels whose sums are taken in the accumulator's own type, in channels_last and in a plane.
constexpr int64_t kRuns = 256;
constexpr int64_t kPixels = 4096;

template <int act, typename A>
inline A activate(A z, A alpha) {
  if constexpr (act == kRelu) {
    return z < 0 ? A(0) : z;
  } else if constexpr (act == kLrelu) {
    return z > 0 ? z : z * alpha;
  } else if constexpr (act == kTanh) {
    return std::tanh(z);
  } else if constexpr (act == kSigmoid) {
    return 1 / (1 + std::exp(-z));
  } else if constexpr (act == kElu) {
    return z > 0 ? z : std::expm1(z);
  } else if constexpr (act == kSelu) {
    return z > 0 ? z * A(kSeluScale) : std::expm1(z) * A(kSeluScale * kSeluAlpha);
  } else if constexpr (act == kSoftplus) {
    return z > 20 ? z : std::log1p(std::exp(z));  // as PyTorch: beyond 20 the difference is lost in float
  } else if constexpr (act == kSwish) {
    return z / (1 + std::exp(-z));
  } else {
    return z;
  }
}

template <int act, typename A>
inline A slope(A z, A alpha) {
  if constexpr (act == kRelu) {
    return z > 0 ? A(1) : A(0);
  } else if constexpr (act == kLrelu) {
    return z > 0 ? A(1) : alpha;
  } else if constexpr (act == kTanh) {
    const A t = std::tanh(z);
    return 1 - t * t;
  } else if constexpr (act == kSigmoid) {
    const A s = 1 / (1 + std::exp(-z));
    return s * (1 - s);
  } else if constexpr (act == kElu) {
    return z > 0 ? A(1) : std::exp(z);
  } else if constexpr (act == kSelu) {
    return z > 0 ? A(kSeluScale) : std::exp(z) * A(kSeluScale * kSeluAlpha);
  } else if constexpr (act == kSoftplus) {
    return z > 20 ? A(1) : 1 / (1 + std::exp(-z));
  } else if constexpr (act == kSwish) {
    const A s = 1 / (1 + std::exp(-z));
    return s * (1 + z * (1 - s));
  } else {
    return A(1);
  }
}

// The shape of the operation and its parameters, of the accumulator's type A; null where one is not given.
template <typename A>
struct Layer {
  int64_t images, channels, pixels;
  bool last;         // channels lie side by side
  const A *b, *scale, *noise;  // (channels,), (images, channels), (images or 1, pixels)
  int64_t noise_step;          // from one image's noise to the next
  A strength, alpha, gain, clamp;

  int64_t part_pixels() const {
    return std::max<int64_t>((last ? kPart : kPlanePart) / std::max<int64_t>(channels, 1), 1);
  }
  int64_t parts() const { return (pixels + part_pixels() - 1) / part_pixels(); }
};

// Clamping that lets NaN through, as torch's does.
template <typename A>
inline A clamped(A y, A most) {
  return y < -most ? -most : (y > most ? most : y);
}

// A pixel's channels.
template <int act, typename T, typename A>
void forward_pixel(const Layer<A>& layer, int64_t n, const T* __restrict x, const A* __restrict b,
                   const A* __restrict scale, A noise, T* __restrict y) {
  const Layer<A> local = layer;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const A z = scale[i] * load<A>(x[i]) + (noise + b[i]);
    y[i] = store<T>(clamped(activate<act>(z, local.alpha) * local.gain, local.clamp));
  }
}

// A channel's pixels.
template <int act, bool with_noise, typename T, typename A>
void forward_plane(const Layer<A>& layer, int64_t n, const T* __restrict x, A b, A scale, const A* __restrict noise,
                   T* __restrict y) {
  const Layer<A> local = layer;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    A z = scale * load<A>(x[i]) + b;
    if constexpr (with_noise) z += local.strength * noise[i];
    y[i] = store<T>(clamped(activate<act>(z, local.alpha) * local.gain, local.clamp));
  }
}

// The gradient of the activation's argument. The test for the clamp costs as much as all the rest, so it is made only
// where there is one.
template <int act, bool clamps, typename A>
inline A backward_at(const Layer<A>& layer, A z, A dy) {
  const A dz = dy * (layer.gain * slope<act>(z, layer.alpha));
  if constexpr (clamps) return std::abs(activate<act>(z, layer.alpha) * layer.gain) > layer.clamp ? A(0) : dz;
  return dz;
}

// A pixel's channels: adds to the sums of each channel, returns the sum over them.
template <int act, bool clamps, typename T, typename A>
A backward_pixel(const Layer<A>& layer, int64_t n, const T* __restrict dy, const T* __restrict x,
                 const A* __restrict b, const A* __restrict scale, A noise, T* __restrict dx, A* __restrict db,
                 A* __restrict dscale) {
  const Layer<A> local = layer;
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const A value = load<A>(x[i]);
    const A dz = backward_at<act, clamps>(local, scale[i] * value + (noise + b[i]), load<A>(dy[i]));
    dx[i] = store<T>(dz * scale[i]);
    db[i] += dz;
    dscale[i] += dz * value;
    sum += dz;
  }
  return sum;
}

template <typename A>
struct Sums {
  A db, dscale, dstrength;
};

// A channel's pixels: adds to `rows`, the sums of each pixel, where they are wanted, and returns those of the channel.
template <int act, bool clamps, bool with_noise, bool with_rows, typename T, typename A>
Sums<A> backward_plane(const Layer<A>& layer, int64_t n, const T* __restrict dy, const T* __restrict x, A b, A scale,
                       const A* __restrict noise, T* __restrict dx, A* __restrict rows) {
  const Layer<A> local = layer;
  A db = 0, dscale = 0, dstrength = 0;
#pragma omp simd reduction(+ : db, dscale, dstrength)
  for (int64_t i = 0; i < n; ++i) {
    const A value = load<A>(x[i]);
    A z = scale * value + b;
    if constexpr (with_noise) z += local.strength * noise[i];
    const A dz = backward_at<act, clamps>(local, z, load<A>(dy[i]));
    dx[i] = store<T>(dz * scale);
    db += dz;
    dscale += dz * value;
    if constexpr (with_noise) dstrength += dz * noise[i];
    if constexpr (with_rows) rows[i] += dz;
  }
  return {db, dscale, dstrength};
}

// What is not given adds nothing or multiplies by one.
template <typename A>
std::vector<A> bias_of(const Layer<A>& layer) {
  return layer.b == nullptr ? std::vector<A>(layer.channels, A(0)) : std::vector<A>(layer.b, layer.b + layer.channels);
}
template <typename A>
std::vector<A> scale_of(const Layer<A>& layer, int64_t image) {
  if (layer.scale == nullptr) return std::vector<A>(layer.channels, A(1));
  return {layer.scale + image * layer.channels, layer.scale + (image + 1) * layer.channels};
}

template <int act, typename T, typename A>
void forward(const Layer<A>& layer, const T* x, T* y) {
  const int64_t parts = layer.parts(), step = layer.part_pixels(), channels = layer.channels;
  const int64_t work = std::max<int64_t>(std::min(step, layer.pixels) * channels, 1);
  at::parallel_for(0, layer.images * parts, std::max<int64_t>(kGrain / work, 1), [&](int64_t begin, int64_t end) {
    const std::vector<A> bias = bias_of(layer);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / parts, first = task % parts * step, last = std::min(first + step, layer.pixels);
      const std::vector<A> scale = scale_of(layer, image);
      const A* noise = layer.noise == nullptr ? nullptr : layer.noise + image * layer.noise_step;
      const int64_t base = image * layer.pixels * channels;
      if (layer.last && noise == nullptr && layer.scale == nullptr && layer.b == nullptr) {
        const int64_t at = base + first * channels;
        forward_plane<act, false>(layer, (last - first) * channels, x + at, A(0), A(1), noise, y + at);
      } else if (layer.last) {
        for (int64_t p = first; p < last; ++p) {
          const int64_t at = base + p * channels;
          forward_pixel<act>(layer, channels, x + at, bias.data(), scale.data(),
                             noise == nullptr ? A(0) : layer.strength * noise[p], y + at);
        }
      } else {
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t at = base + c * layer.pixels + first;
          if (noise == nullptr) {
            forward_plane<act, false>(layer, last - first, x + at, bias[c], scale[c], noise, y + at);
          } else {
            forward_plane<act, true>(layer, last - first, x + at, bias[c], scale[c], noise + first, y + at);
          }
        }
      }
    }
  });
}

// Where the gradients go; null where one is not asked for, except dx. The sums are per part of an image.
template <typename T, typename A>
struct Gradients {
  T* dx;
  double *db, *dscale;  // (images * parts, channels)
  A* rows;              // (images, pixels): the sum of dz over the channels
  double* dstrength;    // (images * parts,)
};

template <int act, bool clamps, typename T, typename A>
void backward(const Layer<A>& layer, const T* dy, const T* x, const Gradients<T, A>& out) {
  const int64_t parts = layer.parts(), step = layer.part_pixels(), channels = layer.channels;
  const int64_t work = std::max<int64_t>(std::min(step, layer.pixels) * channels, 1);
  at::parallel_for(0, layer.images * parts, std::max<int64_t>(kGrain / work, 1), [&](int64_t begin, int64_t end) {
    const std::vector<A> bias = bias_of(layer);
    std::vector<A> some(2 * channels, A(0));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / parts, first = task % parts * step, last = std::min(first + step, layer.pixels);
      const std::vector<A> scale = scale_of(layer, image);
      const A* noise = layer.noise == nullptr ? nullptr : layer.noise + image * layer.noise_step;
      const int64_t base = image * layer.pixels * channels;
      A* rows = out.rows == nullptr ? nullptr : out.rows + image * layer.pixels;
      double* db = out.db == nullptr ? nullptr : out.db + task * channels;
      double* dscale = out.dscale == nullptr ? nullptr : out.dscale + task * channels;
      double strength = 0;
      if (layer.last) {
        const auto flush = [&] {
          for (int64_t c = 0; c < channels; ++c) {
            if (db != nullptr) db[c] += some[c];
            if (dscale != nullptr) dscale[c] += some[channels + c];
          }
          std::fill(some.begin(), some.end(), A(0));
        };
        for (int64_t p = first; p < last; ++p) {
          const int64_t at = base + p * channels;
          const A whole = backward_pixel<act, clamps>(layer, channels, dy + at, x + at, bias.data(), scale.data(),
                                              noise == nullptr ? A(0) : layer.strength * noise[p], out.dx + at,
                                              some.data(), some.data() + channels);
          if (rows != nullptr) rows[p] = whole;
          if (noise != nullptr) strength += double(whole) * noise[p];
          if ((p - first) % kRuns == kRuns - 1) flush();
        }
        flush();
      } else {
        const auto plane = noise == nullptr ? backward_plane<act, clamps, false, false, T, A>
                           : rows == nullptr ? backward_plane<act, clamps, true, false, T, A>
                                             : backward_plane<act, clamps, true, true, T, A>;
        if (rows != nullptr) std::fill(rows + first, rows + last, A(0));
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t p = first; p < last; p += kPixels) {
            const int64_t n = std::min(kPixels, last - p), at = base + c * layer.pixels + p;
            const Sums<A> sums = plane(layer, n, dy + at, x + at, bias[c], scale[c],
                                       noise == nullptr ? nullptr : noise + p, out.dx + at,
                                       rows == nullptr ? nullptr : rows + p);
            if (db != nullptr) db[c] += sums.db;
            if (dscale != nullptr) dscale[c] += sums.dscale;
            strength += sums.dstrength;
          }
        }
      }
      if (out.dstrength != nullptr) out.dstrength[task] = strength;
    }
  });
}

// The layout that x is worked on in: x itself where it is dense in it, and its images, channels and pixels.
struct Shape {
  Tensor x;
  int64_t images, channels, pixels;
  bool last;
};

bool channels_last(const Tensor& x, int64_t dim) {
  return x.dim() == 4 && dim == 1 && x.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
}

Shape shape_of(const Tensor& x, int64_t dim) {
  if (channels_last(x, dim)) {
    const int64_t n = x.size(0), c = x.size(1), pixels = x.size(2) * x.size(3);
    return {x.contiguous(at::MemoryFormat::ChannelsLast), n, c, pixels, true};
  }
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < x.dim(); ++d) (d < dim ? outer : inner) *= d == dim ? 1 : x.size(d);
  const int64_t channels = x.dim() == 0 ? 1 : x.size(dim);
  // With nothing behind the channels, a row of them is a pixel; the scale still belongs to its image.
  if (inner == 1 && x.dim() != 4) return {x.contiguous(), 1, channels, outer, true};
  return {x.contiguous(), outer, channels, inner, false};
}

template <typename A>
Tensor parameter(const OptionalTensor& given) {
  return given.has_value() ? given->to(at::CppTypeToScalarType<A>::value).contiguous() : Tensor();
}

template <typename A>
const A* data(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<A>() : nullptr;
}

template <typename A>
Layer<A> layer_of(const Shape& shape, const Tensor& b, const Tensor& scale, const Tensor& noise, const Tensor& strength,
                  double alpha, double gain, double clamp) {
  return {shape.images,
          shape.channels,
          shape.pixels,
          shape.last,
          data<A>(b),
          data<A>(scale),
          data<A>(noise),
          noise.defined() && noise.size(0) > 1 ? shape.pixels : 0,
          strength.defined() ? *strength.const_data_ptr<A>() : A(1),
          A(alpha),
          A(gain),
          clamp < 0 ? std::numeric_limits<A>::infinity() : A(clamp)};
}

// Calls `body` with the activation as a constant.
template <typename Body>
void with_act(c10::string_view name, const Body& body) {
  if (name == "linear") return body(std::integral_constant<int, kLinear>());
  if (name == "relu") return body(std::integral_constant<int, kRelu>());
  if (name == "lrelu") return body(std::integral_constant<int, kLrelu>());
  if (name == "tanh") return body(std::integral_constant<int, kTanh>());
  if (name == "sigmoid") return body(std::integral_constant<int, kSigmoid>());
  if (name == "elu") return body(std::integral_constant<int, kElu>());
  if (name == "selu") return body(std::integral_constant<int, kSelu>());
  if (name == "softplus") return body(std::integral_constant<int, kSoftplus>());
  if (name == "swish") return body(std::integral_constant<int, kSwish>());
  TORCH_CHECK_VALUE(false, "bias_act: there is no activation '", name, "'.");
}

int64_t checked_dim(const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
                    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim) {
  dim = dim < 0 ? dim + x.dim() : dim;
  TORCH_CHECK_VALUE(!(noise || scale) || (x.dim() == 4 && dim == 1),
                    "bias_act: noise and scale need x of shape (N, C, H, W) and dim 1.");
  TORCH_CHECK_VALUE(!b || (dim >= 0 && dim < x.dim() && b->numel() == x.size(dim)),
                    "bias_act: give one bias for each entry of axis ", dim, " of x.");
  TORCH_CHECK_VALUE(!strength || strength->numel() == 1, "bias_act: strength is one number.");
  TORCH_CHECK_VALUE(!scale || scale->sizes() == x.sizes().slice(0, 2), "bias_act: scale is (N, C).");
  TORCH_CHECK_VALUE(!noise || (noise->dim() == 4 && (noise->size(0) == 1 || noise->size(0) == x.size(0)) &&
                               noise->size(1) == 1 && noise->size(2) == x.size(2) && noise->size(3) == x.size(3)),
                    "bias_act: noise is (N or 1, 1, H, W).");
  return dim;
}

at::MemoryFormat format_of(const Tensor& x, int64_t dim) {
  return channels_last(x, dim < 0 ? dim + x.dim() : dim) ? at::MemoryFormat::ChannelsLast
                                                         : at::MemoryFormat::Contiguous;
}

Tensor like(const Tensor& x, int64_t dim) {
  return on_huge_pages(at::empty(x.sizes(), x.options().memory_format(format_of(x, dim))));
}

Tensor bias_act_cpu(const Tensor& given, const OptionalTensor& b, const OptionalTensor& noise,
                    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act,
                    double alpha, double gain, std::optional<double> clamp) {
  dim = checked_dim(given, b, noise, strength, scale, dim);
  const Tensor y = like(given, dim);
  if (given.numel() == 0) return y;
  const Shape shape = shape_of(given, dim);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, given.scalar_type(), "bias_act", [&] {
    using T = scalar_t;
    using A = acc_t<T>;
    const Tensor bias = parameter<A>(b), factor = parameter<A>(scale), map = parameter<A>(noise),
                 strong = parameter<A>(strength);
    const auto layer = layer_of<A>(shape, bias, factor, map, strong, alpha, gain, clamp.value_or(-1));
    with_act(act, [&](auto kind) {
      forward<decltype(kind)::value>(layer, shape.x.const_data_ptr<T>(), y.mutable_data_ptr<T>());
    });
  });
  return y;
}

// Parts (outer, parts, size) added up to (outer, size).
template <typename A>
Tensor added(double* parts_of, int64_t outer, int64_t parts, int64_t size, const at::TensorOptions& options) {
  const Tensor result = at::empty({outer, size}, options);
  A* out = result.mutable_data_ptr<A>();
  for (int64_t o = 0; o < outer; ++o, parts_of += parts * size, out += size) {
    for (int64_t part = 1; part < parts; ++part) {
      for (int64_t i = 0; i < size; ++i) parts_of[i] += parts_of[part * size + i];
    }
    for (int64_t i = 0; i < size; ++i) out[i] = parts > 0 ? static_cast<A>(parts_of[i]) : A(0);
  }
  return result;
}

// dx, db (C,), dnoise like noise, dstrength (), dscale (N, C); empty where the input is not there. `parameters` is false
// where none of b, strength and scale wants a gradient, `of_noise` where the noise wants none.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> bias_act_backward_cpu(
    const Tensor& dy, const Tensor& given, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha,
    double gain, std::optional<double> clamp, bool parameters, bool of_noise) {
  dim = checked_dim(given, b, noise, strength, scale, dim);
  const Tensor dx = like(given, dim);
  const Shape shape = shape_of(given, dim);
  const Tensor g = dy.to(given.scalar_type()).contiguous(format_of(given, dim));
  of_noise = of_noise && noise;
  const auto options = given.options().dtype(at::toOpMathType(given.scalar_type())).memory_format(std::nullopt);
  const Tensor none = at::empty({0}, options);
  Tensor db = none, dnoise = none, dstrength = none, dscale = none;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, given.scalar_type(), "bias_act_backward", [&] {
    using T = scalar_t;
    using A = acc_t<T>;
    const Tensor bias = parameter<A>(b), factor = parameter<A>(scale), map = parameter<A>(noise),
                 strong = parameter<A>(strength);
    const auto layer = layer_of<A>(shape, bias, factor, map, strong, alpha, gain, clamp.value_or(-1));
    const int64_t parts = layer.parts();
    // Of each part of an image, in an order that does not depend on the threads.
    const int64_t tasks = shape.images * parts, per_channel = tasks * shape.channels;
    const bool of_b = parameters && b, of_scale = parameters && scale, of_strength = parameters && strength && noise;
    std::vector<double> sums((of_b + of_scale) * per_channel + of_strength * tasks, 0.0);
    double* const b_sums = sums.data();
    double* const scale_sums = b_sums + of_b * per_channel;
    double* const strength_sums = scale_sums + of_scale * per_channel;
    const Tensor rows = of_noise ? at::zeros({shape.images, 1, given.size(2), given.size(3)}, options) : Tensor();
    const Gradients<T, A> out{dx.mutable_data_ptr<T>(), of_b ? b_sums : nullptr, of_scale ? scale_sums : nullptr,
                              rows.defined() ? rows.mutable_data_ptr<A>() : nullptr,
                              of_strength ? strength_sums : nullptr};
    if (given.numel() > 0) {
      with_act(act, [&](auto kind) {
        constexpr int kAct = decltype(kind)::value;
        const auto run = clamp ? backward<kAct, true, T, A> : backward<kAct, false, T, A>;
        run(layer, g.const_data_ptr<T>(), shape.x.const_data_ptr<T>(), out);
      });
    }
    if (of_b) db = added<A>(b_sums, 1, tasks, shape.channels, options).reshape({shape.channels});
    if (of_scale) dscale = added<A>(scale_sums, shape.images, parts, shape.channels, options);
    if (of_strength) dstrength = added<A>(strength_sums, 1, tasks, 1, options).reshape(strength->sizes());
    if (rows.defined()) dnoise = (strength ? rows * strong : rows).sum_to_size(noise->sizes());
  });
  return {dx, db, dnoise, dstrength, dscale};
}

Tensor bias_act_meta(const Tensor& x, const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
                     const OptionalTensor&, int64_t dim, c10::string_view, double, double, std::optional<double>) {
  return at::empty_symint(x.sym_sizes(), x.options().memory_format(format_of(x, dim)));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> bias_act_backward_meta(
    const Tensor&, const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view, double, double,
    std::optional<double>, bool parameters, bool of_noise) {
  const auto options = x.options().dtype(at::toOpMathType(x.scalar_type())).memory_format(std::nullopt);
  const auto like = [&](bool wanted, const OptionalTensor& t) {
    return wanted && t ? at::empty_symint(t->sym_sizes(), options) : at::empty({0}, options);
  };
  return {at::empty_symint(x.sym_sizes(), x.options().memory_format(format_of(x, dim))), like(parameters, b),
          like(of_noise, noise), like(parameters, strength), like(parameters, scale)};
}

Tensor bias_act(const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise, const OptionalTensor& strength,
                const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha, double gain,
                std::optional<double> clamp) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("cuda_ops::bias_act", "").typed<decltype(bias_act)>();
  return op.call(x, b, noise, strength, scale, dim, act, alpha, gain, clamp);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> bias_act_backward(
    const Tensor& dy, const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha,
    double gain, std::optional<double> clamp, bool parameters, bool of_noise) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("cuda_ops::bias_act_backward", "")
                             .typed<decltype(bias_act_backward)>();
  return op.call(dy, x, b, noise, strength, scale, dim, act, alpha, gain, clamp, parameters, of_noise);
}

// `activate` and `slope` in operations that PyTorch knows the gradients of. What `where` leaves out is kept finite,
// because a product of zero and infinity would reach the gradient.
Tensor activated(const Tensor& z, int act, double alpha) {
  switch (act) {
    case kRelu:
      return z.relu();
    case kLrelu:
      return at::leaky_relu(z, alpha);
    case kTanh:
      return z.tanh();
    case kSigmoid:
      return z.sigmoid();
    case kElu:
      return at::elu(z);
    case kSelu:
      return at::selu(z);
    case kSoftplus:
      return at::softplus(z);
    case kSwish:
      return at::silu(z);
    default:
      return z;
  }
}

Tensor slope_of(const Tensor& z, int act, double alpha) {
  const auto below_zero = [&] { return z.clamp_max(0).exp(); };
  switch (act) {
    case kRelu:
      return (z > 0).to(z.scalar_type());
    case kLrelu:
      return at::full_like(z, alpha).masked_fill(z > 0, 1);
    case kTanh:
      return 1 - z.tanh().square();
    case kSigmoid:
      return z.sigmoid() * (1 - z.sigmoid());
    case kElu:
      return below_zero().masked_fill(z > 0, 1);
    case kSelu:
      return below_zero().mul(kSeluScale * kSeluAlpha).masked_fill(z > 0, kSeluScale);
    case kSoftplus:
      return z.sigmoid().masked_fill(z > 20, 1);
    case kSwish:
      return z.sigmoid() * (1 + z * (1 - z.sigmoid()));
    default:
      return at::ones_like(z);
  }
}

// The gradients for what differentiates again; undefined where the input is.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> differentiable_backward(
    const Tensor& dy, const Tensor& given, const Tensor& b, const Tensor& noise, const Tensor& strength,
    const Tensor& scale, int64_t dim, c10::string_view name, double alpha, double gain, std::optional<double> clamp) {
  const auto type = at::toOpMathType(given.scalar_type());
  int act = kLinear;
  with_act(name, [&](auto kind) { act = decltype(kind)::value; });
  const Tensor x = given.to(type);
  std::vector<int64_t> others;
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (d != (dim < 0 ? dim + x.dim() : dim)) others.push_back(d);
  }
  const auto each_channel = [&](Tensor t) {
    for (const int64_t d : others) t = t.unsqueeze(d);
    return t.to(type);
  };
  Tensor z = x, factor, map;
  if (scale.defined()) {
    factor = scale.to(type).unsqueeze(2).unsqueeze(3);
    z = z * factor;
  }
  if (noise.defined()) {
    map = strength.defined() ? noise.to(type) * strength.to(type) : noise.to(type);
    z = z + map;
  }
  if (b.defined()) z = z + each_channel(b);
  Tensor dz = dy.to(type) * slope_of(z, act, alpha) * gain;
  if (clamp) dz = dz.masked_fill((activated(z, act, alpha) * gain).abs() > *clamp, 0);
  Tensor dnoise, dstrength;
  if (noise.defined()) {
    const Tensor rows = noise.size(0) == 1 ? dz.sum(at::IntArrayRef{0, 1}, true) : dz.sum(at::IntArrayRef{1}, true);
    dnoise = strength.defined() ? rows * strength.to(type) : rows;
    if (strength.defined()) dstrength = (rows * noise.to(type)).sum().reshape_as(strength);
  }
  return {scale.defined() ? dz * factor : dz, b.defined() ? (others.empty() ? dz : dz.sum(others)) : Tensor(), dnoise,
          dstrength, scale.defined() ? (dz * x).sum(at::IntArrayRef{2, 3}) : Tensor()};
}

class BiasAct : public torch::autograd::Function<BiasAct> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const OptionalTensor& b,
                        const OptionalTensor& noise, const OptionalTensor& strength, const OptionalTensor& scale,
                        int64_t dim, c10::string_view act, double alpha, double gain, std::optional<double> clamp) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({x, b.value_or(Tensor()), noise.value_or(Tensor()), strength.value_or(Tensor()),
                            scale.value_or(Tensor())});
    ctx->saved_data["dim"] = dim;
    ctx->saved_data["act"] = std::string(act);
    ctx->saved_data["alpha"] = alpha;
    ctx->saved_data["gain"] = gain;
    ctx->saved_data["clamp"] = clamp;
    return bias_act(x, b, noise, strength, scale, dim, act, alpha, gain, clamp);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &b = saved[1], &noise = saved[2], &strength = saved[3], &scale = saved[4];
    auto& options = ctx->saved_data;
    const int64_t dim = options["dim"].toInt();
    const std::string act = options["act"].toStringRef();
    const double alpha = options["alpha"].toDouble(), gain = options["gain"].toDouble();
    const auto clamp = options["clamp"].toOptional<double>();
    // Only tensors that were given are counted among the inputs.
    bool wanted[5];
    for (size_t i = 0, place = 0; i < 5; ++i) wanted[i] = saved[i].defined() && ctx->needs_input_grad(place++);
    const auto given = [](const Tensor& t) { return t.defined() ? OptionalTensor(t) : std::nullopt; };
    const auto [dx, db, dnoise, dstrength, dscale] =
        at::GradMode::is_enabled()
            // This gradient will be differentiated in turn.
            ? differentiable_backward(grads[0], x, b, noise, strength, scale, dim, act, alpha, gain, clamp)
            : bias_act_backward(grads[0], x, given(b), given(noise), given(strength), given(scale), dim, act, alpha,
                                gain, clamp, wanted[1] || wanted[3] || wanted[4], wanted[2]);
    torch::autograd::variable_list results{dx, db, dnoise, dstrength, dscale, {}, {}, {}, {}, {}};
    for (size_t i = 0; i < 5; ++i) {
      results[i] = wanted[i] ? results[i].to(saved[i].scalar_type()) : Tensor();
    }
    return results;
  }
};

Tensor bias_act_autograd(const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
                         const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim,
                         c10::string_view act, double alpha, double gain, std::optional<double> clamp) {
  return BiasAct::apply(x, b, noise, strength, scale, dim, act, alpha, gain, clamp);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def(
      "bias_act(Tensor x, Tensor? b, Tensor? noise, Tensor? strength, Tensor? scale, int dim, str act, float alpha,"
      " float gain, float? clamp) -> Tensor");
  m.def(
      "bias_act_backward(Tensor dy, Tensor x, Tensor? b, Tensor? noise, Tensor? strength, Tensor? scale, int dim,"
      " str act, float alpha, float gain, float? clamp, bool parameters, bool of_noise)"
      " -> (Tensor dx, Tensor db, Tensor dnoise, Tensor dstrength, Tensor dscale)");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) {
  m.impl("bias_act", bias_act_cpu);
  m.impl("bias_act_backward", bias_act_backward_cpu);
}
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) {
  m.impl("bias_act", bias_act_meta);
  m.impl("bias_act_backward", bias_act_backward_meta);
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) { m.impl("bias_act", bias_act_autograd); }

}  // namespace cuda_ops
