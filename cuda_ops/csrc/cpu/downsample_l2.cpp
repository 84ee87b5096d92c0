// downsample_l2 of torch tensors on the CPU: schemas, derivatives, and what the kernels need to know of the tensors.
// Where there is no kernel for both axes at once, on CUDA, the same is made of `banded`, a banded matrix times one axis.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>
#include <tuple>

#include "kernels/downsample_l2.h"
#include "output.h"

namespace cuda_ops {
namespace downsample_l2_op {
namespace {

using namespace downsample_l2_kernel;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

at::MemoryFormat dense_format(const Tensor& x) {
  return x.suggest_memory_format() == at::MemoryFormat::ChannelsLast ? at::MemoryFormat::ChannelsLast
                                                                     : at::MemoryFormat::Contiguous;
}

template <typename A>
Banded<A> banded_of(const Tensor& weights, const Tensor& first, int64_t length) {
  TORCH_CHECK_VALUE(weights.dim() == 2 && first.dim() == 1 && first.size(0) == weights.size(0) &&
                        first.scalar_type() == at::kLong,
                    "downsample_l2: the weights of a band have shape ", weights.sizes(), " and their places ",
                    first.sizes(), "; give (out, taps) and (out,) of int64.");
  return {weights.const_data_ptr<A>(), first.const_data_ptr<int64_t>(), weights.size(0), weights.size(1), length};
}

Rows rows_of(int64_t n, int64_t c, int64_t width, at::MemoryFormat format) {
  return format == at::MemoryFormat::ChannelsLast ? Rows{n, c, width} : Rows{n * c, 1, width};
}

std::tuple<Tensor, Tensor> downsample_l2_cpu(const Tensor& x, const Tensor& target, const Tensor& row_weights,
                                             const Tensor& row_first, const Tensor& column_weights,
                                             const Tensor& column_first, const Tensor&, const Tensor&, const Tensor&,
                                             const Tensor&) {
  const auto format = dense_format(x);
  const auto type = at::toOpMathType(x.scalar_type());
  const Tensor from = x.contiguous(format), wanted = target.to(type).contiguous();
  const int64_t n = x.size(0), c = x.size(1), h = row_weights.size(0), w = column_weights.size(0);
  const auto options = x.options().dtype(type).memory_format(std::nullopt);
  const Tensor small = at::empty({n, c, h, w}, options), loss = at::empty({n}, options);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "downsample_l2", [&] {
    using A = acc_t<scalar_t>;
    A* const found = small.mutable_data_ptr<A>();
    if (small.numel() > 0) {
      const Tensor down = row_weights.to(type).contiguous(), across = column_weights.to(type).contiguous();
      const Tensor tops = row_first.contiguous(), lefts = column_first.contiguous();
      reduce(rows_of(n, c, x.size(3), format), banded_of<A>(down, tops, x.size(2)),
             banded_of<A>(across, lefts, x.size(3)), from.const_data_ptr<scalar_t>(), found);
    }
    const A* const goal = wanted.const_data_ptr<A>();
    const int64_t count = c * h * w;
    for (int64_t image = 0; image < n; ++image) {
      const double sum = squared_error(found + image * count, goal + image * count, count);
      loss.mutable_data_ptr<A>()[image] = A(sum / count);
    }
  });
  return {loss, small};
}

// The gradient of the small image.
Tensor gradient_of_small(const OptionalTensor& dloss, const OptionalTensor& dsmall, const Tensor& small,
                         const Tensor& target) {
  if (!dloss) return *dsmall;
  const c10::SymInt count = small.sym_size(1) * small.sym_size(2) * small.sym_size(3);
  const Tensor slope = dloss->reshape({-1, 1, 1, 1}) * (2.0 / count.guard_int(__FILE__, __LINE__));
  const Tensor part = (small - target.to(small.scalar_type())) * slope;
  return dsmall ? *dsmall + part : part;
}

Tensor downsample_l2_backward_cpu(const OptionalTensor& dloss, const OptionalTensor& dsmall, const Tensor& small,
                                  const Tensor& target, const Tensor& row_weights, const Tensor& row_first,
                                  const Tensor& column_weights, const Tensor& column_first, at::ScalarType dtype,
                                  at::MemoryFormat format) {
  const int64_t n = small.size(0), c = small.size(1), h = row_weights.size(0), w = column_weights.size(0);
  const Tensor dx = on_huge_pages(at::empty({n, c, h, w}, small.options().dtype(dtype).memory_format(format)));
  if (dx.numel() == 0) return dx;
  const auto type = at::toOpMathType(dtype);
  const auto plain = [type](const Tensor& t) { return t.to(type).contiguous(); };
  // As gradient_of_small, without a pass and a tensor for each of its steps.
  const Tensor found = plain(small), wanted = plain(target);
  const Tensor of_loss = dloss ? plain(*dloss) : Tensor(), of_small = dsmall ? plain(*dsmall) : Tensor();
  const Tensor from = at::empty_like(found);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, dtype, "downsample_l2_backward", [&] {
    using A = acc_t<scalar_t>;
    const A *const have = found.const_data_ptr<A>(), *const goal = wanted.const_data_ptr<A>();
    const A* const given = dsmall ? of_small.const_data_ptr<A>() : nullptr;
    A* const sum = from.mutable_data_ptr<A>();
    const int64_t count = found.numel() / n;
    for (int64_t i = 0; i < found.numel(); i += count) {
      const A slope = dloss ? of_loss.const_data_ptr<A>()[i / count] * A(2.0 / count) : A(0);
      for (int64_t k = i; k < i + count; ++k) {
        sum[k] = (given ? given[k] : A(0)) + (dloss ? (have[k] - goal[k]) * slope : A(0));
      }
    }
    const Tensor up = row_weights.to(type).contiguous(), across = column_weights.to(type).contiguous();
    const Tensor tops = row_first.contiguous(), lefts = column_first.contiguous();
    expand(rows_of(n, c, w, format), banded_of<A>(up, tops, small.size(2)), banded_of<A>(across, lefts, small.size(3)),
           from.const_data_ptr<A>(), dx.mutable_data_ptr<scalar_t>());
  });
  return dx;
}

Tensor banded_meta(const Tensor& x, const Tensor& weights, const Tensor&, int64_t axis, at::ScalarType dtype) {
  auto sizes = x.sym_sizes().vec();
  sizes[axis] = weights.sym_size(0);
  return at::empty_symint(sizes, x.options().dtype(dtype).memory_format(dense_format(x)));
}

Tensor banded(const Tensor& x, const Tensor& weights, const Tensor& first, int64_t axis, at::ScalarType dtype) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("cuda_ops::banded", "").typed<decltype(banded)>();
  return op.call(x, weights, first, axis, dtype);
}

