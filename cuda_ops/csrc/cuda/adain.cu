// adain: one pass for the statistics and one to write, forward and backward alike.

#include "adain.h"

#include "rows.h"

namespace cuda_ops {
namespace cuda {
namespace {

// x + bias + noise_weight * noise, before the leaky ReLU.
template <typename T, int V, bool LAST>
__device__ inline Values<acc_t<T>, V> before(const Activated<T>& in, const Place<V, LAST>& place) {
  using A = acc_t<T>;
  Values<A, V> z = load<V>(in.x + place.offset);
  const Values<A, V> bias = per_channel(in.bias, place, A(0));
  const Values<A, V> noise = per_pixel(in.noise, in.noise_step, place, A(0));
  const Values<A, V> weight = per_channel(in.noise_weight, place, A(0));
#pragma unroll
  for (int v = 0; v < V; ++v) z.at[v] += bias.at[v] + noise.at[v] * weight.at[v];
  return z;
}

template <typename A>
__device__ inline A leaky(A z, A alpha) {
  return z > 0 ? z : z * alpha;
}

// The two halves of `styles` (images, 2 * channels).
template <typename A, int V, bool LAST>
__device__ inline Values<A, V> style(const A* styles, int64_t channels, int half, const Place<V, LAST>& place) {
  const A* from = styles + (2 * place.image + half) * channels + place.channel;
  if constexpr (LAST) return load<V>(from);
  return same<A, V>(__ldg(from));
}

template <typename T>
struct Statistics {
  using A = acc_t<T>;
  Activated<T> in;
  const A* shift;

  template <int V, bool LAST>
  __device__ void operator()(const Place<V, LAST>& place, A (&sums)[2][V]) const {
    const Values<A, V> z = before(in, place), shift_ = per_row(shift, place, A(0));
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const A apart = leaky(z.at[v], in.alpha) - shift_.at[v];
      sums[0][v] += apart;
      sums[1][v] += apart * apart;
    }
  }
};

template <typename T>
struct Apply {
  using A = acc_t<T>;
  Activated<T> in;
  const A *mean, *rstd, *styles;
  int64_t channels;
  T* out;

  template <int V, bool LAST>
  __device__ void operator()(const Place<V, LAST>& place, A (&)[1][V]) const {
    const Values<A, V> z = before(in, place);
    const Values<A, V> mean_ = per_row(mean, place, A(0)), rstd_ = per_row(rstd, place, A(1));
    const Values<A, V> scale = style(styles, channels, 0, place), shift = style(styles, channels, 1, place);
    Values<A, V> y;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      y.at[v] = (leaky(z.at[v], in.alpha) - mean_.at[v]) * rstd_.at[v] * (scale.at[v] + 1) + shift.at[v];
    }
    store<V>(out + place.offset, y);
  }
};

template <typename T>
struct BackwardSums {
  using A = acc_t<T>;
  Activated<T> in;
  const A *mean, *rstd;
  const T* g;

  template <int V, bool LAST>
  __device__ void operator()(const Place<V, LAST>& place, A (&sums)[2][V]) const {
    const Values<A, V> z = before(in, place), g_ = load<V>(g + place.offset);
    const Values<A, V> mean_ = per_row(mean, place, A(0)), rstd_ = per_row(rstd, place, A(1));
#pragma unroll
    for (int v = 0; v < V; ++v) {
      sums[0][v] += g_.at[v];
      sums[1][v] += g_.at[v] * ((leaky(z.at[v], in.alpha) - mean_.at[v]) * rstd_.at[v]);
    }
  }
};

template <typename T>
struct Backward {
  using A = acc_t<T>;
  Activated<T> in;
  const A *mean, *rstd, *styles, *mean_g, *mean_gn;
  int64_t channels;
  const T* g;
  T* dx;

  template <int V, bool LAST>
  __device__ void operator()(const Place<V, LAST>& place, A (&sums)[2][V]) const {
    const Values<A, V> z = before(in, place), g_ = load<V>(g + place.offset);
    const Values<A, V> mean_ = per_row(mean, place, A(0)), rstd_ = per_row(rstd, place, A(1));
    const Values<A, V> mean_g_ = per_row(mean_g, place, A(0)), mean_gn_ = per_row(mean_gn, place, A(0));
    const Values<A, V> scale = style(styles, channels, 0, place);
    const Values<A, V> noise = per_pixel(in.noise, in.noise_step, place, A(0));
    Values<A, V> d;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const A normalised = (leaky(z.at[v], in.alpha) - mean_.at[v]) * rstd_.at[v];
      d.at[v] = (g_.at[v] - mean_g_.at[v] - normalised * mean_gn_.at[v]) * rstd_.at[v] * (scale.at[v] + 1);
      if (!(z.at[v] > 0)) d.at[v] *= in.alpha;
      sums[0][v] += d.at[v];
      sums[1][v] += d.at[v] * noise.at[v];
    }
    store<V>(dx + place.offset, d);
  }
};

template <typename T>
struct NoiseGradient {
  using A = acc_t<T>;
  const T* dx;
  const A* noise_weight;

  template <bool LAST>
  __device__ A operator()(const Place<1, LAST>& place) const {
    return load<1>(dx + place.offset).at[0] * __ldg(noise_weight + place.channel);
  }
};

constexpr int kSamples = 32;

