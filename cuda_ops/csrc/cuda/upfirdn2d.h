// upfirdn2d on plain pointers: zero-insertion by `up`, padding, a filter, and keeping every `down`-th sample.
#pragma once

#include "layout.h"

namespace cuda_ops {
namespace cuda {

struct Axis {
  int64_t size, out_size;  // of the image
  int up, down;
  int64_t before;  // padding; negative crops
  int taps;
};

template <typename T>
struct Upfirdn2d {
  const T* x;             // (images, y.size, x.size, channels): channels is 1 for contiguous planes
  T* out;                 // (images, y.out_size, x.out_size, channels)
  const acc_t<T>* taps;   // (along_y.taps, along_x.taps)
  bool flip;              // true correlates with the taps, false convolves
  double gain;
  int64_t images, channels;
  Axis along_x, along_y;
};

template <typename T>
cudaError_t upfirdn2d(const Upfirdn2d<T>& op, cudaStream_t stream);

}  // namespace cuda
}  // namespace cuda_ops
