// bias_act of torch tensors on the CPU: schemas, derivatives, and what the kernels need to know of the tensors.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/bias_act.h"
#include "output.h"

namespace cuda_ops {
namespace bias_act_op {
namespace {

using namespace bias_act_kernel;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// The layout that x is worked on in: x itself where it is dense in it, and its images, channels and pixels.
struct Shape {
  Tensor x;
  int64_t images, channels, pixels;
  bool last;
};

bool channels_last(const Tensor& x, int64_t dim) {
  return x.dim() == 4 && dim == 1 && x.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
}

Shape shape_of(const Tensor& x, int64_t dim) {
  if (channels_last(x, dim)) {
    const int64_t n = x.size(0), c = x.size(1), pixels = x.size(2) * x.size(3);
    return {x.contiguous(at::MemoryFormat::ChannelsLast), n, c, pixels, true};
  }
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < x.dim(); ++d) (d < dim ? outer : inner) *= d == dim ? 1 : x.size(d);
  const int64_t channels = x.dim() == 0 ? 1 : x.size(dim);
  // With nothing behind the channels, a row of them is a pixel; the scale still belongs to its image.
  if (inner == 1 && x.dim() != 4) return {x.contiguous(), 1, channels, outer, true};
  return {x.contiguous(), outer, channels, inner, false};
}

template <typename A>
Tensor parameter(const OptionalTensor& given) {
  return given.has_value() ? given->to(at::CppTypeToScalarType<A>::value).contiguous() : Tensor();
}

template <typename A>
const A* data(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<A>() : nullptr;
}

template <typename A>
Layer<A> layer_of(const Shape& shape, const Tensor& b, const Tensor& scale, const Tensor& noise, const Tensor& strength,
                  double alpha, double gain, double clamp) {
  return {shape.images,
          shape.channels,
          shape.pixels,
          shape.last,
          data<A>(b),
          data<A>(scale),
          data<A>(noise),
          noise.defined() && noise.size(0) > 1 ? shape.pixels : 0,
          strength.defined() ? *strength.const_data_ptr<A>() : A(1),
          A(alpha),
          A(gain),
          clamp < 0 ? std::numeric_limits<A>::infinity() : A(clamp),
          kLinear};
}

int act_of(c10::string_view name) {
  constexpr c10::string_view names[] = {"linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish"};
  const auto* const found = std::find(std::begin(names), std::end(names), name);
  TORCH_CHECK_VALUE(found != std::end(names), "bias_act: there is no activation '", name, "'.");
  return int(found - std::begin(names));
}

int64_t checked_dim(const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
                    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim) {
  dim = dim < 0 ? dim + x.dim() : dim;
  TORCH_CHECK_VALUE(!(noise || scale) || (x.dim() == 4 && dim == 1),
                    "bias_act: noise and scale need x of shape (N, C, H, W) and dim 1.");
  TORCH_CHECK_VALUE(!b || (dim >= 0 && dim < x.dim() && b->numel() == x.size(dim)),
                    "bias_act: give one bias for each entry of axis ", dim, " of x.");
  TORCH_CHECK_VALUE(!strength || strength->numel() == 1, "bias_act: strength is one number.");
  TORCH_CHECK_VALUE(!scale || scale->sizes() == x.sizes().slice(0, 2), "bias_act: scale is (N, C).");
  TORCH_CHECK_VALUE(!noise || (noise->dim() == 4 && (noise->size(0) == 1 || noise->size(0) == x.size(0)) &&
                               noise->size(1) == 1 && noise->size(2) == x.size(2) && noise->size(3) == x.size(3)),
                    "bias_act: noise is (N or 1, 1, H, W).");
  return dim;
}

at::MemoryFormat format_of(const Tensor& x, int64_t dim) {
  return channels_last(x, dim < 0 ? dim + x.dim() : dim) ? at::MemoryFormat::ChannelsLast
                                                         : at::MemoryFormat::Contiguous;
}

Tensor like(const Tensor& x, int64_t dim) {
  return on_huge_pages(at::empty(x.sizes(), x.options().memory_format(format_of(x, dim))));
}

Tensor bias_act_cpu(const Tensor& given, const OptionalTensor& b, const OptionalTensor& noise,
                    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act,
                    double alpha, double gain, std::optional<double> clamp) {
  dim = checked_dim(given, b, noise, strength, scale, dim);
  const Tensor y = like(given, dim);
  if (given.numel() == 0) return y;
  const Shape shape = shape_of(given, dim);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, given.scalar_type(), "bias_act", [&] {
    using T = scalar_t;
    using A = acc_t<T>;
    const Tensor bias = parameter<A>(b), factor = parameter<A>(scale), map = parameter<A>(noise),
                 strong = parameter<A>(strength);
    const auto layer = layer_of<A>(shape, bias, factor, map, strong, alpha, gain, clamp.value_or(-1));
    forward<T>(act_of(act), layer, shape.x.const_data_ptr<T>(), y.mutable_data_ptr<T>());
  });
  return y;
}

// Parts (outer, parts, size) added up to (outer, size).
template <typename A>
Tensor added(double* parts_of, int64_t outer, int64_t parts, int64_t size, const at::TensorOptions& options) {
  const Tensor result = at::empty({outer, size}, options);
  A* out = result.mutable_data_ptr<A>();
  for (int64_t o = 0; o < outer; ++o, parts_of += parts * size, out += size) {
    for (int64_t part = 1; part < parts; ++part) {
      for (int64_t i = 0; i < size; ++i) parts_of[i] += parts_of[part * size + i];
    }
    for (int64_t i = 0; i < size; ++i) out[i] = parts > 0 ? static_cast<A>(parts_of[i]) : A(0);
  }
  return result;
}

// dx, db (C,), dnoise like noise, dstrength (), dscale (N, C); empty where the input is not there. `parameters` is false
// where none of b, strength and scale wants a gradient, `of_noise` where the noise wants none.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> bias_act_backward_cpu(
    const Tensor& dy, const Tensor& given, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha,
    double gain, std::optional<double> clamp, bool parameters, bool of_noise) {
  dim = checked_dim(given, b, noise, strength, scale, dim);
  const Tensor dx = like(given, dim);
  const Shape shape = shape_of(given, dim);
  const Tensor g = dy.to(given.scalar_type()).contiguous(format_of(given, dim));
  of_noise = of_noise && noise;
  const auto options = given.options().dtype(at::toOpMathType(given.scalar_type())).memory_format(std::nullopt);
  const Tensor none = at::empty({0}, options);
  Tensor db = none, dnoise = none, dstrength = none, dscale = none;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, given.scalar_type(), "bias_act_backward", [&] {
    using T = scalar_t;
    using A = acc_t<T>;
    const Tensor bias = parameter<A>(b), factor = parameter<A>(scale), map = parameter<A>(noise),
                 strong = parameter<A>(strength);
    const auto layer = layer_of<A>(shape, bias, factor, map, strong, alpha, gain, clamp.value_or(-1));
    const int64_t parts = layer.parts();
    // Of each part of an image, in an order that does not depend on the threads.
    const int64_t tasks = shape.images * parts, per_channel = tasks * shape.channels;
    const bool of_b = parameters && b, of_scale = parameters && scale, of_strength = parameters && strength && noise;
    std::vector<double> sums((of_b + of_scale) * per_channel + of_strength * tasks, 0.0);
    double* const b_sums = sums.data();
    double* const scale_sums = b_sums + of_b * per_channel;
    double* const strength_sums = scale_sums + of_scale * per_channel;
    const Tensor rows = of_noise ? at::zeros({shape.images, 1, given.size(2), given.size(3)}, options) : Tensor();
    const Gradients<T, A> out{dx.mutable_data_ptr<T>(), of_b ? b_sums : nullptr, of_scale ? scale_sums : nullptr,
                              rows.defined() ? rows.mutable_data_ptr<A>() : nullptr,
                              of_strength ? strength_sums : nullptr};
    if (given.numel() > 0) {
      backward<T>(act_of(act), clamp.has_value(), layer, g.const_data_ptr<T>(), shape.x.const_data_ptr<T>(), out);
    }
    if (of_b) db = added<A>(b_sums, 1, tasks, shape.channels, options).reshape({shape.channels});
    if (of_scale) dscale = added<A>(scale_sums, shape.images, parts, shape.channels, options);
    if (of_strength) dstrength = added<A>(strength_sums, 1, tasks, 1, options).reshape(strength->sizes());
    if (rows.defined()) dnoise = (strength ? rows * strong : rows).sum_to_size(noise->sizes());
  });
  return {dx, db, dnoise, dstrength, dscale};
}

