// bias_act on plain pointers: y = clamp(act(scale * x + strength * noise + b) * gain), and its gradient.
#pragma once

#include <algorithm>
#include <cstdint>

#include "numbers.h"

namespace cuda_ops {
namespace bias_act_kernel {

// In the order of the reference.
enum Act : int64_t { kLinear, kRelu, kLrelu, kTanh, kSigmoid, kElu, kSelu, kSoftplus, kSwish };

// Klambauer et al. 2017.
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;

// Numbers of a part of an image, in channels_last and in planes, whose channels lie far apart.
constexpr int64_t kPart = 1 << 16, kPlanePart = 1 << 18;
// The shape of the operation and its parameters, of the accumulator's type A; null where one is not given.
template <typename A>
struct Layer {
  int64_t images, channels, pixels;
  bool last;         // channels lie side by side
  const A *b, *scale, *noise;  // (channels,), (images, channels), (images or 1, pixels)
  int64_t noise_step;          // from one image's noise to the next
  A strength, alpha, gain, clamp;
  int act;

  int64_t part_pixels() const {
    return std::max<int64_t>((last ? kPart : kPlanePart) / std::max<int64_t>(channels, 1), 1);
  }
  int64_t parts() const { return (pixels + part_pixels() - 1) / part_pixels(); }
};

// Where the gradients go; null where one is not asked for, except dx. The sums are per part of an image.
template <typename T, typename A>
struct Gradients {
  T* dx;
  double *db, *dscale;  // (images * parts, channels)
  A* rows;              // (images, pixels): the sum of dz over the channels
  double* dstrength;    // (images * parts,)
};

template <typename T>
void forward(int act, const Layer<acc_t<T>>& layer, const T* x, T* y);

// `clamps`: whether the layer has a clamp.
template <typename T>
void backward(int act, bool clamps, const Layer<acc_t<T>>& layer, const T* dy, const T* x,
              const Gradients<T, acc_t<T>>& out);

}  // namespace bias_act_kernel
}  // namespace cuda_ops
