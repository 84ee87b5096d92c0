// adain of torch tensors on CUDA; the schemas stand in ../cpu/adain.cpp.

#include "adain.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <tuple>

#include "tensors.h"

namespace cuda_ops {
namespace cuda {
namespace {

// The tensors, contiguous, with parameters in the type that is computed with. Noise without a weight is no noise.
struct AdainTensors {
  at::MemoryFormat format;
  Layout layout;
  at::Tensor x, styles;
  OptionalTensor bias, noise, noise_weight;
  at::TensorOptions options;  // of the parameters

  AdainTensors(const at::Tensor& x_, const OptionalTensor& bias_, const OptionalTensor& noise_,
        const OptionalTensor& noise_weight_, const at::Tensor& styles_)
      : format(x_.suggest_memory_format()),
        layout(layout_of(x_, format)),
        x(x_.contiguous(format)),
        styles(*parameter(styles_, x_, "adain", "styles")),
        bias(parameter(bias_, x_, "adain", "the bias")) {
    if (noise_ && noise_weight_) {
      noise = parameter(noise_, x_, "adain", "the noise");
      noise_weight = parameter(noise_weight_, x_, "adain", "the noise weight");
    }
    options = styles.options();
  }

  template <typename T>
  Activated<T> activated(double alpha) const {
    using A = acc_t<T>;
    const int64_t step = noise && noise->size(0) > 1 ? layout.pixels : 0;
    return {input<T>(x), input<A>(bias), input<A>(noise), input<A>(noise_weight), step, A(alpha)};
  }

  at::Tensor like_x() const { return at::empty(x.sizes(), x.options().memory_format(format)); }
  at::Tensor rows() const { return at::empty({layout.images, layout.channels}, options); }
  // Two sums of every (image, channel) in parts.
  at::Tensor partial(int width) const {
    return at::empty({2, layout.images, layout.channels, chunks_of(layout, width)}, options);
  }
};

std::tuple<at::Tensor, at::Tensor, at::Tensor> adain_cuda(const at::Tensor& x, const OptionalTensor& bias,
                                                          const OptionalTensor& noise,
                                                          const OptionalTensor& noise_weight, const at::Tensor& styles,
                                                          double alpha, double eps) {
  const c10::cuda::CUDAGuard guard(x.device());
  const AdainTensors op(x, bias, noise, noise_weight, styles);
  const at::Tensor y = op.like_x();
  at::Tensor mean = op.rows(), rstd = op.rows();
  if (x.numel() == 0) {
    return {y, mean.zero_(), rstd.zero_()};
  }
  CUDA_OPS_DISPATCH(x, "adain", [&] {
    using A = acc_t<T>;
    const auto in = op.activated<T>(alpha);
    const at::Tensor shift = op.rows();
    const int width = adain_width(op.layout, in, input<T>(op.styles), output<T>(y));
    const at::Tensor partial = op.partial(width);
    check(adain_shift(op.layout, in, output<A>(shift), stream()), "adain");
    check(adain_statistics(op.layout, width, in, input<A>(shift), output<A>(partial), stream()), "adain");
    // In double, because the square of the mean is taken off the mean of the squares.
    const at::Tensor means = partial.sum(at::IntArrayRef{3}, false, at::kDouble) / double(op.layout.pixels);
    mean = (means[0] + shift).to(op.options);
    rstd = (means[1] - means[0].square()).clamp_min(0).add(eps).rsqrt().to(op.options);
    check(adain_apply(op.layout, width, in, input<A>(mean), input<A>(rstd), input<A>(op.styles), output<T>(y),
                      stream()),
          "adain");
  });
  return {y, mean, rstd};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> adain_backward_cuda(
    const at::Tensor& dy, const at::Tensor& x, const OptionalTensor& bias, const OptionalTensor& noise,
    const OptionalTensor& noise_weight, const at::Tensor& styles, const at::Tensor& mean, const at::Tensor& rstd,
    double alpha, bool noise_gradient) {
  const c10::cuda::CUDAGuard guard(x.device());
  const AdainTensors op(x, bias, noise, noise_weight, styles);
  const at::Tensor dx = op.like_x(), g = dy.contiguous(op.format);
  at::Tensor dbias = at::zeros({op.layout.channels}, op.options), dweight = at::zeros_like(dbias);
  at::Tensor dstyles = at::zeros(op.styles.sizes(), op.options);
  const bool with_noise = noise_gradient && op.noise;
  at::Tensor dnoise = with_noise ? at::zeros(op.noise->sizes(), op.options) : at::empty({0}, op.options);
  if (x.numel() == 0) {
    return {dx, dbias, dnoise, dweight, dstyles};
  }
  CUDA_OPS_DISPATCH(x, "adain_backward", [&] {
    using A = acc_t<T>;
    const auto in = op.activated<T>(alpha);
    const int width = std::min(adain_width(op.layout, in, input<T>(g), output<T>(dx)),
                               adain_width(op.layout, in, input<A>(op.styles), nullptr));
    const at::Tensor partial = op.partial(width);
    const at::Tensor means = mean.contiguous(), rstds = rstd.contiguous();
    check(adain_backward_sums(op.layout, width, in, input<A>(means), input<A>(rstds), input<T>(g), output<A>(partial),
                              stream()),
          "adain_backward");
    const at::Tensor sums = partial.sum(3);
    dstyles = at::cat({sums[1], sums[0]}, 1);
    const at::Tensor of_g = sums / double(op.layout.pixels);
    const at::Tensor mean_g = of_g[0].contiguous(), mean_gn = of_g[1].clone();
    check(adain_backward(op.layout, width, in, input<A>(means), input<A>(rstds), input<A>(op.styles), input<A>(mean_g),
                         input<A>(mean_gn), input<T>(g), output<T>(dx), output<A>(partial), stream()),
          "adain_backward");
    const at::Tensor of_channels = partial.sum(at::IntArrayRef{1, 3});
    dbias = of_channels[0].clone();
    dweight = of_channels[1].clone();
    if (with_noise) {
      const at::Tensor each = at::empty({op.layout.images, 1, x.size(2), x.size(3)}, op.options);
      check(adain_backward_noise(op.layout, input<T>(dx), input<A>(op.noise_weight), output<A>(each), stream()),
            "adain_backward");
      dnoise = each.sum_to_size(op.noise->sizes());
    }
  });
  return {dx, dbias, dnoise, dweight, dstyles};
}

}  // namespace

TORCH_LIBRARY_IMPL(cuda_ops, CUDA, m) {
  m.impl("adain", adain_cuda);
  m.impl("adain_backward", adain_backward_cuda);
}

}  // namespace cuda
}  // namespace cuda_ops