// The bands of the matrices that reduce the height and the width, and of their transposes.
struct Bands {
  Tensor row_weights, row_first, column_weights, column_first;
};

// Where there is no kernel for both axes at once: all that is of full size happens in `banded`.
std::tuple<Tensor, Tensor> forward(const Tensor& x, const Tensor& target, const Bands& down) {
  const auto type = at::toOpMathType(x.scalar_type());
  // Along a row of planes the loops are longer than along pixels of three colours.
  const Tensor rows = banded(x, down.row_weights, down.row_first, 2, type).contiguous();
  const Tensor small = banded(rows, down.column_weights, down.column_first, 3, type);
  return {(small - target.to(type)).square().mean(at::IntArrayRef{1, 2, 3}), small};
}

// The gradient of x for that of the small image, by the transposed bands, in the memory format of x.
Tensor backward(const Tensor& dsmall, const Bands& up, at::ScalarType dtype, at::MemoryFormat format) {
  const Tensor rows =
      banded(dsmall.contiguous(), up.column_weights, up.column_first, 3, dsmall.scalar_type()).contiguous(format);
  // A single channel, or a single pixel, is dense in both formats; the caller's is the one to keep.
  return banded(rows, up.row_weights, up.row_first, 2, dtype).contiguous(format);
}

Tensor downsample_l2_backward(const OptionalTensor& dloss, const OptionalTensor& dsmall, const Tensor& small,
                              const Tensor& target, const Tensor& row_weights, const Tensor& row_first,
                              const Tensor& column_weights, const Tensor& column_first, at::ScalarType dtype,
                              at::MemoryFormat format) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("cuda_ops::downsample_l2_backward", "")
                             .typed<decltype(downsample_l2_backward)>();
  return op.call(dloss, dsmall, small, target, row_weights, row_first, column_weights, column_first, dtype, format);
}

Tensor dense(const Tensor& weights, const Tensor& first, const c10::SymInt& length, at::ScalarType type) {
  const Tensor index = first.unsqueeze(1) + at::arange(weights.size(1), first.options());
  const Tensor empty = at::zeros_symint({weights.sym_size(0), length}, weights.options().dtype(type));
  return empty.scatter(1, index, weights.to(type));
}

std::tuple<Tensor, Tensor> downsample_l2(const Tensor& x, const Tensor& target, const Tensor& row_weights,
                                         const Tensor& row_first, const Tensor& column_weights,
                                         const Tensor& column_first, const Tensor& row_weights_t,
                                         const Tensor& row_first_t, const Tensor& column_weights_t,
                                         const Tensor& column_first_t) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("cuda_ops::downsample_l2", "")
                             .typed<decltype(downsample_l2)>();
  return op.call(x, target, row_weights, row_first, column_weights, column_first, row_weights_t, row_first_t,
                 column_weights_t, column_first_t);
}

