// upfirdn2d of torch tensors on the CPU: schema, derivative, and what the kernel needs to know of the tensors.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/upfirdn2d.h"
#include "output.h"

namespace cuda_ops {
namespace upfirdn2d_op {
namespace {

using namespace upfirdn2d_kernel;
using at::IntArrayRef;
using at::Tensor;
using c10::SymInt;
using c10::SymIntArrayRef;

// The taps, with the gain, in the order in which the samples are met. As the reference: the gain is applied in the
// filter's own type, to each of the two passes of a separable filter.
std::vector<double> taps_of(const Tensor& f, bool flip, double gain) {
  std::vector<double> taps;
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, f.scalar_type(), "upfirdn2d's filter", [&] {
    const auto factor = at::opmath_type<scalar_t>(std::pow(gain, f.dim() / 2.0));
    const Tensor side_by_side = f.contiguous();
    const scalar_t* data = side_by_side.const_data_ptr<scalar_t>();
    for (int64_t i = 0; i < f.numel(); ++i) {
      taps.push_back(scalar_t(data[i] * factor));
    }
  });
  if (!flip) {
    std::reverse(taps.begin(), taps.end());
  }
  return taps;
}

template <typename Int>
Int out_size(const Int& size, int64_t up, int64_t down, const Int& before, const Int& after, const Int& taps) {
  return (size * up + before + after - taps) / down + 1;
}

Tensor upfirdn2d_cpu(const Tensor& x, const Tensor& f, IntArrayRef up, IntArrayRef down, IntArrayRef padding,
                     bool flip_filter, double gain) {
  const auto format = x.suggest_memory_format();
  const Tensor input = x.contiguous(format);
  const int64_t n = x.size(0), c = x.size(1), height = x.size(2), width = x.size(3);
  const Axis along_x{up[0], down[0], padding[0], f.size(-1)}, along_y{up[1], down[1], padding[2], f.size(0)};
  const int64_t out_width = out_size(width, up[0], down[0], padding[0], padding[1], f.size(-1));
  const int64_t out_height = out_size(height, up[1], down[1], padding[2], padding[3], f.size(0));
  Tensor y = on_huge_pages(at::empty({n, c, out_height, out_width}, input.options().memory_format(format)));
  if (y.numel() == 0) {
    return y;
  }
  const Images images{n, c, height, width, out_height, out_width, format == at::MemoryFormat::ChannelsLast};
  const std::vector<double> taps = taps_of(f, flip_filter, gain);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "upfirdn2d", [&] {
    forward(images, along_x, along_y, taps, f.dim() == 1, input.const_data_ptr<scalar_t>(),
            y.mutable_data_ptr<scalar_t>());
  });
  return y;
}

Tensor upfirdn2d_meta(const Tensor& x, const Tensor& f, IntArrayRef up, IntArrayRef down, SymIntArrayRef padding, bool,
                      double) {
  const SymInt width = out_size(x.sym_size(3), up[0], down[0], padding[0], padding[1], f.sym_size(-1));
  const SymInt height = out_size(x.sym_size(2), up[1], down[1], padding[2], padding[3], f.sym_size(0));
  return at::empty_symint({x.sym_size(0), x.sym_size(1), height, width},
                          x.options().memory_format(x.suggest_memory_format()));
}

Tensor upfirdn2d(const Tensor& x, const Tensor& f, IntArrayRef up, IntArrayRef down, SymIntArrayRef padding,
                 bool flip_filter, double gain) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("cuda_ops::upfirdn2d", "")
                             .typed<decltype(upfirdn2d)>();
  return op.call(x, f, up, down, padding, flip_filter, gain);
}

// The adjoint of upfirdn2d is upfirdn2d: up and down change places, the filter is turned over, and the padding is what
// lets each output meet the inputs that met it. So it can be differentiated any number of times. `f` has no gradient.
class Upfirdn2d : public torch::autograd::Function<Upfirdn2d> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& f, IntArrayRef up,
                        IntArrayRef down, SymIntArrayRef padding, bool flip_filter, double gain) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor y = upfirdn2d(x, f, up, down, padding, flip_filter, gain);
    ctx->save_for_backward({f});
    ctx->saved_data["up"] = up.vec();
    ctx->saved_data["down"] = down.vec();
    ctx->saved_data["flip_filter"] = flip_filter;
    ctx->saved_data["gain"] = gain;
    const SymInt left = f.sym_size(-1) - padding[0] - 1, top = f.sym_size(0) - padding[2] - 1;
    ctx->saved_data["left"] = left;
    ctx->saved_data["right"] = x.sym_size(3) * up[0] - y.sym_size(3) * down[0] - left + f.sym_size(-1) - 1;
    ctx->saved_data["top"] = top;
    ctx->saved_data["bottom"] = x.sym_size(2) * up[1] - y.sym_size(2) * down[1] - top + f.sym_size(0) - 1;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    auto& saved = ctx->saved_data;
    const SymInt padding[] = {saved["left"].toSymInt(), saved["right"].toSymInt(), saved["top"].toSymInt(),
                              saved["bottom"].toSymInt()};
    const Tensor f = ctx->get_saved_variables()[0];
    const Tensor dx = upfirdn2d(grads[0], f, saved["down"].toIntVector(), saved["up"].toIntVector(), padding,
                                !saved["flip_filter"].toBool(), saved["gain"].toDouble());
    return {dx, {}, {}, {}, {}, {}, {}};
  }
};

Tensor upfirdn2d_autograd(const Tensor& x, const Tensor& f, IntArrayRef up, IntArrayRef down, SymIntArrayRef padding,
                          bool flip_filter, double gain) {
  return Upfirdn2d::apply(x, f, up, down, padding, flip_filter, gain);
}

}  // namespace

// x (N, C, H, W), f (k,) or (kh, kw); up and down are (x, y), padding is (left, right, top, bottom).
TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def(
      "upfirdn2d(Tensor x, Tensor f, int[] up, int[] down, SymInt[] padding, bool flip_filter, float gain) -> Tensor");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) { m.impl("upfirdn2d", upfirdn2d_cpu); }
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) { m.impl("upfirdn2d", upfirdn2d_meta); }
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) { m.impl("upfirdn2d", upfirdn2d_autograd); }

}  // namespace upfirdn2d_op
}  // namespace cuda_ops
