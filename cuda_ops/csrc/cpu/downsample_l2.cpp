// downsample_l2: a separable reduction of images and the squared error of what is left, and what both are made of: a
// banded matrix times one axis of an image.
//
// Going down, the rows are reduced first, so that after one pass over x everything is small. Going back up, the rows
// come last, so that the gradient of full size is written once and nothing else is of full size.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "output.h"
#include "vectors.h"

namespace cuda_ops {
namespace {

using at::Tensor;

// Numbers of a strip, rows that are added to all their sums while they are in the cache, and the most taps of an output
// that is written at once.
constexpr int64_t kStrip = 1024, kRows = 8, kTaps = 8;

// in (outer, length, inner) to out (outer, out_length, inner).
template <typename A>
struct Banded {
  const A* weights;      // (out_length, taps)
  const int64_t* first;  // (out_length,): the input that the first tap meets; taps that meet none count as 0
  int64_t taps, outer, length, out_length, inner;
};

// dst = (add ? dst : 0) + the weighted sum of four rows.
template <bool add, typename A, typename In, typename Out>
inline void sum_four(const In* const* rows, const A* w, Out* dst, int64_t n) {
  const In *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
  const A w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const A sum = w0 * load<A>(r0[i]) + w1 * load<A>(r1[i]) + w2 * load<A>(r2[i]) + w3 * load<A>(r3[i]);
    dst[i] = store<Out>(add ? load<A>(dst[i]) + sum : sum);
  }
}

// The weighted sum of the inputs [from, to) of output `o`, four at a time; the last four are filled up with the first
// again, and no weight.
template <typename A, typename In, typename Out>
inline void sum_window(const Banded<A>& m, const In* in, int64_t o, int64_t from, int64_t to, bool add, Out* dst,
                       int64_t n) {
  const A* weights = m.weights + o * m.taps - m.first[o];
  for (int64_t y = from; y < to; y += 4) {
    const In* rows[4];
    A w[4];
    for (int64_t k = 0; k < 4; ++k) {
      rows[k] = in + (y + k < to ? y + k : from) * m.inner;
      w[k] = y + k < to ? weights[y + k] : A(0);
    }
    if (add) {
      sum_four<true>(rows, w, dst, n);
    } else {
      sum_four<false>(rows, w, dst, n);
    }
    add = true;
  }
}

// Many numbers side by side: sums of rows, strip by strip. With few taps an output row is written at once. With many,
// the input goes by once, a few rows at a time, and is added to all the outputs that see it.
template <typename A, typename In, typename Out>
void sum_rows(const Banded<A>& m, const In* in, Out* out) {
  const int64_t strip = std::min(kStrip, m.inner), strips = (m.inner + strip - 1) / strip;
  const int64_t work = std::max<int64_t>(m.out_length * m.taps * strip, 1);
  at::parallel_for(0, m.outer * strips, std::max<int64_t>(kGrain / work, 1), [&](int64_t begin, int64_t end) {
    const bool at_once = m.taps <= kTaps;
    std::vector<A> sums(at_once ? strip : m.out_length * strip);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t at = task % strips * strip, n = std::min(strip, m.inner - at);
      const In* from = in + task / strips * m.length * m.inner + at;
      Out* to = out + task / strips * m.out_length * m.inner + at;
      const auto first = [&](int64_t o) { return std::max<int64_t>(m.first[o], 0); };
      const auto last = [&](int64_t o) { return std::min(m.first[o] + m.taps, m.length); };
      const auto finish = [&](const A* sum, int64_t o) {
        Out* row = to + o * m.inner;
#pragma GCC ivdep
        for (int64_t i = 0; i < n; ++i) row[i] = store<Out>(sum[i]);
      };
      if (at_once) {
        for (int64_t o = 0; o < m.out_length; ++o) {
          if (last(o) <= first(o)) {
            std::fill_n(to + o * m.inner, n, store<Out>(A(0)));
          } else if (m.taps <= 4) {
            sum_window(m, from, o, first(o), last(o), false, to + o * m.inner, n);
          } else {
            sum_window(m, from, o, first(o), last(o), false, sums.data(), n);
            finish(sums.data(), o);
          }
        }
        continue;
      }
      std::fill(sums.begin(), sums.end(), A(0));
      for (int64_t y = 0; y < m.length; y += kRows) {
        for (int64_t o = 0; o < m.out_length; ++o) {
          const int64_t some = std::max(first(o), y), all = std::min(last(o), y + kRows);
          if (some < all) sum_window(m, from, o, some, all, true, sums.data() + o * strip, n);
        }
      }
      for (int64_t o = 0; o < m.out_length; ++o) finish(sums.data() + o * strip, o);
    }
  });
}

