// One output a thread; the inner axis lies side by side, and the inputs that neighbours share come from the cache.

#include "banded.h"

#include "kernel.h"

namespace cuda_ops {
namespace cuda {
namespace {

template <typename In, typename Out>
__global__ void __launch_bounds__(kThreads) banded_kernel(Banded<acc_t<Out>> m, const In* in, Out* out) {
  using A = acc_t<Out>;
  const int64_t size = m.outer * m.out_length * m.inner;
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < size; i += int64_t(gridDim.x) * kThreads) {
    const int64_t inner = i % m.inner, o = i / m.inner % m.out_length, outer = i / m.inner / m.out_length;
    const int64_t first = __ldg(m.first + o);
    const int64_t begin = first < 0 ? -first : 0;
    const int64_t end = first + m.taps > m.length ? m.length - first : m.taps;
    const In* from = in + (outer * m.length + first) * m.inner + inner;
    const A* weights = m.weights + o * m.taps;
    A sum = 0;
#pragma unroll 4
    for (int64_t t = begin; t < end; ++t) sum += __ldg(weights + t) * load<1>(from + t * m.inner).at[0];
    store<1>(out + i, Values<A, 1>{{sum}});
  }
}

}  // namespace

template <typename In, typename Out>
cudaError_t banded(const Banded<acc_t<Out>>& matrix, const In* in, Out* out, cudaStream_t stream) {
  const int64_t size = matrix.outer * matrix.out_length * matrix.inner;
  if (size == 0) return cudaSuccess;
  const dim3 blocks(unsigned(std::min<int64_t>(ceil_div<int64_t>(size, kThreads), INT32_MAX)));
  return launch(banded_kernel<In, Out>, blocks, kThreads, stream, matrix, in, out);
}

#define CUDA_OPS_BANDED(In, Out) \
  template cudaError_t banded(const Banded<acc_t<Out>>&, const In*, Out*, cudaStream_t);
CUDA_OPS_BANDED(float, float)
CUDA_OPS_BANDED(double, double)
CUDA_OPS_BANDED(__half, float)
CUDA_OPS_BANDED(float, __half)
CUDA_OPS_BANDED(__nv_bfloat16, float)
CUDA_OPS_BANDED(float, __nv_bfloat16)
#undef CUDA_OPS_BANDED

}  // namespace cuda
}  // namespace cuda_ops
