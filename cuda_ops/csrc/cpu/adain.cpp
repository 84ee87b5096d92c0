// adain of torch tensors on the CPU: schemas, derivatives, and what the kernels need to know of the tensors.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>
#include <tuple>
#include <vector>

#include "kernels/adain.h"
#include "output.h"

namespace cuda_ops {
namespace adain_op {
namespace {

using namespace adain_kernel;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// Planes of at most this many pixels are turned to channels_last and back: less work than beginning each of them.
constexpr int64_t kTinyPlane = 64;

// The parameters in the accumulator's type and side by side, held as long as the layer points to them.
struct Parameters {
  Tensor bias, noise, noise_weight, styles;

  Parameters(const Tensor& x, const OptionalTensor& b, const OptionalTensor& n, const OptionalTensor& w,
             const Tensor& s) {
    const auto options = x.options().dtype(at::toOpMathType(x.scalar_type()));
    const auto in_order = [&](const Tensor& tensor) { return tensor.to(options.dtype()).contiguous(); };
    const bool noisy = n.has_value() && w.has_value();
    bias = b.has_value() ? in_order(*b) : at::zeros({x.size(1)}, options);
    noise = noisy ? in_order(*n) : Tensor();
    noise_weight = noisy ? in_order(*w) : at::zeros({x.size(1)}, options);
    styles = in_order(s);
  }

