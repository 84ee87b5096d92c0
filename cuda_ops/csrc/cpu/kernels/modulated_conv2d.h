// The convolution with 3x3 taps of a modulated layer, and its adjoint, on plain pointers.
#pragma once

#include <cstdint>
#include <vector>

namespace cuda_ops {
namespace modulated_conv2d_kernel {

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

// Which of the three maps, or the adjoint of the second.
enum Map { kSame, kUp, kDown };

// Writes y. Returns sums (parts, images, outs), to be added over the parts, of the products with `beside` where it is
// given.
template <typename T>
std::vector<T> convolve(const Problem<T>& problem, Map map);

}  // namespace modulated_conv2d_kernel
}  // namespace cuda_ops
