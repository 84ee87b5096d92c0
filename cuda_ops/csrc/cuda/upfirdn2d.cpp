// upfirdn2d of torch tensors on CUDA; the schema stands in ../cpu/upfirdn2d.cpp.

#include "upfirdn2d.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "tensors.h"

namespace cuda_ops {
namespace cuda {
namespace {

int64_t out_size(const Axis& axis, int64_t after) {
  return (axis.size * axis.up + axis.before + after - axis.taps) / axis.down + 1;
}

// One pass with the taps `f` (kh, kw); x is contiguous in `format`.
at::Tensor pass(const at::Tensor& x, const at::Tensor& f, at::IntArrayRef up, at::IntArrayRef down,
                at::IntArrayRef padding, bool flip_filter, double gain, at::MemoryFormat format) {
  Axis along_x{x.size(3), 0, int(up[0]), int(down[0]), padding[0], int(f.size(1))};
  Axis along_y{x.size(2), 0, int(up[1]), int(down[1]), padding[2], int(f.size(0))};
  along_x.out_size = out_size(along_x, padding[1]);
  along_y.out_size = out_size(along_y, padding[3]);
  const at::Tensor out = at::empty({x.size(0), x.size(1), along_y.out_size, along_x.out_size},
                                   x.options().memory_format(format));
  const bool last = format == at::MemoryFormat::ChannelsLast;
  CUDA_OPS_DISPATCH(x, "upfirdn2d", [&] {
    const Upfirdn2d<T> op{input<T>(x),
                          output<T>(out),
                          input<acc_t<T>>(f),
                          flip_filter,
                          gain,
                          last ? x.size(0) : x.size(0) * x.size(1),
                          last ? x.size(1) : 1,
                          along_x,
                          along_y};
    check(upfirdn2d(op, stream()), "upfirdn2d");
  });
  return out;
}

at::Tensor upfirdn2d_cuda(const at::Tensor& x, const at::Tensor& f, at::IntArrayRef up, at::IntArrayRef down,
                          at::IntArrayRef padding, bool flip_filter, double gain) {
  const c10::cuda::CUDAGuard guard(x.device());
  const auto format = x.suggest_memory_format();
  const at::Tensor input = x.contiguous(format), taps = *parameter(f, x, "upfirdn2d", "the filter");
  if (f.dim() == 2) {
    return pass(input, taps, up, down, padding, flip_filter, gain, format);
  }
  // A separable filter is two passes, rows first as in the reference; each takes its share of the gain.
  const double share = std::sqrt(gain);
  const at::Tensor rows = pass(input, taps.unsqueeze(1), {1, up[1]}, {1, down[1]}, {0, 0, padding[2], padding[3]},
                               flip_filter, share, format);
  return pass(rows, taps.unsqueeze(0), {up[0], 1}, {down[0], 1}, {padding[0], padding[1], 0, 0}, flip_filter, share,
              format);
}

}  // namespace

TORCH_LIBRARY_IMPL(cuda_ops, CUDA, m) { m.impl("upfirdn2d", upfirdn2d_cuda); }

}  // namespace cuda
}  // namespace cuda_ops
