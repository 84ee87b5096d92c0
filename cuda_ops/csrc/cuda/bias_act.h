// bias_act on plain pointers: y = clamp(act(scale * x + strength * noise + b) * gain), the modulation pass included
// (linear, with a scale and nothing else).
#pragma once

#include "layout.h"

namespace cuda_ops {
namespace cuda {

// In the order of the reference.
enum Activation { kLinear, kRelu, kLrelu, kTanh, kSigmoid, kElu, kSelu, kSoftplus, kSwish };

// Inputs that are null are left out.
template <typename T>
struct BiasAct {
  using A = acc_t<T>;
  const T* x;
  const A* b;         // (channels,)
  const A* scale;     // (images, channels)
  const A* noise;     // (images or 1, pixels)
  const A* strength;  // one number
  int64_t noise_step;  // from one image's noise to the next, 0 where they share it
  int act;            // Activation
  A alpha, gain;
  A clamp;  // negative for none
};

// Numbers that a thread may handle at a time, which `chunks_of` needs to know.
template <typename T>
int bias_act_width(const Layout& layout, const BiasAct<T>& in, const void* other, const void* out);

template <typename T>
cudaError_t bias_act(const Layout& layout, int width, const BiasAct<T>& in, T* y, cudaStream_t stream);

// dx, and where `partial` (3, images, channels, chunks) is given the sums of dz, dz * noise and dz * x, with z the
// activation's argument: the gradients of b, strength and scale before they are added up.
template <typename T>
cudaError_t bias_act_backward(const Layout& layout, int width, const BiasAct<T>& in, const T* g, T* dx,
                              acc_t<T>* partial, cudaStream_t stream);

// dnoise (images, pixels) = strength * sum over the channels of dz.
template <typename T>
cudaError_t bias_act_backward_noise(const Layout& layout, const BiasAct<T>& in, const T* g, acc_t<T>* dnoise,
                                    cudaStream_t stream);

}  // namespace cuda
}  // namespace cuda_ops
