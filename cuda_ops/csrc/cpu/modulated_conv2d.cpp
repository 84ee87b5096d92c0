// The 3x3 convolution of a modulated layer, of torch tensors on the CPU: schemas, derivatives, and what the kernel needs to
// know of the tensors.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>
#include <tuple>
#include <vector>

#include "kernels/modulated_conv2d.h"
#include "output.h"

namespace cuda_ops {
namespace modulated_conv2d_op {
namespace {

using namespace modulated_conv2d_kernel;
using at::Tensor;
using c10::SymInt;
using OptionalTensor = std::optional<Tensor>;

void check(const Tensor& x, const Tensor& weight, bool adjoint, bool up) {
  TORCH_CHECK_VALUE(weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3,
                    "modulated_conv3x3: the weight has shape ", weight.sizes(), "; give (O, I, 3, 3).");
  TORCH_CHECK_VALUE(x.dim() == 4 && x.size(1) == weight.size(adjoint ? 0 : 1), "modulated_conv3x3: x has shape ",
                    x.sizes(), " and the weight ", weight.sizes(), "; give as many channels to both.");
  TORCH_CHECK_VALUE(x.scalar_type() == weight.scalar_type(),
                    "modulated_conv3x3: x and the weight differ in type; give both the same.");
  TORCH_CHECK_VALUE(!(adjoint && up) || (x.size(2) % 2 == 1 && x.size(3) % 2 == 1),
                    "modulated_conv3x3: the adjoint of `up` takes images of odd height and width.");
}

template <typename Size>
Size out_size(const Size& size, bool adjoint, bool up) {
  return !up ? size : adjoint ? (size - 1) / 2 : size * 2 + 1;
}

// y and the sums (images, outs); `given` and `beside` in any memory format, y in that of `given`.
std::tuple<Tensor, Tensor> convolved(const Tensor& given, const Tensor& weight, const OptionalTensor& styles, bool adjoint,
                                    bool up, const OptionalTensor& beside) {
  check(given, weight, adjoint, up);
  const auto last = at::MemoryFormat::ChannelsLast;
  const Tensor x = given.contiguous(last), w = weight.contiguous();
  const int64_t outs = weight.size(adjoint ? 1 : 0);
  const int64_t out_height = out_size(x.size(2), adjoint, up), out_width = out_size(x.size(3), adjoint, up);
  Tensor y = on_huge_pages(at::empty({x.size(0), outs, out_height, out_width}, x.options().memory_format(last)));
  Tensor sums = beside ? at::zeros({x.size(0), outs}, x.options()) : Tensor();
  const auto format = given.suggest_memory_format();
  if (y.numel() == 0) return {y.contiguous(format), sums};
  const Tensor other = beside ? beside->contiguous(last) : Tensor();
  const Tensor factors = styles ? styles->contiguous() : Tensor();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "modulated_conv3x3", [&] {
    const scalar_t* factor = styles ? factors.const_data_ptr<scalar_t>() : nullptr;
    Problem<scalar_t> problem{x.const_data_ptr<scalar_t>(),
                              w.const_data_ptr<scalar_t>(),
                              adjoint ? nullptr : factor,
                              y.mutable_data_ptr<scalar_t>(),
                              x.size(0),
                              x.size(1),
                              x.size(2),
                              x.size(3),
                              outs,
                              out_height,
                              out_width,
                              adjoint ? w.size(1) * 9 : 9,
                              adjoint ? 9 : w.size(1) * 9,
                              adjoint && !up};
    if (beside) {
      problem.out_styles = factor;
      problem.beside = other.const_data_ptr<scalar_t>();
    }
    std::vector<scalar_t> parts = convolve(problem, !up ? kSame : adjoint ? kDown : kUp);
    if (beside) {
      // PyTorch's sum keeps more digits of many parts than adding one after the other.
      const int64_t count = int64_t(parts.size()) / sums.numel();
      sums = at::from_blob(parts.data(), {count, x.size(0), outs}, sums.options()).sum(at::IntArrayRef{0});
    }
  });
  return {y.contiguous(format), sums};
}

Tensor conv3x3_cpu(const Tensor& x, const Tensor& weight, const OptionalTensor& styles, bool up) {
  return std::get<0>(convolved(x, weight, styles, false, up, {}));
}
Tensor conv3x3_adjoint_cpu(const Tensor& dy, const Tensor& weight, bool up) {
  return std::get<0>(convolved(dy, weight, {}, true, up, {}));
}
std::tuple<Tensor, Tensor> conv3x3_backward_cpu(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                                const Tensor& styles, bool up) {
  return convolved(dy, weight, styles, true, up, x);
}

Tensor conv3x3_meta(const Tensor& x, const Tensor& weight, const OptionalTensor&, bool up) {
  return at::empty_symint({x.sym_size(0), weight.sym_size(0), out_size(x.sym_size(2), false, up),
                           out_size(x.sym_size(3), false, up)},
                          x.options().memory_format(x.suggest_memory_format()));
}
Tensor conv3x3_adjoint_meta(const Tensor& dy, const Tensor& weight, bool up) {
  return at::empty_symint({dy.sym_size(0), weight.sym_size(1), out_size(dy.sym_size(2), true, up),
                           out_size(dy.sym_size(3), true, up)},
                          dy.options().memory_format(dy.suggest_memory_format()));
}
std::tuple<Tensor, Tensor> conv3x3_backward_meta(const Tensor& dy, const Tensor&, const Tensor& weight,
                                                 const Tensor& styles, bool up) {
  return {conv3x3_adjoint_meta(dy, weight, up), at::empty_like(styles)};
}

template <typename Signature>
auto operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}
Tensor conv3x3(const Tensor& x, const Tensor& weight, const OptionalTensor& styles, bool up) {
  static const auto op = operation<decltype(conv3x3_cpu)>("cuda_ops::conv3x3");
  return op.call(x, weight, styles, up);
}
Tensor conv3x3_adjoint(const Tensor& dy, const Tensor& weight, bool up) {
  static const auto op = operation<decltype(conv3x3_adjoint_cpu)>("cuda_ops::conv3x3_adjoint");
  return op.call(dy, weight, up);
}
std::tuple<Tensor, Tensor> conv3x3_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                            const Tensor& styles, bool up) {
  static const auto op = operation<decltype(conv3x3_backward_cpu)>("cuda_ops::conv3x3_backward");
  return op.call(dy, x, weight, styles, up);
}

