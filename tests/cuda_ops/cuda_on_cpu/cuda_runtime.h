// CUDA on one CPU thread, as far as our kernels use it, so that they can be run where there is no GPU.
//
// The kernels are compiled as plain C++ with this folder in front of the toolkit's. A launch runs its blocks one after
// another; the threads of a block are fibers that take turns at each __syncthreads(), so an access that lacks a barrier,
// or an index that is off by one, gives a wrong number here too. Every second turn goes through the threads backwards.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __noinline__
#define __shared__ static
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct __half {
  _Float16 value;
};
struct __nv_bfloat16 {
  uint16_t bits;
};

inline float __half2float(__half x) { return float(x.value); }
inline __half __float2half_rn(float x) { return {_Float16(x)}; }
inline float __bfloat162float(__nv_bfloat16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float y;
  std::memcpy(&y, &bits, 4);
  return y;
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  if (std::isnan(x)) return {0x7fff};
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <typename T>
T __ldg(const T* from) {
  if (reinterpret_cast<uintptr_t>(from) % sizeof(T) != 0) {
    std::fprintf(stderr, "a load of %zu bytes at %p is not aligned\n", sizeof(T), static_cast<const void*>(from));
    std::abort();
  }
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess, cudaErrorInvalidConfiguration };
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "invalid configuration argument";
}

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done;
};
inline thread_local std::vector<Fiber> fibers;
inline thread_local ucontext_t scheduler;
inline thread_local size_t running;
inline thread_local const std::function<void()>* body;

inline void enter() {
  (*body)();
  fibers[running].done = true;
  swapcontext(&fibers[running].context, &scheduler);
}

inline void run_block(const std::function<void()>& kernel) {
  const size_t count = size_t(blockDim.x) * blockDim.y * blockDim.z;
  body = &kernel;
  if (fibers.size() < count) fibers.resize(count);
  for (size_t i = 0; i < count; ++i) {
    Fiber& fiber = fibers[i];
    fiber.stack.resize(64 << 10);
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
  }
  bool reversed = false;
  for (size_t left = count; left > 0; reversed = !reversed) {
    left = 0;
    for (size_t i = 0; i < count; ++i) {
      running = reversed ? count - 1 - i : i;
      if (fibers[running].done) continue;
      threadIdx = dim3(running % blockDim.x, running / blockDim.x % blockDim.y, running / blockDim.x / blockDim.y);
      swapcontext(&scheduler, &fibers[running].context);
      left += !fibers[running].done;
    }
  }
}

}  // namespace cuda_on_cpu

inline void __syncthreads() {
  const size_t self = cuda_on_cpu::running;
  swapcontext(&cuda_on_cpu::fibers[self].context, &cuda_on_cpu::scheduler);
}

namespace cuda_ops {
namespace cuda {

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, cudaStream_t,
                   const Arguments&... arguments) {
  const uint64_t count = uint64_t(threads.x) * threads.y * threads.z;
  if (count == 0 || count > 1024 || blocks.x == 0 || blocks.x > INT32_MAX || blocks.y == 0 || blocks.y > 65535 ||
      blocks.z == 0 || blocks.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  gridDim = blocks;
  blockDim = threads;
  const std::function<void()> run = [&] { kernel(arguments...); };
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        blockIdx = dim3(x, y, z);
        cuda_on_cpu::run_block(run);
      }
    }
  }
  return cudaSuccess;
}

}  // namespace cuda
}  // namespace cuda_ops