class DownsampleL2 : public torch::autograd::Function<DownsampleL2> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x,
                                                const Tensor& target, const Bands& down, const Bands& up) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [loss, small] =
        downsample_l2(x, target, down.row_weights, down.row_first, down.column_weights, down.column_first,
                      up.row_weights, up.row_first, up.column_weights, up.column_first);
    ctx->save_for_backward({target, small, up.row_weights, up.row_first, up.column_weights, up.column_first});
    ctx->saved_data["height"] = x.sym_size(2);
    ctx->saved_data["width"] = x.sym_size(3);
    ctx->saved_data["dtype"] = static_cast<int64_t>(x.scalar_type());
    ctx->saved_data["format"] = static_cast<int64_t>(dense_format(x));
    ctx->set_materialize_grads(false);
    return {loss, small};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &target = saved[0], &small = saved[1];
    const Bands up{saved[2], saved[3], saved[4], saved[5]};
    const auto dtype = static_cast<at::ScalarType>(ctx->saved_data["dtype"].toInt());
    const auto format = static_cast<at::MemoryFormat>(ctx->saved_data["format"].toInt());
    const auto given = [](const Tensor& t) { return t.defined() ? OptionalTensor(t) : std::nullopt; };
    Tensor dx, dtarget;
    if (grads[0].defined() && ctx->needs_input_grad(1)) {
      dtarget = gradient_of_small(grads[0], std::nullopt, small, target).neg().to(target.scalar_type());
    }
    if (!ctx->needs_input_grad(0) || (!grads[0].defined() && !grads[1].defined())) {
      return {dx, dtarget, Tensor(), Tensor()};
    }
    if (at::GradMode::is_enabled()) {
      // For what differentiates again: products with the whole matrices, which PyTorch knows the gradients of.
      const auto type = small.scalar_type();
      const Tensor rows = dense(up.row_weights, up.row_first, small.sym_size(2), type);
      const Tensor columns = dense(up.column_weights, up.column_first, small.sym_size(3), type);
      const Tensor dsmall = gradient_of_small(given(grads[0]), given(grads[1]), small, target);
      dx = at::matmul(at::matmul(rows, dsmall), columns.t()).to(dtype);
    } else {
      dx = downsample_l2_backward(given(grads[0]), given(grads[1]), small, target, up.row_weights, up.row_first,
                                  up.column_weights, up.column_first, dtype, format);
    }
    return {dx, dtarget, Tensor(), Tensor()};
  }
};

std::tuple<Tensor, Tensor> downsample_l2_autograd(const Tensor& x, const Tensor& target, const Tensor& row_weights,
                                                  const Tensor& row_first, const Tensor& column_weights,
                                                  const Tensor& column_first, const Tensor& row_weights_t,
                                                  const Tensor& row_first_t, const Tensor& column_weights_t,
                                                  const Tensor& column_first_t) {
  const auto results = DownsampleL2::apply(x, target, Bands{row_weights, row_first, column_weights, column_first},
                                           Bands{row_weights_t, row_first_t, column_weights_t, column_first_t});
  return {results[0], results[1]};
}

}  // namespace

// banded: weights (out, taps), first (out,) int64; out[o] = sum over t of weights[o, t] * x[first[o] + t] along `axis`, 2
// or 3, in `dtype`. downsample_l2: loss (N,) and small (N, C, h, w), in the type that is computed with.
TORCH_LIBRARY_FRAGMENT(cuda_ops, m) {
  m.def("banded(Tensor x, Tensor weights, Tensor first, int axis, ScalarType dtype) -> Tensor");
  m.def(
      "downsample_l2(Tensor x, Tensor target, Tensor row_weights, Tensor row_first, Tensor column_weights,"
      " Tensor column_first, Tensor row_weights_t, Tensor row_first_t, Tensor column_weights_t, Tensor column_first_t)"
      " -> (Tensor loss, Tensor small)");
  m.def(
      "downsample_l2_backward(Tensor? dloss, Tensor? dsmall, Tensor small, Tensor target, Tensor row_weights,"
      " Tensor row_first, Tensor column_weights, Tensor column_first, ScalarType dtype, MemoryFormat memory_format)"
      " -> Tensor");
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) {
  m.impl("downsample_l2", downsample_l2_cpu);
  m.impl("downsample_l2_backward", downsample_l2_backward_cpu);
}
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) { m.impl("banded", banded_meta); }
TORCH_LIBRARY_IMPL(cuda_ops, CompositeExplicitAutograd, m) {
  m.impl("downsample_l2", [](const Tensor& x, const Tensor& target, const Tensor& row_weights, const Tensor& row_first,
                             const Tensor& column_weights, const Tensor& column_first, const Tensor&, const Tensor&,
                             const Tensor&, const Tensor&) {
    return forward(x, target, {row_weights, row_first, column_weights, column_first});
  });
  m.impl("downsample_l2_backward",
         [](const OptionalTensor& dloss, const OptionalTensor& dsmall, const Tensor& small, const Tensor& target,
            const Tensor& row_weights, const Tensor& row_first, const Tensor& column_weights,
            const Tensor& column_first, at::ScalarType dtype, at::MemoryFormat format) {
           return backward(gradient_of_small(dloss, dsmall, small, target),
                           {row_weights, row_first, column_weights, column_first}, dtype, format);
         });
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) { m.impl("downsample_l2", downsample_l2_autograd); }

}  // namespace downsample_l2_op
}  // namespace cuda_ops
