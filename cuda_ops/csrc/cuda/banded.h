// A product with a banded matrix along one axis: what separable downsampling and its adjoint are made of.
#pragma once

#include "layout.h"

namespace cuda_ops {
namespace cuda {

template <typename A>
struct Banded {
  const A* weights;      // (out_length, taps)
  const int64_t* first;  // (out_length,): the input that the first tap meets
  int64_t taps;
  int64_t outer, length, out_length, inner;
};

// out (outer, out_length, inner) from in (outer, length, inner). Taps that meet no input count as 0.
// In and Out are T or its accumulator.
template <typename In, typename Out>
cudaError_t banded(const Banded<acc_t<Out>>& matrix, const In* in, Out* out, cudaStream_t stream);

}  // namespace cuda
}  // namespace cuda_ops
