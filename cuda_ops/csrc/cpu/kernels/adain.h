// adain on plain pointers: bias, noise, leaky ReLU, instance norm and style, and its gradient.
#pragma once

#include <algorithm>
#include <cstdint>

#include "numbers.h"

namespace cuda_ops {
namespace adain_kernel {

// Lanes of a plane's row.
constexpr int64_t kLanes = 32;
// Numbers of a part of a channels_last image. Parts are joined in order, so the number of threads changes no digit.
constexpr int64_t kPart = 1 << 17;

// The shape of the operation and its inputs; parameters have the accumulator's type A.
template <typename A>
struct Layer {
  int64_t images, channels, pixels;
  bool last;  // channels_last
  const A *bias, *noise, *noise_weight, *styles;  // (C,), (images or 1, pixels) or null, (C,), (images, 2C)
  int64_t noise_step;                             // from one image's noise to the next
  A alpha;

  int64_t parts() const {  // of an image, or of a plane
    return last ? std::max<int64_t>(pixels * channels / kPart, 1) : 1;
  }
  int64_t stacks() const { return last ? images : images * channels; }
  int64_t lanes() const { return last ? channels : kLanes; }
};

// y, and mean and rstd (images, channels) of the activations before the norm.
template <typename T>
void forward(const Layer<acc_t<T>>& layer, double eps, const T* x, T* y, acc_t<T>* mean, acc_t<T>* rstd);

// dx, dstyles (images, 2C), and of each image dbias and dweight (images, channels).
template <typename T>
void backward(const Layer<acc_t<T>>& layer, const T* dy, const T* x, const acc_t<T>* mean, const acc_t<T>* rstd, T* dx,
              acc_t<T>* dstyles, double* dbias, double* dweight);

}  // namespace adain_kernel
}  // namespace cuda_ops