// Outputs that see the same inputs, as those between two samples do on the way up; their weights lie side by side.
struct Stretch {
  int64_t begin, end, some, all;
};
template <typename A>
std::vector<Stretch> stretches(const Banded<A>& m) {
  std::vector<Stretch> found;
  for (int64_t o = 0; o < m.out_length; ++o) {
    if (o == 0 || m.first[o] != m.first[o - 1]) {
      found.push_back({o, o, std::max<int64_t>(-m.first[o], 0), std::min(m.taps, m.length - m.first[o])});
    }
    found.back().end = o + 1;
  }
  return found;
}

// Few numbers side by side: a sum for each; `by_tap` are the weights (taps, out_length).
template <typename A, typename In, typename Out>
void sum_each(const Banded<A>& m, const std::vector<A>& by_tap, const In* in, Out* out) {
  const auto runs = stretches(m);
  // On the way up few inputs reach many outputs, which are then summed side by side.
  const bool upwards = m.inner == 1 && int64_t(runs.size()) * 4 <= m.out_length;
  const int64_t work = std::max<int64_t>(m.out_length * m.taps * m.inner, 1);
  at::parallel_for(0, m.outer, std::max<int64_t>(kGrain / work, 1), [&](int64_t begin, int64_t end) {
    std::vector<A> line(upwards ? m.out_length : 0);
    for (int64_t outer = begin; outer < end; ++outer) {
      const In* from = in + outer * m.length * m.inner;
      Out* to = out + outer * m.out_length * m.inner;
      if (upwards) {
        std::fill(line.begin(), line.end(), A(0));
        for (const auto& run : runs) {
          for (int64_t t = run.some; t < run.all; ++t) {
            const A value = load<A>(from[m.first[run.begin] + t]);
            const A* w = by_tap.data() + t * m.out_length;
#pragma GCC ivdep
            for (int64_t o = run.begin; o < run.end; ++o) line[o] += w[o] * value;
          }
        }
        for (int64_t o = 0; o < m.out_length; ++o) to[o] = store<Out>(line[o]);
        continue;
      }
      for (int64_t o = 0; o < m.out_length; ++o) {
        const int64_t first = m.first[o];
        const int64_t some = std::max<int64_t>(-first, 0), all = std::min(m.taps, m.length - first);
        const A* w = m.weights + o * m.taps;
        for (int64_t i = 0; i < m.inner; ++i) {
          const In* r = from + first * m.inner + i;
          A sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t t = some; t < all; ++t) sum += w[t] * load<A>(r[t * m.inner]);
          to[o * m.inner + i] = store<Out>(sum);
        }
      }
    }
  });
}

at::MemoryFormat dense_format(const Tensor& x) {
  return x.suggest_memory_format() == at::MemoryFormat::ChannelsLast ? at::MemoryFormat::ChannelsLast
                                                                     : at::MemoryFormat::Contiguous;
}

