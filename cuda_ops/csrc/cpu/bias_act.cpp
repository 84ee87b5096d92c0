// bias_act: y = clamp(act(scale * x + strength * noise + b) * gain), in one pass over x; the gradient likewise.
//
// The loops see an image as channels and pixels. In channels_last the channels of a pixel lie side by side and the noise
// is one number a run; in contiguous planes the pixels of a channel do, and bias and scale are. Sums for the gradients
// of the parameters are taken in float32 over a few hundred runs and in double beyond, part by part of an image, and the
// parts are added in order: the number of threads changes no digit.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
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
// Numbers of a run that are handled at a time, in the first-level cache.
constexpr int64_t kRun = 512;
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

// One run of numbers side by side: what is multiplied and added, number by number or the same for all.
template <typename A>
struct Run {
  const A* factors;  // null: `factor`
  const A* terms;    // null: none
  A factor, term;
  A term_gain;  // of `terms`
};

// The activation's argument. Branches on what the run has stand outside the loops, so that these are plain.
template <typename A, typename T>
inline void arguments(const Run<A>& run, const T* x, A* z, int64_t size) {
  if (run.factors != nullptr && run.terms != nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i) z[i] = run.factors[i] * load<A>(x[i]) + (run.term_gain * run.terms[i] + run.term);
  } else if (run.factors != nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i) z[i] = run.factors[i] * load<A>(x[i]) + run.term;
  } else if (run.terms != nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i) z[i] = run.factor * load<A>(x[i]) + (run.term_gain * run.terms[i] + run.term);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i) z[i] = run.factor * load<A>(x[i]) + run.term;
  }
}

// Clamping that lets NaN through, as torch's does.
template <typename A>
inline A clamped(A y, A most) {
  return y < -most ? -most : (y > most ? most : y);
}

template <int act, typename T, typename A>
void forward_run(const Layer<A>& layer, const Run<A>& run, const T* x, T* y, int64_t size) {
  alignas(64) A z[kRun];
  for (int64_t begin = 0; begin < size; begin += kRun) {
    const int64_t n = std::min(kRun, size - begin);
    Run<A> here = run;
    here.factors = run.factors == nullptr ? nullptr : run.factors + begin;
    here.terms = run.terms == nullptr ? nullptr : run.terms + begin;
    arguments(here, x + begin, z, n);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      y[begin + i] = store<T>(clamped(activate<act>(z[i], layer.alpha) * layer.gain, layer.clamp));
    }
  }
}

// The gradient of the activation's argument.
template <int act, typename A>
inline A backward_at(const Layer<A>& layer, A z, A dy) {
  const A y = activate<act>(z, layer.alpha) * layer.gain;
  const A through = (y < -layer.clamp) | (y > layer.clamp) ? A(0) : layer.gain;
  return dy * (through * slope<act>(z, layer.alpha));
}

