// bias_act: y = clamp(act(scale * x + strength * noise + b) * gain), in one pass over x; the gradient likewise.
//
// The loops see an image as channels and pixels. In channels_last the channels of a pixel lie side by side and the noise
// is one number a run; in contiguous planes the pixels of a channel do, and bias and scale are. Sums for the gradients
// of the parameters are taken in float32 over a few hundred runs and in double beyond, part by part of an image, and the
// parts are added in order: the number of threads changes no digit.

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "bias_act.h"

namespace cuda_ops {
namespace bias_act_kernel {
namespace {

// Pixels whose sums are taken in the accumulator's own type, in channels_last and in a plane.
constexpr int64_t kRuns = 256;
constexpr int64_t kPixels = 4096;

// The activations with an exponential are one kind, told apart by a number: the call of the exponential takes longer than
// the choice, and a loop for each would make most of the build. Linear is lrelu with a slope of 1, also for infinities.
enum Kind { kLeaky, kRectified, kCurved };

template <typename A>
__attribute__((noinline)) A curved(int act, A z) {
  switch (act) {
    case kTanh:
      return std::tanh(z);
    case kSigmoid:
      return 1 / (1 + std::exp(-z));
    case kElu:
      return z > 0 ? z : std::expm1(z);
    case kSelu:
      return z > 0 ? z * A(kSeluScale) : std::expm1(z) * A(kSeluScale * kSeluAlpha);
    case kSoftplus:
      return z > 20 ? z : std::log1p(std::exp(z));  // as PyTorch: beyond 20 the difference is lost in float
    default:  // kSwish
      return z / (1 + std::exp(-z));
  }
}

template <typename A>
__attribute__((noinline)) A curved_slope(int act, A z) {
  if (act == kTanh) {
    const A t = std::tanh(z);
    return 1 - t * t;
  }
  if (act == kElu) return z > 0 ? A(1) : std::exp(z);
  if (act == kSelu) return z > 0 ? A(kSeluScale) : std::exp(z) * A(kSeluScale * kSeluAlpha);
  const A s = 1 / (1 + std::exp(-z));
  if (act == kSigmoid) return s * (1 - s);
  if (act == kSoftplus) return z > 20 ? A(1) : s;
  return s * (1 + z * (1 - s));  // kSwish
}

template <int kind, typename A>
inline A activate(int act, A z, A alpha) {
  if constexpr (kind == kRectified) return z < 0 ? A(0) : z;
  if constexpr (kind == kCurved) return curved(act, z);
  return z > 0 ? z : z * alpha;
}

template <int kind, typename A>
inline A slope(int act, A z, A alpha) {
  if constexpr (kind == kRectified) return z > 0 ? A(1) : A(0);
  if constexpr (kind == kCurved) return curved_slope(act, z);
  return z > 0 ? A(1) : alpha;
}

// Clamping that lets NaN through, as torch's does.
template <typename A>
inline A clamped(A y, A most) {
  return y < -most ? -most : (y > most ? most : y);
}

// A pixel's channels.
template <int kind, typename T, typename A>
void forward_pixel(const Layer<A>& layer, int64_t n, const T* __restrict x, const A* __restrict b,
                   const A* __restrict scale, A noise, T* __restrict y) {
  const Layer<A> local = layer;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const A z = scale[i] * load<A>(x[i]) + (noise + b[i]);
    y[i] = store<T>(clamped(activate<kind>(local.act, z, local.alpha) * local.gain, local.clamp));
  }
}

// A channel's pixels.
template <int kind, bool with_noise, typename T, typename A>
void forward_plane(const Layer<A>& layer, int64_t n, const T* __restrict x, A b, A scale, const A* __restrict noise,
                   T* __restrict y) {
  const Layer<A> local = layer;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    A z = scale * load<A>(x[i]) + b;
    if constexpr (with_noise) z += local.strength * noise[i];
    y[i] = store<T>(clamped(activate<kind>(local.act, z, local.alpha) * local.gain, local.clamp));
  }
}

// The gradient of the activation's argument. The test for the clamp costs as much as all the rest, so it is made only
// where there is one.
template <int kind, bool clamps, typename A>
inline A backward_at(const Layer<A>& layer, A z, A dy) {
  const A dz = dy * (layer.gain * slope<kind>(layer.act, z, layer.alpha));
  if constexpr (clamps) return std::abs(activate<kind>(layer.act, z, layer.alpha) * layer.gain) > layer.clamp ? A(0) : dz;
  return dz;
}

// A pixel's channels: adds to the sums of each channel, returns the sum over them.
template <int kind, bool clamps, typename T, typename A>
A backward_pixel(const Layer<A>& layer, int64_t n, const T* __restrict dy, const T* __restrict x,
                 const A* __restrict b, const A* __restrict scale, A noise, T* __restrict dx, A* __restrict db,
                 A* __restrict dscale) {
  const Layer<A> local = layer;
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const A value = load<A>(x[i]);
    const A dz = backward_at<kind, clamps>(local, scale[i] * value + (noise + b[i]), load<A>(dy[i]));
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
template <int kind, bool clamps, bool with_noise, bool with_rows, typename T, typename A>
Sums<A> backward_plane(const Layer<A>& layer, int64_t n, const T* __restrict dy, const T* __restrict x, A b, A scale,
                       const A* __restrict noise, T* __restrict dx, A* __restrict rows) {
  const Layer<A> local = layer;
  A db = 0, dscale = 0, dstrength = 0;
#pragma omp simd reduction(+ : db, dscale, dstrength)
  for (int64_t i = 0; i < n; ++i) {
    const A value = load<A>(x[i]);
    A z = scale * value + b;
    if constexpr (with_noise) z += local.strength * noise[i];
    const A dz = backward_at<kind, clamps>(local, z, load<A>(dy[i]));
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

template <int kind, typename T, typename A>
void forward_of(const Layer<A>& layer, const T* x, T* y) {
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
        forward_plane<kind, false>(layer, (last - first) * channels, x + at, A(0), A(1), noise, y + at);
      } else if (layer.last) {
        for (int64_t p = first; p < last; ++p) {
          const int64_t at = base + p * channels;
          forward_pixel<kind>(layer, channels, x + at, bias.data(), scale.data(),
                             noise == nullptr ? A(0) : layer.strength * noise[p], y + at);
        }
      } else {
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t at = base + c * layer.pixels + first;
          if (noise == nullptr) {
            forward_plane<kind, false>(layer, last - first, x + at, bias[c], scale[c], noise, y + at);
          } else {
            forward_plane<kind, true>(layer, last - first, x + at, bias[c], scale[c], noise + first, y + at);
          }
        }
      }
    }
  });
}

