// New tensors for results.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/memory.h"

namespace cuda_ops {

inline at::Tensor on_huge_pages(at::Tensor tensor) {
  ask_for_huge_pages(tensor.data_ptr(), tensor.nbytes());
  return tensor;
}

}  // namespace cuda_ops
