// Between torch and the kernels: pointers, layouts, parameters in the type that is computed with, and errors.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <optional>

#include "layout.h"

namespace cuda_ops {
namespace cuda {

// The kernels' names of torch's number types; the bits are the same.
template <typename T>
struct Native {
  using type = T;
};
template <>
struct Native<at::Half> {
  using type = __half;
};
template <>
struct Native<at::BFloat16> {
  using type = __nv_bfloat16;
};

#define CUDA_OPS_DISPATCH(tensor, name, ...)                                                         \
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, (tensor).scalar_type(), name, [&] {      \
    using T = Native<scalar_t>::type;                                                                \
    __VA_ARGS__();                                                                                   \
  })

using OptionalTensor = std::optional<at::Tensor>;

inline void check(cudaError_t error, const char* name) {
  TORCH_CHECK(error == cudaSuccess, name, ": the GPU refused the kernel (", cudaGetErrorString(error),
              "); an earlier error may be the cause, which CUDA_LAUNCH_BLOCKING=1 shows.");
}

inline void check_device(const at::Tensor& tensor, const at::Tensor& x, const char* name, const char* argument) {
  TORCH_CHECK(tensor.device() == x.device(), name, ": ", argument, " is on ", tensor.device(), " but x is on ",
              x.device(), "; move one of them.");
}

template <typename T>
const T* input(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}
template <typename T>
const T* input(const OptionalTensor& tensor) {
  return tensor ? input<T>(*tensor) : nullptr;
}
template <typename T>
T* output(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// The type that tensors of `type` are computed with.
inline at::ScalarType accumulator_of(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

// A parameter next to x: contiguous, in the type that is computed with.
inline OptionalTensor parameter(const OptionalTensor& tensor, const at::Tensor& x,
                                           const char* name, const char* argument) {
  if (!tensor) return std::nullopt;
  check_device(*tensor, x, name, argument);
  return tensor->to(accumulator_of(x.scalar_type())).contiguous();
}

inline cudaStream_t stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

// The layout of a tensor of four axes that is contiguous in `format`.
inline Layout layout_of(const at::Tensor& x, at::MemoryFormat format) {
  return {x.size(0), x.size(1), x.size(2) * x.size(3), format == at::MemoryFormat::ChannelsLast};
}

}  // namespace cuda
}  // namespace cuda_ops