Tensor bias_act_meta(const Tensor& x, const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
                     const OptionalTensor&, int64_t dim, c10::string_view, double, double, std::optional<double>) {
  return at::empty_symint(x.sym_sizes(), x.options().memory_format(format_of(x, dim)));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> bias_act_backward_meta(
    const Tensor&, const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view, double, double,
    std::optional<double>, bool parameters, bool of_noise) {
  const auto options = x.options().dtype(at::toOpMathType(x.scalar_type())).memory_format(std::nullopt);
  const auto like = [&](bool wanted, const OptionalTensor& t) {
    return wanted && t ? at::empty_symint(t->sym_sizes(), options) : at::empty({0}, options);
  };
  return {at::empty_symint(x.sym_sizes(), x.options().memory_format(format_of(x, dim))), like(parameters, b),
          like(of_noise, noise), like(parameters, strength), like(parameters, scale)};
}

Tensor bias_act(const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise, const OptionalTensor& strength,
                const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha, double gain,
                std::optional<double> clamp) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("cuda_ops::bias_act", "").typed<decltype(bias_act)>();
  return op.call(x, b, noise, strength, scale, dim, act, alpha, gain, clamp);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> bias_act_backward(
    const Tensor& dy, const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
    const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim, c10::string_view act, double alpha,
    double gain, std::optional<double> clamp, bool parameters, bool of_noise) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("cuda_ops::bias_act_backward", "")
                             .typed<decltype(bias_act_backward)>();
  return op.call(dy, x, b, noise, strength, scale, dim, act, alpha, gain, clamp, parameters, of_noise);
}

