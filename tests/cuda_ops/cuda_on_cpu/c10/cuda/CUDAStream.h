// Stands in for torch's header where torch was built without CUDA.
#pragma once

#include "cuda_runtime.h"

namespace c10::cuda {

struct CUDAStream {
  cudaStream_t stream() const { return nullptr; }
};
inline CUDAStream getCurrentCUDAStream() { return {}; }

}  // namespace c10::cuda
