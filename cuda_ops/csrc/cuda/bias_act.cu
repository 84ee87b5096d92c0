// bias_act in one pass forward, and one backward that also sums the gradients of bias, strength and scale.

#include "bias_act.h"

#include "activation.h"
#include "rows.h"

namespace cuda_ops {
namespace cuda {
namespace {

// The activation's argument.
template <typename T, int V, bool LAST>
__device__ inline Values<acc_t<T>, V> argument(const BiasAct<T>& in, const Values<acc_t<T>, V>& x,
                                               const Place<V, LAST>& place) {
  using A = acc_t<T>;
  Values<A, V> z = x;
  if (in.scale != nullptr) {
    const Values<A, V> scale = per_row(in.scale, place, A(1));
#pragma unroll
    for (int v = 0; v < V; ++v) z.at[v] *= scale.at[v];
  }
  if (in.noise != nullptr) {
    const Values<A, V> noise = per_pixel(in.noise, in.noise_step, place, A(0));
    const A strength = in.strength != nullptr ? __ldg(in.strength) : A(1);
#pragma unroll
    for (int v = 0; v < V; ++v) z.at[v] += strength * noise.at[v];
  }
  if (in.b != nullptr) {
    const Values<A, V> b = per_channel(in.b, place, A(0));
#pragma unroll
    for (int v = 0; v < V; ++v) z.at[v] += b.at[v];
  }
  return z;
}

// d clamp(act(z) * gain) / dz. A value on the limit still has a gradient, as in torch.clamp.
template <bool ANY, typename T>
__device__ inline acc_t<T> derivative(const BiasAct<T>& in, acc_t<T> z) {
  using A = acc_t<T>;
  if (in.clamp >= 0) {
    const A y = activation<ANY>(in.act, z, in.alpha) * in.gain;
    if (y > in.clamp || y < -in.clamp) return 0;
  }
  return slope<ANY>(in.act, z, in.alpha) * in.gain;
}

template <typename T, bool ANY>
struct Forward {
  using A = acc_t<T>;
  BiasAct<T> in;
  T* out;

  template <int V, bool LAST>
  __device__ void operator()(const Place<V, LAST>& place, A (&)[1][V]) const {
    Values<A, V> y = argument(in, load<V>(in.x + place.offset), place);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      y.at[v] = activation<ANY>(in.act, y.at[v], in.alpha) * in.gain;
      if (in.clamp >= 0) {  // written so that NaN stays
        if (y.at[v] > in.clamp) y.at[v] = in.clamp;
        if (y.at[v] < -in.clamp) y.at[v] = -in.clamp;
      }
    }
    store<V>(out + place.offset, y);
  }
};

template <typename T, bool ANY, int SUMS>
struct Backward {
  using A = acc_t<T>;
  BiasAct<T> in;
  const T* g;
  T* dx;

  template <int V, bool LAST>
  __device__ void operator()(const Place<V, LAST>& place, A (&sums)[SUMS == 0 ? 1 : SUMS][V]) const {
    const Values<A, V> x = load<V>(in.x + place.offset), g_ = load<V>(g + place.offset);
    const Values<A, V> z = argument(in, x, place), scale = per_row(in.scale, place, A(1));
    const Values<A, V> noise = per_pixel(in.noise, in.noise_step, place, A(0));
    Values<A, V> d;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const A dz = g_.at[v] * derivative<ANY>(in, z.at[v]);
      d.at[v] = dz * scale.at[v];
      if constexpr (SUMS > 0) {
        sums[0][v] += dz;
        sums[1][v] += dz * noise.at[v];
        sums[2][v] += dz * x.at[v];
      }
    }
    store<V>(dx + place.offset, d);
  }
};

template <typename T>
struct NoiseGradient {
  using A = acc_t<T>;
  BiasAct<T> in;
  const T* g;

  template <bool LAST>
  __device__ A operator()(const Place<1, LAST>& place) const {
    const A z = argument(in, load<1>(in.x + place.offset), place).at[0];
    const A strength = in.strength != nullptr ? __ldg(in.strength) : A(1);
    return load<1>(g + place.offset).at[0] * derivative<true>(in, z) * strength;
  }
};

// Vectors for the activations made of straight lines, which StyleGAN uses; single numbers for all others.
template <typename T, int SUMS, template <bool> class F, typename... Arguments>
cudaError_t run(const Layout& layout, int width, acc_t<T>* partial, cudaStream_t stream,
                const Arguments&... arguments) {
  if constexpr (sizeof(T) < 8) {
    if (width > 1) return over_rows<acc_t<T>, kWide<T>, SUMS>(layout, F<false>{arguments...}, partial, stream);
  }
  return over_rows<acc_t<T>, 1, SUMS>(layout, F<true>{arguments...}, partial, stream);
}

template <typename T>
struct Of {
  template <bool ANY>
  using forward = Forward<T, ANY>;
  template <bool ANY>
  using backward = Backward<T, ANY, 0>;
  template <bool ANY>
  using backward_sums = Backward<T, ANY, 3>;
};

}  // namespace

template <typename T>
int bias_act_width(const Layout& layout, const BiasAct<T>& in, const void* other, const void* out) {
  const int64_t inner = layout.channels_last ? layout.channels : layout.pixels;
  const bool possible = sizeof(T) < 8 && in.act <= kLrelu && inner % kWide<T> == 0 && aligned(in.x) && aligned(in.b) &&
                        aligned(in.scale) && aligned(in.noise) && aligned(other) && aligned(out);
  return possible ? kWide<T> : 1;
}

template <typename T>
cudaError_t bias_act(const Layout& layout, int width, const BiasAct<T>& in, T* y, cudaStream_t stream) {
  return run<T, 0, Of<T>::template forward>(layout, width, nullptr, stream, in, y);
}

template <typename T>
cudaError_t bias_act_backward(const Layout& layout, int width, const BiasAct<T>& in, const T* g, T* dx,
                              acc_t<T>* partial, cudaStream_t stream) {
  if (partial == nullptr) {
    return run<T, 0, Of<T>::template backward>(layout, width, nullptr, stream, in, g, dx);
  }
  return run<T, 3, Of<T>::template backward_sums>(layout, width, partial, stream, in, g, dx);
}

template <typename T>
cudaError_t bias_act_backward_noise(const Layout& layout, const BiasAct<T>& in, const T* g, acc_t<T>* dnoise,
                                    cudaStream_t stream) {
  return over_pixels(layout, NoiseGradient<T>{in, g}, dnoise, stream);
}

#define CUDA_OPS_BIAS_ACT(T)                                                                                     \
  template int bias_act_width(const Layout&, const BiasAct<T>&, const void*, const void*);                       \
  template cudaError_t bias_act(const Layout&, int, const BiasAct<T>&, T*, cudaStream_t);                        \
  template cudaError_t bias_act_backward(const Layout&, int, const BiasAct<T>&, const T*, T*, acc_t<T>*,         \
                                         cudaStream_t);                                                          \
  template cudaError_t bias_act_backward_noise(const Layout&, const BiasAct<T>&, const T*, acc_t<T>*, cudaStream_t);
CUDA_OPS_BIAS_ACT(float)
CUDA_OPS_BIAS_ACT(double)
CUDA_OPS_BIAS_ACT(__half)
CUDA_OPS_BIAS_ACT(__nv_bfloat16)
#undef CUDA_OPS_BIAS_ACT

}  // namespace cuda
}  // namespace cuda_ops