  template <typename A>
  Layer<A> layer(const Tensor& x, bool last, double alpha) const {
    const int64_t pixels = x.size(2) * x.size(3);
    return {x.size(0),
            x.size(1),
            pixels,
            last,
            bias.const_data_ptr<A>(),
            noise.defined() ? noise.const_data_ptr<A>() : nullptr,
            noise_weight.const_data_ptr<A>(),
            styles.const_data_ptr<A>(),
            noise.defined() && noise.size(0) > 1 ? pixels : 0,
            A(alpha)};
  }
};

bool is_tiny(const Tensor& x) {
  const int64_t pixels = x.size(2) * x.size(3);
  return x.suggest_memory_format() == at::MemoryFormat::Contiguous && x.numel() > 0 && x.size(1) > 1 && pixels > 1 &&
         pixels <= kTinyPlane;
}

std::tuple<Tensor, Tensor, Tensor> adain_cpu(const Tensor& x, const OptionalTensor& bias, const OptionalTensor& noise,
                                             const OptionalTensor& noise_weight, const Tensor& styles, double alpha,
                                             double eps) {
  if (is_tiny(x)) {
    const auto [y, mean, rstd] =
        adain_cpu(x.contiguous(at::MemoryFormat::ChannelsLast), bias, noise, noise_weight, styles, alpha, eps);
    return {y.contiguous(), mean, rstd};
  }
  const auto format = x.suggest_memory_format();
  const Tensor input = x.contiguous(format);
  const Parameters parameters(x, bias, noise, noise_weight, styles);
  Tensor y = on_huge_pages(at::empty(x.sizes(), x.options().memory_format(format)));
  Tensor mean = at::empty({x.size(0), x.size(1)}, parameters.styles.options());
  Tensor rstd = at::empty_like(mean);
  if (x.numel() == 0) {
    return {y, mean.zero_(), rstd.zero_()};
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "adain", [&] {
    using A = acc_t<scalar_t>;
    const auto layer = parameters.layer<A>(x, format == at::MemoryFormat::ChannelsLast, alpha);
    const scalar_t* in = input.const_data_ptr<scalar_t>();
    scalar_t* out = y.mutable_data_ptr<scalar_t>();
    A *means = mean.mutable_data_ptr<A>(), *rstds = rstd.mutable_data_ptr<A>();
    forward(layer, eps, in, out, means, rstds);
  });
  return {y, mean, rstd};
}

// dx * noise_weight summed over channels, and over images where they share their noise.
Tensor noise_gradient(const Tensor& dx, const Tensor& noise, const Tensor& noise_weight, bool last) {
  const int64_t n = dx.size(0), c = dx.size(1), h = dx.size(2), w = dx.size(3);
  const Tensor g = dx.to(noise_weight.scalar_type());
  const Tensor sum = last ? at::mv(g.permute({0, 2, 3, 1}).reshape({n * h * w, c}), noise_weight)
                          : at::matmul(noise_weight, g.reshape({n, c, h * w}));
  return sum.reshape({n, 1, h, w}).sum_to_size(noise.sizes());
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> adain_backward_cpu(
    const Tensor& dy, const Tensor& x, const OptionalTensor& bias, const OptionalTensor& noise,
    const OptionalTensor& noise_weight, const Tensor& styles, const Tensor& mean, const Tensor& rstd, double alpha,
    bool with_noise_gradient) {
  if (is_tiny(x)) {
    const auto [dx, dbias, dnoise, dweight, dstyles] =
        adain_backward_cpu(dy, x.contiguous(at::MemoryFormat::ChannelsLast), bias, noise, noise_weight, styles, mean,
                           rstd, alpha, with_noise_gradient);
    return {dx.contiguous(), dbias, dnoise, dweight, dstyles};
  }
  const auto format = x.suggest_memory_format();
  const bool last = format == at::MemoryFormat::ChannelsLast;
  const Tensor input = x.contiguous(format), gradient = dy.contiguous(format);
  const Parameters parameters(x, bias, noise, noise_weight, styles);
  Tensor dx = on_huge_pages(at::empty(x.sizes(), x.options().memory_format(format)));
  Tensor dstyles = at::zeros(styles.sizes(), parameters.styles.options());
  // Per image, so that images may be worked on at the same time.
  Tensor dbias = at::zeros({x.size(0), x.size(1)}, dstyles.options().dtype(at::kDouble));
  Tensor dweight = at::zeros_like(dbias);
  if (x.numel() != 0) {
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "adain_backward", [&] {
      using A = acc_t<scalar_t>;
      const auto layer = parameters.layer<A>(x, last, alpha);
      const scalar_t *in = input.const_data_ptr<scalar_t>(), *g = gradient.const_data_ptr<scalar_t>();
      const A *means = mean.const_data_ptr<A>(), *rstds = rstd.const_data_ptr<A>();
      A* const of_styles = dstyles.mutable_data_ptr<A>();
      scalar_t* const out = dx.mutable_data_ptr<scalar_t>();
      backward(layer, g, in, means, rstds, out, of_styles, dbias.mutable_data_ptr<double>(),
               dweight.mutable_data_ptr<double>());
    });
  }
  const auto type = dstyles.scalar_type();
  const bool noisy = with_noise_gradient && parameters.noise.defined();
  return {dx, dbias.sum(0).to(type), noisy ? noise_gradient(dx, parameters.noise, parameters.noise_weight, last)
                                           : at::empty({0}, dstyles.options()),
          dweight.sum(0).to(type), dstyles};
}

std::tuple<Tensor, Tensor, Tensor> adain_meta(const Tensor& x, const OptionalTensor&, const OptionalTensor&,
                                              const OptionalTensor&, const Tensor&, double, double) {
  const auto options = x.options().dtype(at::toOpMathType(x.scalar_type()));
  const Tensor mean = at::empty_symint({x.sym_size(0), x.sym_size(1)}, options);
  return {at::empty_symint(x.sym_sizes(), x.options().memory_format(x.suggest_memory_format())), mean,
          at::empty_like(mean)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> adain_backward_meta(
    const Tensor&, const Tensor& x, const OptionalTensor&, const OptionalTensor& noise,
    const OptionalTensor& noise_weight, const Tensor& styles, const Tensor&, const Tensor&, double,
    bool with_noise_gradient) {
  const auto options = x.options().dtype(at::toOpMathType(x.scalar_type()));
  const Tensor dbias = at::empty_symint({x.sym_size(1)}, options);
  const bool noisy = with_noise_gradient && noise.has_value() && noise_weight.has_value();
  return {at::empty_symint(x.sym_sizes(), x.options().memory_format(x.suggest_memory_format())), dbias,
          noisy ? at::empty_symint(noise->sym_sizes(), options) : at::empty({0}, options), at::empty_like(dbias),
          at::empty_symint(styles.sym_sizes(), options)};
}

std::tuple<Tensor, Tensor, Tensor> adain(const Tensor& x, const OptionalTensor& bias, const OptionalTensor& noise,
                                         const OptionalTensor& noise_weight, const Tensor& styles, double alpha,
                                         double eps) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("cuda_ops::adain", "").typed<decltype(adain)>();
  return op.call(x, bias, noise, noise_weight, styles, alpha, eps);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> adain_backward(
    const Tensor& dy, const Tensor& x, const OptionalTensor& bias, const OptionalTensor& noise,
    const OptionalTensor& noise_weight, const Tensor& styles, const Tensor& mean, const Tensor& rstd, double alpha,
    bool with_noise_gradient) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("cuda_ops::adain_backward", "").typed<decltype(adain_backward)>();
  return op.call(dy, x, bias, noise, noise_weight, styles, mean, rstd, alpha, with_noise_gradient);
}

// The same gradients in PyTorch's operations, for when they are to be differentiated again.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> differentiable_backward(const Tensor& dy, const Tensor& x,
                                                                           const Tensor& bias, const Tensor& noise,
                                                                           const Tensor& noise_weight,
                                                                           const Tensor& styles, double alpha,
                                                                           double eps) {
  const auto type = at::toOpMathType(x.scalar_type());
  const auto per_channel = [&](const Tensor& t) { return t.to(type).reshape({1, -1, 1, 1}); };
  const bool noisy = noise.defined() && noise_weight.defined();
  const std::vector<int64_t> area{2, 3}, all_but_channels{0, 2, 3};
  Tensor z = x.to(type);
  if (bias.defined()) {
    z = z + per_channel(bias);
  }
  if (noisy) {
    z = z + noise.to(type) * per_channel(noise_weight);
  }
  const Tensor slope = at::where(z > 0, at::ones({}, z.options()), at::full({}, alpha, z.options()));
  const Tensor a = z * slope;
  const Tensor centred = a - a.mean(area, true);
  const Tensor rstd = (centred.square().mean(area, true) + eps).rsqrt();
  const Tensor normal = centred * rstd, g = dy.to(type);
  const Tensor scale = styles.to(type).narrow_symint(1, 0, x.sym_size(1)).unsqueeze(-1).unsqueeze(-1) + 1;
  const Tensor da = scale * rstd * (g - g.mean(area, true) - normal * (g * normal).mean(area, true));
  const Tensor dz = da * slope;
  return {dz.to(x.scalar_type()), dz.sum(all_but_channels),
          noisy ? (dz * per_channel(noise_weight)).sum(1, true).sum_to_size(noise.sizes()) : Tensor(),
          noisy ? (dz * noise.to(type)).sum(all_but_channels) : Tensor(),
          at::cat({(g * normal).sum(area), g.sum(area)}, 1)};
}

class Adain : public torch::autograd::Function<Adain> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x,
                                                const OptionalTensor& bias, const OptionalTensor& noise,
                                                const OptionalTensor& noise_weight, const Tensor& styles, double alpha,
                                                double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [y, mean, rstd] = adain(x, bias, noise, noise_weight, styles, alpha, eps);
    ctx->save_for_backward({x, bias.value_or(Tensor()), noise.value_or(Tensor()), noise_weight.value_or(Tensor()),
                            styles, mean, rstd});
    ctx->mark_non_differentiable({mean, rstd});
    ctx->saved_data["alpha"] = alpha;
    ctx->saved_data["eps"] = eps;
    return {y, mean, rstd};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &bias = saved[1], &noise = saved[2], &noise_weight = saved[3], &styles = saved[4];
    const double alpha = ctx->saved_data["alpha"].toDouble(), eps = ctx->saved_data["eps"].toDouble();
    const auto given = [](const Tensor& t) { return t.defined() ? OptionalTensor(t) : std::nullopt; };
    const bool noisy = noise.defined() && noise_weight.defined();
    // Only tensors that were given are counted here.
    const bool noise_gradient = noisy && ctx->needs_input_grad(bias.defined() ? 2 : 1);
    const auto [dx, dbias, dnoise, dweight, dstyles] =
        at::GradMode::is_enabled()
            ? differentiable_backward(grads[0], x, bias, noise, noise_weight, styles, alpha, eps)
            : adain_backward(grads[0], x, given(bias), given(noise), given(noise_weight), styles, saved[5], saved[6],
                             alpha, noise_gradient);
    const auto as = [](const Tensor& gradient, const Tensor& input) {
      return input.defined() && gradient.defined() ? gradient.to(input.scalar_type()) : Tensor();
    };
    return {dx,
            as(dbias, bias),
            noise_gradient ? as(dnoise, noise) : Tensor(),
            noisy ? as(dweight, noise_weight) : Tensor(),
            as(dstyles, styles),
            Tensor(),
            Tensor()};
  }
};

std::tuple<Tensor, Tensor, Tensor> adain_autograd(const Tensor& x, const OptionalTensor& bias,
                                                  const OptionalTensor& noise, const OptionalTensor& noise_weight,
                                                  const Tensor& styles, double alpha, double eps) {
  const auto results = Adain::apply(x, bias, noise, noise_weight, styles, alpha, eps);
  return {results[0], results[1], results[2]};
}

}  // namespace

// x (N, C, H, W), bias (C,), noise (N or 1, 1, H, W), noise_weight (C,), styles (N, 2C). mean and rstd are (N, C),
// those of the activations before the norm. dnoise is empty where it is not asked for.
TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def(
      "adain(Tensor x, Tensor? bias, Tensor? noise, Tensor? noise_weight, Tensor styles, float alpha, float eps)"
      " -> (Tensor y, Tensor mean, Tensor rstd)");
  m.def(
      "adain_backward(Tensor dy, Tensor x, Tensor? bias, Tensor? noise, Tensor? noise_weight, Tensor styles,"
      " Tensor mean, Tensor rstd, float alpha, bool noise_gradient)"
      " -> (Tensor dx, Tensor dbias, Tensor dnoise, Tensor dnoise_weight, Tensor dstyles)");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) {
  m.impl("adain", adain_cpu);
  m.impl("adain_backward", adain_backward_cpu);
}
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) {
  m.impl("adain", adain_meta);
  m.impl("adain_backward", adain_backward_meta);
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) { m.impl("adain", adain_autograd); }

}  // namespace adain_op
}  // namespace cuda_ops
