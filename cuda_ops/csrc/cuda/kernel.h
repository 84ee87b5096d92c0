// What every kernel here uses: conversions, 16-byte loads and stores, and the launch.
#pragma once

#include "layout.h"

namespace cuda_ops {
namespace cuda {

__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }
__device__ inline float widen(__half x) { return __half2float(x); }
__device__ inline float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void narrow(float x, float& y) { y = x; }
__device__ inline void narrow(double x, double& y) { y = x; }
__device__ inline void narrow(float x, __half& y) { y = __float2half_rn(x); }
__device__ inline void narrow(float x, __nv_bfloat16& y) { y = __float2bfloat16_rn(x); }

template <typename A, int V>
struct Values {
  A at[V];
};

template <typename T, int V>
struct alignas(sizeof(T) * V < 16 ? sizeof(T) * V : 16) Pack {
  T at[V];
};

// V numbers that lie side by side, and that nothing writes while the kernel runs.
template <int V, typename T>
__device__ inline Values<acc_t<T>, V> load(const T* from) {
  Pack<T, V> pack;
  if constexpr (sizeof(pack) % 16 == 0) {
    for (int i = 0; i < int(sizeof(pack) / 16); ++i) {
      reinterpret_cast<int4*>(&pack)[i] = __ldg(reinterpret_cast<const int4*>(from) + i);
    }
  } else {
    static_assert(V == 1, "vectors are multiples of 16 bytes");
    pack.at[0] = __ldg(from);
  }
  Values<acc_t<T>, V> values;
#pragma unroll
  for (int v = 0; v < V; ++v) {
    values.at[v] = widen(pack.at[v]);
  }
  return values;
}

template <int V, typename T>
__device__ inline void store(T* to, const Values<acc_t<T>, V>& values) {
  Pack<T, V> pack;
#pragma unroll
  for (int v = 0; v < V; ++v) {
    narrow(values.at[v], pack.at[v]);
  }
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}

#ifdef __CUDACC__
template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, cudaStream_t stream,
                   const Arguments&... arguments) {
  kernel<<<blocks, threads, 0, stream>>>(arguments...);
  return cudaGetLastError();
}
#endif

}  // namespace cuda
}  // namespace cuda_ops
