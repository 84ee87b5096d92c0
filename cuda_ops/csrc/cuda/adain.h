// adain on plain pointers: bias, noise, leaky ReLU, instance norm and style.
#pragma once

#include "layout.h"

namespace cuda_ops {
namespace cuda {

// What the norm is applied to: lrelu(x + bias + noise_weight * noise). Parameters that are null are left out.
template <typename T>
struct Activated {
  using A = acc_t<T>;
  const T* x;
  const A* bias;          // (channels,)
  const A* noise;         // (images or 1, pixels)
  const A* noise_weight;  // (channels,)
  int64_t noise_step;     // from one image's noise to the next, 0 where they share it
  A alpha;
};

// A pass that sums writes `partial` (2, images, channels, adain_chunks(...)).
template <typename T>
int adain_width(const Layout& layout, const Activated<T>& in, const void* other, const void* out);

// shift (images, channels): about the mean, from 32 pixels. The variance is taken about it, which float can bear.
template <typename T>
cudaError_t adain_shift(const Layout& layout, const Activated<T>& in, acc_t<T>* shift, cudaStream_t stream);

// partial: sums of (activated - shift) and of its square.
template <typename T>
cudaError_t adain_statistics(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* shift,
                             acc_t<T>* partial, cudaStream_t stream);

// out = (activated - mean) * rstd * (1 + styles[:, c]) + styles[:, channels + c]; mean, rstd (images, channels).
template <typename T>
cudaError_t adain_apply(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* mean,
                        const acc_t<T>* rstd, const acc_t<T>* styles, T* out, cudaStream_t stream);

// partial: sums of g and of g * normalised.
template <typename T>
cudaError_t adain_backward_sums(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* mean,
                                const acc_t<T>* rstd, const T* g, acc_t<T>* partial, cudaStream_t stream);

// dx, and partial: sums of dx and of dx * noise. mean_g and mean_gn (images, channels) are the means of g and of
// g * normalised.
template <typename T>
cudaError_t adain_backward(const Layout& layout, int width, const Activated<T>& in, const acc_t<T>* mean,
                           const acc_t<T>* rstd, const acc_t<T>* styles, const acc_t<T>* mean_g,
                           const acc_t<T>* mean_gn, const T* g, T* dx, acc_t<T>* partial, cudaStream_t stream);

// dnoise (images, pixels) = sum over the channels of dx * noise_weight.
template <typename T>
cudaError_t adain_backward_noise(const Layout& layout, const T* dx, const acc_t<T>* noise_weight, acc_t<T>* dnoise,
                                 cudaStream_t stream);

}  // namespace cuda
}  // namespace cuda_ops