// The derivative to the weights of <dy, conv3x3(x, weight)>.
Tensor weight_gradient(const Tensor& dy, const Tensor& x, const Tensor& weight, bool up) {
  const SymInt zero(0), one(1), two(2);
  // F.conv_transpose2d takes (I, O, 3, 3).
  const Tensor w = up ? weight.transpose(0, 1) : weight;
  const SymInt stride[] = {up ? two : one, up ? two : one}, padding[] = {up ? zero : one, up ? zero : one};
  const SymInt dilation[] = {one, one}, output_padding[] = {zero, zero};
  const Tensor dw = std::get<1>(at::convolution_backward_symint(dy, x, w, std::nullopt, stride, padding, dilation, up,
                                                                output_padding, one, {false, true, false}));
  return up ? dw.transpose(0, 1) : dw;
}

Tensor scaled(const Tensor& x, const Tensor& styles) { return x * styles.unsqueeze(-1).unsqueeze(-1); }

class Conv3x3 : public torch::autograd::Function<Conv3x3> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const OptionalTensor& styles, bool up) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({x, weight, styles.value_or(Tensor())});
    ctx->saved_data["up"] = up;
    return conv3x3(x, weight, styles, up);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &dy = grads[0], &x = saved[0], &weight = saved[1], &styles = saved[2];
    const bool up = ctx->saved_data["up"].toBool();
    Tensor dx, dweight, dstyles;
    if (ctx->needs_input_grad(0) || (styles.defined() && ctx->needs_input_grad(2))) {
      if (!styles.defined()) {
        dx = conv3x3_adjoint(dy, weight, up);
      } else if (at::GradMode::is_enabled()) {
        // Made of what can be differentiated again.
        const Tensor dscaled = conv3x3_adjoint(dy, weight, up);
        dx = scaled(dscaled, styles);
        dstyles = (dscaled * x).sum(at::IntArrayRef{2, 3});
      } else {
        std::tie(dx, dstyles) = conv3x3_backward(dy, x, weight, styles, up);
      }
    }
    if (ctx->needs_input_grad(1)) {
      dweight = weight_gradient(dy, styles.defined() ? scaled(x, styles) : x, weight, up);
    }
    return {dx, dweight, dstyles, {}};
  }
};

class Conv3x3Adjoint : public torch::autograd::Function<Conv3x3Adjoint> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& dy, const Tensor& weight, bool up) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({dy, weight});
    ctx->saved_data["up"] = up;
    return conv3x3_adjoint(dy, weight, up);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &dy = saved[0], &weight = saved[1];
    const bool up = ctx->saved_data["up"].toBool();
    const Tensor g = ctx->needs_input_grad(0) ? conv3x3(grads[0], weight, {}, up) : Tensor();
    const Tensor dweight = ctx->needs_input_grad(1) ? weight_gradient(dy, grads[0], weight, up) : Tensor();
    return {g, dweight, {}};
  }
};

Tensor conv3x3_autograd(const Tensor& x, const Tensor& weight, const OptionalTensor& styles, bool up) {
  return Conv3x3::apply(x, weight, styles, up);
}
Tensor conv3x3_adjoint_autograd(const Tensor& dy, const Tensor& weight, bool up) {
  return Conv3x3Adjoint::apply(dy, weight, up);
}

}  // namespace

// x (N, I, H, W), weight (O, I, 3, 3), styles (N, I).
TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def("conv3x3(Tensor x, Tensor weight, Tensor? styles, bool up) -> Tensor");
  m.def("conv3x3_adjoint(Tensor dy, Tensor weight, bool up) -> Tensor");
  m.def("conv3x3_backward(Tensor dy, Tensor x, Tensor weight, Tensor styles, bool up) -> (Tensor dx, Tensor dstyles)");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) {
  m.impl("conv3x3", conv3x3_cpu);
  m.impl("conv3x3_adjoint", conv3x3_adjoint_cpu);
  m.impl("conv3x3_backward", conv3x3_backward_cpu);
}
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) {
  m.impl("conv3x3", conv3x3_meta);
  m.impl("conv3x3_adjoint", conv3x3_adjoint_meta);
  m.impl("conv3x3_backward", conv3x3_backward_meta);
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) {
  m.impl("conv3x3", conv3x3_autograd);
  m.impl("conv3x3_adjoint", conv3x3_adjoint_autograd);
}

}  // namespace modulated_conv2d_op
}  // namespace cuda_ops