// A warp for each (image, channel).
template <typename T, bool LAST>
__global__ void shift_kernel(Layout layout, Activated<T> in, acc_t<T>* shift) {
  using A = acc_t<T>;
  __shared__ A shared[kSamples];
  for (int64_t row = blockIdx.x; row < layout.images * layout.channels; row += gridDim.x) {
    Place<1, LAST> place;
    place.row = row;
    place.image = row / layout.channels;
    place.channel = row % layout.channels;
    place.pixel = layout.pixels * threadIdx.x / kSamples;
    place.offset = LAST ? (place.image * layout.pixels + place.pixel) * layout.channels + place.channel
                        : row * layout.pixels + place.pixel;
    shared[threadIdx.x] = leaky(before(in, place).at[0], in.alpha);
    __syncthreads();
    for (unsigned half = kSamples / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
      __syncthreads();
    }
    if (threadIdx.x == 0) shift[row] = shared[0] / kSamples;
    __syncthreads();
  }
}

template <typename T, int SUMS, typename F>
cudaError_t run(const Layout& layout, int width, const F& f, acc_t<T>* partial, cudaStream_t stream) {
  if constexpr (sizeof(T) < 8) {
    if (width > 1) return over_rows<acc_t<T>, kWide<T>, SUMS>(layout, f, partial, stream);
  }
  return over_rows<acc_t<T>, 1, SUMS>(layout, f, partial, stream);
}

}  // namespace

template <typename T>
int adain_width(const Layout& layout, const Activated<T>& in, const void* other, const void* out) {
  const bool possible = sizeof(T) < 8 && (layout.channels_last ? layout.channels : layout.pixels) % kWide<T> == 0 &&
                        aligned(in.x) && aligned(in.bias) && aligned(in.noise) && aligned(in.noise_weight) &&
                        aligned(other) && aligned(out);
  return possible ? kWide<T> : 1;
}

template <typename T>
cudaError_t adain_shift(const Layout& layout, const Activated<T>& in, acc_t<T>* shift, cudaStream_t stream) {
  if (layout.images * layout.channels * layout.pixels == 0) return cudaSuccess;
  const dim3 blocks(unsigned(std::min<int64_t>(layout.images * layout.channels, INT32_MAX)));
  return layout.channels_last ? launch(shift_kernel<T, true>, blocks, kSamples, stream, layout, in, shift)
                              : launch(shift_kernel<T, false>, blocks, kSamples, stream, layout, in, shift);
}

template <typename T>
cudaError_t adain_statistics(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* shift,
                             acc_t<T>* partial, cudaStream_t stream) {
  return run<T, 2>(layout, width, Statistics<T>{in, shift}, partial, stream);
}

template <typename T>
cudaError_t adain_apply(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* mean,
                        const acc_t<T>* rstd, const acc_t<T>* styles, T* out, cudaStream_t stream) {
  return run<T, 0>(layout, width, Apply<T>{in, mean, rstd, styles, layout.channels, out}, nullptr, stream);
}

template <typename T>
cudaError_t adain_backward_sums(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* mean,
                                const acc_t<T>* rstd, const T* g, acc_t<T>* partial, cudaStream_t stream) {
  return run<T, 2>(layout, width, BackwardSums<T>{in, mean, rstd, g}, partial, stream);
}

template <typename T>
cudaError_t adain_backward(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* mean,
                           const acc_t<T>* rstd, const acc_t<T>* styles, const acc_t<T>* mean_g,
                           const acc_t<T>* mean_gn, const T* g, T* dx, acc_t<T>* partial, cudaStream_t stream) {
  const Backward<T> f{in, mean, rstd, styles, mean_g, mean_gn, layout.channels, g, dx};
  return run<T, 2>(layout, width, f, partial, stream);
}

template <typename T>
cudaError_t adain_backward_noise(const Layout& layout, const T* dx, const acc_t<T>* noise_weight, acc_t<T>* dnoise,
                                 cudaStream_t stream) {
  return over_pixels(layout, NoiseGradient<T>{dx, noise_weight}, dnoise, stream);
}

#define CUDA_OPS_ADAIN(T)                                                                                             \
  template int adain_width(const Layout&, const Activated<T>&, const void*, const void*);                             \
  template cudaError_t adain_shift(const Layout&, const Activated<T>&, acc_t<T>*, cudaStream_t);                      \
  template cudaError_t adain_statistics(const Layout&, int, const Activated<T>&, const acc_t<T>*, acc_t<T>*,          \
                                        cudaStream_t);                                                                \
  template cudaError_t adain_apply(const Layout&, int, const Activated<T>&, const acc_t<T>*, const acc_t<T>*,         \
                                   const acc_t<T>*, T*, cudaStream_t);                                                \
  template cudaError_t adain_backward_sums(const Layout&, int, const Activated<T>&, const acc_t<T>*, const acc_t<T>*, \
                                           const T*, acc_t<T>*, cudaStream_t);                                        \
  template cudaError_t adain_backward(const Layout&, int, const Activated<T>&, const acc_t<T>*, const acc_t<T>*,      \
                                      const acc_t<T>*, const acc_t<T>*, const acc_t<T>*, const T*, T*, acc_t<T>*,     \
                                      cudaStream_t);                                                                  \
  template cudaError_t adain_backward_noise(const Layout&, const T*, const acc_t<T>*, acc_t<T>*, cudaStream_t);
CUDA_OPS_ADAIN(float)
CUDA_OPS_ADAIN(double)
CUDA_OPS_ADAIN(__half)
CUDA_OPS_ADAIN(__nv_bfloat16)
#undef CUDA_OPS_ADAIN

}  // namespace cuda
}  // namespace cuda_ops