// `activate` and `slope` in operations that PyTorch knows the gradients of. What `where` leaves out is kept finite,
// because a product of zero and infinity would reach the gradient.
Tensor activated(const Tensor& z, int act, double alpha) {
  switch (act) {
    case kRelu:
      return z.relu();
    case kLrelu:
      return at::leaky_relu(z, alpha);
    case kTanh:
      return z.tanh();
    case kSigmoid:
      return z.sigmoid();
    case kElu:
      return at::elu(z);
    case kSelu:
      return at::selu(z);
    case kSoftplus:
      return at::softplus(z);
    case kSwish:
      return at::silu(z);
    default:
      return z;
  }
}

Tensor slope_of(const Tensor& z, int act, double alpha) {
  const auto below_zero = [&] { return z.clamp_max(0).exp(); };
  switch (act) {
    case kRelu:
      return (z > 0).to(z.scalar_type());
    case kLrelu:
      return at::full_like(z, alpha).masked_fill(z > 0, 1);
    case kTanh:
      return 1 - z.tanh().square();
    case kSigmoid:
      return z.sigmoid() * (1 - z.sigmoid());
    case kElu:
      return below_zero().masked_fill(z > 0, 1);
    case kSelu:
      return below_zero().mul(kSeluScale * kSeluAlpha).masked_fill(z > 0, kSeluScale);
    case kSoftplus:
      return z.sigmoid().masked_fill(z > 20, 1);
    case kSwish:
      return z.sigmoid() * (1 + z * (1 - z.sigmoid()));
    default:
      return at::ones_like(z);
  }
}

// The gradients for what differentiates again; undefined where the input is.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> differentiable_backward(
    const Tensor& dy, const Tensor& given, const Tensor& b, const Tensor& noise, const Tensor& strength,
    const Tensor& scale, int64_t dim, c10::string_view name, double alpha, double gain, std::optional<double> clamp) {
  const auto type = at::toOpMathType(given.scalar_type());
  const int act = act_of(name);
  const Tensor x = given.to(type);
  std::vector<int64_t> others;
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (d != (dim < 0 ? dim + x.dim() : dim)) others.push_back(d);
  }
  const auto each_channel = [&](Tensor t) {
    for (const int64_t d : others) t = t.unsqueeze(d);
    return t.to(type);
  };
  Tensor z = x, factor, map;
  if (scale.defined()) {
    factor = scale.to(type).unsqueeze(2).unsqueeze(3);
    z = z * factor;
  }
  if (noise.defined()) {
    map = strength.defined() ? noise.to(type) * strength.to(type) : noise.to(type);
    z = z + map;
  }
  if (b.defined()) z = z + each_channel(b);
  Tensor dz = dy.to(type) * slope_of(z, act, alpha) * gain;
  if (clamp) dz = dz.masked_fill((activated(z, act, alpha) * gain).abs() > *clamp, 0);
  Tensor dnoise, dstrength;
  if (noise.defined()) {
    const Tensor rows = noise.size(0) == 1 ? dz.sum(at::IntArrayRef{0, 1}, true) : dz.sum(at::IntArrayRef{1}, true);
    dnoise = strength.defined() ? rows * strength.to(type) : rows;
    if (strength.defined()) dstrength = (rows * noise.to(type)).sum().reshape_as(strength);
  }
  return {scale.defined() ? dz * factor : dz, b.defined() ? (others.empty() ? dz : dz.sum(others)) : Tensor(), dnoise,
          dstrength, scale.defined() ? (dz * x).sum(at::IntArrayRef{2, 3}) : Tensor()};
}

