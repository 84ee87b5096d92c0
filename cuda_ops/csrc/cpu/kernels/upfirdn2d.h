// upfirdn2d on plain pointers.
#pragma once

#include <cstdint>
#include <vector>

#include "numbers.h"

namespace cuda_ops {
namespace upfirdn2d_kernel {

// One axis of the operation.
struct Axis {
  int64_t up, down, before, taps;

  // The inputs that output `o` sees are first, first+1, ...; their taps are tap, tap+up, ...
  struct Window {
    int64_t first, tap, count;
  };
  Window window(int64_t o) const {
    const int64_t start = o * down - before;
    if (up == 1) return {start, 0, taps};
    const int64_t tap = start > 0 ? (up - start % up) % up : -start % up;
    return {(start + tap) / up, tap, tap < taps ? (taps - tap + up - 1) / up : 0};
  }
  // The most inputs that an output sees.
  int64_t most() const { return (taps + up - 1) / up; }
};

// Images (images, height, width, channels) where channels are `last`, else (images, channels, height, width).
struct Images {
  int64_t images, channels, height, width, out_height, out_width;
  bool last;
};

// y from x; `taps` (y.taps, x.taps) in the order in which the samples are met, or a row of taps for both axes where the
// filter is `separable`.
template <typename T>
void forward(const Images& images, const Axis& along_x, const Axis& along_y, const std::vector<double>& taps,
             bool separable, const T* x, T* y);

}  // namespace upfirdn2d_kernel
}  // namespace cuda_ops