// A pixel's channels: adds to the sums of each channel, returns the sum over them.
template <int act, typename T, typename A>
A backward_pixel(const Layer<A>& layer, int64_t n, const T* __restrict dy, const T* __restrict x,
                 const A* __restrict b, const A* __restrict scale, A noise, T* __restrict dx, A* __restrict db,
                 A* __restrict dscale) {
  const Layer<A> local = layer;
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const A value = load<A>(x[i]);
    const A dz = backward_at<act>(local, scale[i] * value + (noise + b[i]), load<A>(dy[i]));
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
template <int act, bool with_noise, bool with_rows, typename T, typename A>
Sums<A> backward_plane(const Layer<A>& layer, int64_t n, const T* __restrict dy, const T* __restrict x, A b, A scale,
                       const A* __restrict noise, T* __restrict dx, A* __restrict rows) {
  const Layer<A> local = layer;
  A db = 0, dscale = 0, dstrength = 0;
#pragma omp simd reduction(+ : db, dscale, dstrength)
  for (int64_t i = 0; i < n; ++i) {
    const A value = load<A>(x[i]);
    A z = scale * value + b;
    if constexpr (with_noise) z += local.strength * noise[i];
    const A dz = backward_at<act>(local, z, load<A>(dy[i]));
    dx[i] = store<T>(dz * scale);
    db += dz;
    dscale += dz * value;
    if constexpr (with_noise) dstrength += dz * noise[i];
    if constexpr (with_rows) rows[i] += dz;
  }
  return {db, dscale, dstrength};
}

template <int act, typename T, typename A>
void forward(const Layer<A>& layer, const T* x, T* y) {
  const int64_t parts = layer.parts(), step = layer.part_pixels();
  const int64_t work = std::max<int64_t>(std::min(step, layer.pixels) * layer.channels, 1);
  at::parallel_for(0, layer.images * parts, std::max<int64_t>(kGrain / work, 1), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / parts, first = task % parts * step, last = std::min(first + step, layer.pixels);
      const A* scale = layer.scale == nullptr ? nullptr : layer.scale + image * layer.channels;
      const A* noise = layer.noise == nullptr ? nullptr : layer.noise + image * layer.noise_step;
      const int64_t base = image * layer.pixels * layer.channels;
      if (layer.last && noise == nullptr && scale == nullptr && layer.b == nullptr) {
        const int64_t at = base + first * layer.channels;
        forward_run<act>(layer, {nullptr, nullptr, 1, 0, 1}, x + at, y + at, (last - first) * layer.channels);
      } else if (layer.last) {
        for (int64_t p = first; p < last; ++p) {
          const Run<A> run{scale, layer.b, 1, noise == nullptr ? A(0) : layer.strength * noise[p], 1};
          const int64_t at = base + p * layer.channels;
          forward_run<act>(layer, run, x + at, y + at, layer.channels);
        }
      } else {
        for (int64_t c = 0; c < layer.channels; ++c) {
          const Run<A> run{nullptr, noise == nullptr ? nullptr : noise + first, scale == nullptr ? A(1) : scale[c],
                           layer.b == nullptr ? A(0) : layer.b[c], layer.strength};
          const int64_t at = base + c * layer.pixels + first;
          forward_run<act>(layer, run, x + at, y + at, last - first);
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

template <int act, typename T, typename A>
void backward(const Layer<A>& layer, const T* dy, const T* x, const Gradients<T, A>& out) {
  const int64_t parts = layer.parts(), step = layer.part_pixels(), channels = layer.channels;
  const int64_t work = std::max<int64_t>(std::min(step, layer.pixels) * channels, 1);
  at::parallel_for(0, layer.images * parts, std::max<int64_t>(kGrain / work, 1), [&](int64_t begin, int64_t end) {
    // What is not given adds nothing or multiplies by one.
    std::vector<A> bias(channels, A(0)), factor(channels, A(1)), some(2 * channels, A(0));
    if (layer.b != nullptr) bias.assign(layer.b, layer.b + channels);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / parts, first = task % parts * step, last = std::min(first + step, layer.pixels);
      if (layer.scale != nullptr) factor.assign(layer.scale + image * channels, layer.scale + (image + 1) * channels);
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
          const A whole = backward_pixel<act>(layer, channels, dy + at, x + at, bias.data(), factor.data(),
                                              noise == nullptr ? A(0) : layer.strength * noise[p], out.dx + at,
                                              some.data(), some.data() + channels);
          if (rows != nullptr) rows[p] = whole;
          if (noise != nullptr) strength += double(whole) * noise[p];
          if ((p - first) % kRuns == kRuns - 1) flush();
        }
        flush();
      } else {
        const auto plane = noise == nullptr ? backward_plane<act, false, false, T, A>
                           : rows == nullptr ? backward_plane<act, true, false, T, A>
                                             : backward_plane<act, true, true, T, A>;
        if (rows != nullptr) std::fill(rows + first, rows + last, A(0));
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t p = first; p < last; p += kPixels) {
            const int64_t n = std::min(kPixels, last - p), at = base + c * layer.pixels + p;
            const Sums<A> sums = plane(layer, n, dy + at, x + at, bias[c], factor[c],
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
    const auto sums = [&](bool wanted, at::IntArrayRef sizes) {
      return wanted ? at::zeros(sizes, at::kDouble) : Tensor();
    };
    const Tensor of_b = sums(parameters && b, {shape.images * parts, shape.channels});
    const Tensor of_scale = sums(parameters && scale, {shape.images, parts, shape.channels});
    const Tensor of_strength = sums(parameters && strength && noise, {shape.images * parts});
    const Tensor rows = of_noise ? at::zeros({shape.images, 1, given.size(2), given.size(3)}, options) : Tensor();
    const auto at = [](const Tensor& t) { return t.defined() ? t.mutable_data_ptr<double>() : nullptr; };
    const Gradients<T, A> out{dx.mutable_data_ptr<T>(), at(of_b), at(of_scale),
                              rows.defined() ? rows.mutable_data_ptr<A>() : nullptr, at(of_strength)};
    if (given.numel() > 0) {
      with_act(act, [&](auto kind) {
        backward<decltype(kind)::value>(layer, g.const_data_ptr<T>(), shape.x.const_data_ptr<T>(), out);
      });
    }
    if (of_b.defined()) db = of_b.sum(0).to(options.dtype());
    if (of_scale.defined()) dscale = of_scale.sum(1).to(options.dtype());
    if (of_strength.defined()) dstrength = of_strength.sum().to(options.dtype()).reshape(strength->sizes());
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

}  // namespace cuda_ops