template <int kind, bool clamps, typename T, typename A>
void backward_of(const Layer<A>& layer, const T* dy, const T* x, const Gradients<T, A>& out) {
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
          const A whole = backward_pixel<kind, clamps>(layer, channels, dy + at, x + at, bias.data(), scale.data(),
                                              noise == nullptr ? A(0) : layer.strength * noise[p], out.dx + at,
                                              some.data(), some.data() + channels);
          if (rows != nullptr) rows[p] = whole;
          if (noise != nullptr) strength += double(whole) * noise[p];
          if ((p - first) % kRuns == kRuns - 1) flush();
        }
        flush();
      } else {
        const auto plane = noise == nullptr ? backward_plane<kind, clamps, false, false, T, A>
                           : rows == nullptr ? backward_plane<kind, clamps, true, false, T, A>
                                             : backward_plane<kind, clamps, true, true, T, A>;
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

}  // namespace

template <typename T>
void forward(int act, const Layer<acc_t<T>>& given, const T* x, T* y) {
  Layer<acc_t<T>> layer = given;
  layer.act = act;
  if (act == kLinear) layer.alpha = 1;
  if (act == kLinear || act == kLrelu) return forward_of<kLeaky>(layer, x, y);
  return act == kRelu ? forward_of<kRectified>(layer, x, y) : forward_of<kCurved>(layer, x, y);
}

template <typename T>
void backward(int act, bool clamps, const Layer<acc_t<T>>& given, const T* dy, const T* x,
              const Gradients<T, acc_t<T>>& out) {
  using A = acc_t<T>;
  Layer<A> layer = given;
  layer.act = act;
  if (act == kLinear) layer.alpha = 1;
  if (act == kLinear || act == kLrelu) {
    return (clamps ? backward_of<kLeaky, true, T, A> : backward_of<kLeaky, false, T, A>)(layer, dy, x, out);
  }
  // Without a clamp of its own the layer's is infinite.
  if (act == kRelu) return backward_of<kRectified, true, T, A>(layer, dy, x, out);
  return (clamps ? backward_of<kCurved, true, T, A> : backward_of<kCurved, false, T, A>)(layer, dy, x, out);
}

template void forward<float>(int, const Layer<float>&, const float*, float*);
template void backward<float>(int, bool, const Layer<float>&, const float*, const float*, const Gradients<float, float>&);
template void forward<double>(int, const Layer<double>&, const double*, double*);
template void backward<double>(int, bool, const Layer<double>&, const double*, const double*, const Gradients<double, double>&);
template void forward<c10::BFloat16>(int, const Layer<float>&, const c10::BFloat16*, c10::BFloat16*);
template void backward<c10::BFloat16>(int, bool, const Layer<float>&, const c10::BFloat16*, const c10::BFloat16*, const Gradients<c10::BFloat16, float>&);

}  // namespace bias_act_kernel
}  // namespace cuda_ops