Tensor banded_cpu(const Tensor& x, const Tensor& weights, const Tensor& first, int64_t axis, at::ScalarType dtype) {
  TORCH_CHECK_VALUE(x.dim() == 4 && (axis == 2 || axis == 3), "banded: x has ", x.dim(), " axes and axis is ", axis,
                    "; give x (N, C, H, W) and axis 2 or 3.");
  TORCH_CHECK_VALUE(weights.dim() == 2 && first.dim() == 1 && first.size(0) == weights.size(0) &&
                        first.scalar_type() == at::kLong,
                    "banded: the weights have shape ", weights.sizes(), " and first ", first.sizes(),
                    "; give (out, taps) and (out,) of int64.");
  const auto format = dense_format(x);
  const bool last = format == at::MemoryFormat::ChannelsLast;
  const Tensor from = x.contiguous(format), starts = first.contiguous();
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes[axis] = weights.size(0);
  const Tensor out = on_huge_pages(at::empty(sizes, x.options().dtype(dtype).memory_format(format)));
  if (out.numel() == 0) return out;
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const int64_t outer = (last ? n : n * c) * (axis == 2 ? 1 : h), inner = (last ? c : 1) * (axis == 2 ? w : 1);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "banded", [&] {
    using In = scalar_t;
    using A = acc_t<In>;
    const Tensor taps = weights.to(at::CppTypeToScalarType<A>::value).contiguous();
    const Banded<A> matrix{taps.const_data_ptr<A>(), starts.const_data_ptr<int64_t>(), taps.size(1), outer,
                           x.size(axis), taps.size(0), inner};
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, dtype, "banded", [&] {
      using Out = scalar_t;
      const In* source = from.const_data_ptr<In>();
      Out* target = out.mutable_data_ptr<Out>();
      if (inner >= 16) {
        sum_rows(matrix, source, target);
      } else {
        const Tensor turned = taps.t().contiguous();
        const std::vector<A> by_tap(turned.const_data_ptr<A>(), turned.const_data_ptr<A>() + turned.numel());
        sum_each(matrix, by_tap, source, target);
      }
    });
  });
  return out;
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

// On any device: all that is of full size happens in `banded`.
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
    Tensor dtarget, dsmall = grads[1];
    if (grads[0].defined()) {
      const c10::SymInt count = small.sym_size(1) * small.sym_size(2) * small.sym_size(3);
      const Tensor slope = grads[0].reshape({-1, 1, 1, 1}) * 2 / at::scalar_tensor(count.guard_int(__FILE__, __LINE__));
      const Tensor part = (small - target.to(small.scalar_type())) * slope;
      dtarget = ctx->needs_input_grad(1) ? part.neg().to(target.scalar_type()) : Tensor();
      dsmall = dsmall.defined() ? dsmall + part : part;
    }
    Tensor dx;
    if (dsmall.defined() && ctx->needs_input_grad(0)) {
      if (at::GradMode::is_enabled()) {
        // For what differentiates again: products with the whole matrices, which PyTorch knows the gradients of.
        const auto type = small.scalar_type();
        const Tensor rows = dense(up.row_weights, up.row_first, small.sym_size(2), type);
        const Tensor columns = dense(up.column_weights, up.column_first, small.sym_size(3), type);
        dx = at::matmul(at::matmul(rows, dsmall), columns.t()).to(dtype);
      } else {
        dx = cuda_ops::backward(dsmall, up, dtype, format);
      }
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
}
TORCH_LIBRARY_IMPL(cuda_ops, CPU, m) { m.impl("banded", banded_cpu); }
TORCH_LIBRARY_IMPL(cuda_ops, Meta, m) { m.impl("banded", banded_meta); }
TORCH_LIBRARY_IMPL(cuda_ops, CompositeExplicitAutograd, m) {
  m.impl("downsample_l2", [](const Tensor& x, const Tensor& target, const Tensor& row_weights, const Tensor& row_first,
                             const Tensor& column_weights, const Tensor& column_first, const Tensor&, const Tensor&,
                             const Tensor&, const Tensor&) {
    return forward(x, target, {row_weights, row_first, column_weights, column_first});
  });
}
TORCH_LIBRARY_IMPL(cuda_ops, Autograd, m) { m.impl("downsample_l2", downsample_l2_autograd); }

}  // namespace cuda_ops
