// A banded matrix times one axis of an image, on CUDA: downsample_l2 takes one for each axis, and its gradient the
// transposed ones in turn, so that the image's gradient is written once and nothing else has its size.

#include "banded.h"

#include <ATen/ops/empty.h>

#include <vector>

#include "tensors.h"

namespace cuda_ops {
namespace cuda {
namespace {

// x (N, C, H, W), weights (out, taps), first (out,) int64: out[o] = sum over t of weights[o, t] * x[first[o] + t] along
// `axis`, 2 or 3, in `dtype`; x and the result are of one type, or one of them is float32.
at::Tensor banded_cuda(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& first, int64_t axis,
                       at::ScalarType dtype) {
  const c10::cuda::CUDAGuard guard(x.device());
  TORCH_CHECK(x.dim() == 4 && (axis == 2 || axis == 3), "banded: x has ", x.dim(), " axes and axis is ", axis,
              "; give x (N, C, H, W) and axis 2 or 3.");
  TORCH_CHECK(weights.dim() == 2 && first.dim() == 1 && first.size(0) == weights.size(0) &&
                  first.scalar_type() == at::kLong,
              "banded: the weights have shape ", weights.sizes(), " and first ", first.sizes(),
              "; give (out, taps) and (out,) of int64.");
  check_device(first, x, "banded", "first");
  const auto format = x.suggest_memory_format();
  const bool last = format == at::MemoryFormat::ChannelsLast;
  const at::ScalarType accumulator = accumulator_of(x.scalar_type());
  // From one half type to another goes by way of float32.
  const bool half = x.scalar_type() != accumulator && dtype != accumulator;
  const at::Tensor from = (half ? x.to(accumulator) : x).contiguous(format), starts = first.contiguous();
  const at::Tensor taps = *parameter(weights, x, "banded", "the weights");
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes[axis] = weights.size(0);
  const at::Tensor out = at::empty(sizes, x.options().dtype(dtype).memory_format(format));
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const int64_t outer = (last ? n : n * c) * (axis == 2 ? 1 : h), inner = (last ? c : 1) * (axis == 2 ? w : 1);
  const auto run = [&](auto in_type, auto out_type) {
    using In = decltype(in_type);
    using Out = decltype(out_type);
    const Banded<acc_t<Out>> matrix{input<acc_t<Out>>(taps), input<int64_t>(starts), taps.size(1), outer,
                                    x.size(axis), taps.size(0), inner};
    check(banded(matrix, input<In>(from), output<Out>(out), stream()), "banded");
  };
  if (from.scalar_type() == at::kDouble) {
    TORCH_CHECK(dtype == at::kDouble, "banded: float64 can only become float64, but ", dtype, " is asked for.");
    run(double(), double());
  } else if (from.scalar_type() == at::kFloat) {
    TORCH_CHECK(dtype != at::kDouble, "banded: only float64 can become float64, but x is ", x.scalar_type(), ".");
    CUDA_OPS_DISPATCH(out, "banded", [&] {
      if constexpr (sizeof(T) < 8) run(float(), T());
    });
  } else {
    CUDA_OPS_DISPATCH(from, "banded", [&] {
      if constexpr (sizeof(T) < 4) run(T(), float());
    });
  }
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(cuda_ops, CUDA, m) { m.impl("banded", banded_cuda); }

}  // namespace cuda
}  // namespace cuda_ops
