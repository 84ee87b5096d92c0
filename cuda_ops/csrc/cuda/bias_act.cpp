// bias_act of torch tensors on CUDA, forward and backward; the schemas stand in ../cpu/bias_act.cpp.

#include "bias_act.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "tensors.h"

namespace cuda_ops {
namespace cuda {
namespace {

inline int activation_of(c10::string_view name) {
  constexpr c10::string_view names[] = {"linear", "relu", "lrelu",    "tanh", "sigmoid",
                                        "elu",    "selu", "softplus", "swish"};
  const auto* const found = std::find(std::begin(names), std::end(names), name);
  TORCH_CHECK(found != std::end(names), "bias_act: there is no activation '", name, "'.");
  return int(found - std::begin(names));
}

// The tensors as the kernels want them. Noise is (N or 1, 1, H, W) and scale is (N, C): both need x of four axes.
struct BiasActTensors {
  at::MemoryFormat format;
  Layout layout;
  at::Tensor x;
  OptionalTensor b, noise, strength, scale;
  at::TensorOptions options;  // of the parameters

  BiasActTensors(const at::Tensor& x_, const OptionalTensor& b_, const OptionalTensor& noise_,
                 const OptionalTensor& strength_, const OptionalTensor& scale_, int64_t dim)
      : format(x_.suggest_memory_format()),
        b(parameter(b_, x_, "bias_act", "the bias")),
        noise(parameter(noise_, x_, "bias_act", "the noise")),
        strength(parameter(strength_, x_, "bias_act", "the strength")),
        scale(parameter(scale_, x_, "bias_act", "the scale")),
        options(x_.options().dtype(accumulator_of(x_.scalar_type())).memory_format(std::nullopt)) {
    dim = dim < 0 ? dim + x_.dim() : dim;
    if (noise || scale) {
      TORCH_CHECK(x_.dim() == 4 && dim == 1, "bias_act: noise and scale need x of shape (N, C, H, W) and dim 1.");
    }
    if (noise) {
      TORCH_CHECK(noise->dim() == 4 && (noise->size(0) == 1 || noise->size(0) == x_.size(0)) && noise->size(1) == 1 &&
                      noise->size(2) == x_.size(2) && noise->size(3) == x_.size(3),
                  "bias_act: the noise has shape ", noise->sizes(), "; give (N or 1, 1, H, W) for x of ", x_.sizes(),
                  ".");
    }
    if (x_.dim() == 4 && dim == 1) {
      x = x_.contiguous(format);
      layout = layout_of(x, format);
      return;
    }
    format = at::MemoryFormat::Contiguous;
    x = x_.contiguous();
    if (!b) {
      layout = {1, 1, x.numel(), false};
      return;
    }
    int64_t outer = 1, inner = 1;
    for (int64_t i = 0; i < x.dim(); ++i) (i < dim ? outer : inner) *= i == dim ? 1 : x.size(i);
    // A last axis is what channels are in channels_last.
    layout = inner == 1 ? Layout{1, x.size(dim), outer, true} : Layout{outer, x.size(dim), inner, false};
  }

  template <typename T>
  BiasAct<T> in(c10::string_view act, double alpha, double gain, std::optional<double> clamp) const {
    using A = acc_t<T>;
    return {input<T>(x),      input<A>(b), input<A>(scale), input<A>(noise), input<A>(strength),
            noise && noise->size(0) > 1 ? layout.pixels : 0,
            activation_of(act), A(alpha),  A(gain),         A(clamp.value_or(-1))};
  }

  at::Tensor like_x() const { return at::empty(x.sizes(), x.options().memory_format(format)); }
};

at::Tensor bias_act_cuda(const at::Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
                         const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim,
                         c10::string_view act, double alpha, double gain, std::optional<double> clamp) {
  const c10::cuda::CUDAGuard guard(x.device());
  const BiasActTensors op(x, b, noise, strength, scale, dim);
  const at::Tensor y = op.like_x();
  CUDA_OPS_DISPATCH(x, "bias_act", [&] {
    const auto in = op.in<T>(act, alpha, gain, clamp);
    const int width = bias_act_width(op.layout, in, nullptr, output<T>(y));
    check(bias_act(op.layout, width, in, output<T>(y), stream()), "bias_act");
  });
  return y;
}

// dx, db (C,), dnoise like noise, dstrength (), dscale (N, C); empty where the input is not there. `parameters` is
// false where none of b, strength and scale wants a gradient, `of_noise` where the noise wants none.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> bias_act_backward_cuda(
    const at::Tensor& dy, const at::Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha,
    double gain, std::optional<double> clamp, bool parameters, bool of_noise) {
  const c10::cuda::CUDAGuard guard(x.device());
  const BiasActTensors op(x, b, noise, strength, scale, dim);
  const at::Tensor dx = op.like_x(), g = dy.contiguous(op.format);
  at::Tensor db = at::empty({0}, op.options), dnoise = db, dstrength = db, dscale = db;
  CUDA_OPS_DISPATCH(x, "bias_act_backward", [&] {
    using A = acc_t<T>;
    const auto in = op.in<T>(act, alpha, gain, clamp);
    const int width = bias_act_width(op.layout, in, input<T>(g), output<T>(dx));
    at::Tensor partial;
    if (parameters) {
      const int64_t chunks = x.numel() == 0 ? 0 : chunks_of(op.layout, width);
      partial = at::empty({3, op.layout.images, op.layout.channels, chunks}, op.options);
    }
    check(bias_act_backward(op.layout, width, in, input<T>(g), output<T>(dx), parameters ? output<A>(partial) : nullptr,
                            stream()),
          "bias_act_backward");
    if (parameters) {
      if (op.b) db = partial[0].sum(at::IntArrayRef{0, 2});
      if (op.strength) dstrength = partial[1].sum().reshape(op.strength->sizes());
      if (op.scale) dscale = partial[2].sum(2);
    }
    if (of_noise && op.noise) {
      const at::Tensor each = at::empty({op.layout.images, 1, x.size(2), x.size(3)}, op.options);
      check(bias_act_backward_noise(op.layout, in, input<T>(g), output<A>(each), stream()), "bias_act_backward");
      dnoise = each.sum_to_size(op.noise->sizes());
    }
  });
  return {dx, db, dnoise, dstrength, dscale};
}

}  // namespace

TORCH_LIBRARY_IMPL(cuda_ops, CUDA, m) {
  m.impl("bias_act", bias_act_cuda);
  m.impl("bias_act_backward", bias_act_backward_cuda);
}

}  // namespace cuda
}  // namespace cuda_ops