class BiasAct : public torch::autograd::Function<BiasAct> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const OptionalTensor& b,
                        const OptionalTensor& noise, const OptionalTensor& strength, const OptionalTensor& scale,
                        int64_t dim, c10::string_view act, double alpha, double gain, std::optional<double> clamp) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({x, b.value_or(Tensor()), noise.value_or(Tensor()), strength.value_or(Tensor()),
                            scale.value_or(Tensor())});
    ctx->saved_data["dim"] = dim;
    ctx->saved_data["act"] = std::string(act);
    ctx->saved_data["alpha"] = alpha;
    ctx->saved_data["gain"] = gain;
    ctx->saved_data["clamp"] = clamp;
    return bias_act(x, b, noise, strength, scale, dim, act, alpha, gain, clamp);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &b = saved[1], &noise = saved[2], &strength = saved[3], &scale = saved[4];
    auto& options = ctx->saved_data;
    const int64_t dim = options["dim"].toInt();
    const std::string act = options["act"].toStringRef();
    const double alpha = options["alpha"].toDouble(), gain = options["gain"].toDouble();
    const auto clamp = options["clamp"].toOptional<double>();
    // Only tensors that were given are counted among the inputs.
    bool wanted[5];
    for (size_t i = 0, place = 0; i < 5; ++i) wanted[i] = saved[i].defined() && ctx->needs_input_grad(place++);
    const auto given = [](const Tensor& t) { return t.defined() ? OptionalTensor(t) : std::nullopt; };
    const auto [dx, db, dnoise, dstrength, dscale] =
        at::GradMode::is_enabled()
            // This gradient will be differentiated in turn.
            ? differentiable_backward(grads[0], x, b, noise, strength, scale, dim, act, alpha, gain, clamp)
            : bias_act_backward(grads[0], x, given(b), given(noise), given(strength), given(scale), dim, act, alpha,
                                gain, clamp, wanted[1] || wanted[3] || wanted[4], wanted[2]);
    torch::autograd::variable_list results{dx, db, dnoise, dstrength, dscale, {}, {}, {}, {}, {}};
    for (size_t i = 0; i < 5; ++i) {
      results[i] = wanted[i] ? results[i].to(saved[i].scalar_type()) : Tensor();
    }
    return results;
  }
};

Tensor bias_act_autograd(const Tensor& x, const OptionalTensor& b, const OptionalTensor& noise,
                         const OptionalTensor& strength, const OptionalTensor& scale, int64_t dim,
                         c10::string_view act, double alpha, double gain, std::optional<double> clamp) {
  return BiasAct::apply(x, b, noise, strength, scale, dim, act, alpha, gain, clamp);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def(
      "bias_act(Tensor x, Tensor? b, Tensor? noise, Tensor? strength, Tensor? scale, int dim, str act, float alpha,"
      " float gain, float? clamp) -> Tensor");
  m.def(
      "bias_act_backward(Tensor dy, Tensor x, Tensor? b, Tensor? noise, Tensor? strength, Tensor? scale, int dim,"
      " str act, float alpha, float gain, float? clamp, bool parameters, bool of_noise)"
      " -> (Tensor dx, Tensor db, Tensor dnoise, Tensor dstrength, Tensor dscale)");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) {
  m.impl("bias_act", bias_act_cpu);
  m.impl("bias_act_backward", bias_act_backward_cpu);
}
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) {
  m.impl("bias_act", bias_act_meta);
  m.impl("bias_act_backward", bias_act_backward_meta);
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) { m.impl("bias_act", bias_act_autograd); }

}  // namespace bias_act_op
}  // namespace cuda_ops
