// downsample_l2: a separable reduction of images and the squared error of what is left, one pass over memory each way.
//
// Going down, the rows are reduced first, a strip of columns at a time, and what they add up to is reduced to columns
// while it is in the cache. Going back up, the rows come last, so that the gradient of full size is written once and
// nothing else is of full size. Where there is no kernel for both axes at once, on CUDA, the same is made of `banded`,
// a banded matrix times one axis of an image.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "lanes.h"
#include "output.h"
#include "vectors.h"

namespace cuda_ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// Numbers of a strip of an image's row, long enough for the processor to foresee what is read next; rows that are added
// to all their sums while they are in the cache; and rows of the small image that are summed at a time.
constexpr int64_t kStrip = 3072, kRows = 4, kOutputs = 16;

// A matrix (out, length) whose rows are zero outside of one run of `taps` columns each.
template <typename A>
struct Banded {
  const A* weights;      // (out, taps)
  const int64_t* first;  // (out,): the column of the first tap; taps that meet no column count as 0
  int64_t out, taps, length;

  // The columns of row `o` that lie in [from, to), and the weight of the first of them.
  int64_t begin(int64_t o, int64_t from) const { return std::max(first[o], from); }
  int64_t end(int64_t o, int64_t to) const { return std::min(first[o] + taps, to); }
  const A* from(int64_t o, int64_t column) const { return weights + o * taps + column - first[o]; }
};

// Rows of pixels whose numbers lie side by side: `count` images in channels_last, or planes of one channel.
struct Rows {
  int64_t count, channels, width;

  int64_t row() const { return width * channels; }
  int64_t strip() const { return std::max<int64_t>(kStrip / channels, 1); }
  int64_t strips() const { return (width + strip() - 1) / strip(); }
};

// out = (add ? out : 0) + the weighted sum of `count` rows, which is not 0. Four at a time; the last four are filled up
// with the first of them again, and no weight.
// `stream` stores past the caches: `out` is aligned to a vector then.
template <typename A, typename In, typename Out>
void sum_rows(const In* const* rows, const A* weights, int64_t count, bool add, Out* __restrict out, int64_t n,
              bool stream = false) {
  for (int64_t y = 0; y < count; y += 4) {
    const In* r[4];
    A w[4];
    for (int64_t k = 0; k < 4; ++k) {
      r[k] = rows[y + k < count ? y + k : y];
      w[k] = y + k < count ? weights[y + k] : A(0);
    }
    const In *r0 = r[0], *r1 = r[1], *r2 = r[2], *r3 = r[3];
    const A w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
    const auto four = [&](int64_t i) {
      return w0 * load<A>(r0[i]) + w1 * load<A>(r1[i]) + w2 * load<A>(r2[i]) + w3 * load<A>(r3[i]);
    };
    if (add || y > 0) {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = store<Out>(load<A>(out[i]) + four(i));
    } else {
      int64_t done = 0;
      if constexpr (std::is_same_v<In, A> && std::is_same_v<Out, A>) {
        for (; stream && done + Lanes<A>::count <= n; done += Lanes<A>::count) {
          stream_vector(out + done, w0 * load_vector(r0 + done) + w1 * load_vector(r1 + done) +
                                        w2 * load_vector(r2 + done) + w3 * load_vector(r3 + done));
        }
      }
#pragma omp simd
      for (int64_t i = done; i < n; ++i) out[i] = store<Out>(four(i));
    }
  }
}

// (rows, columns) to (columns, rows).
template <typename A>
void turn(const A* __restrict in, A* __restrict out, int64_t rows, int64_t columns) {
  const auto run = [&](auto some) {
    for (int64_t c = 0; c < some; ++c) {
#pragma GCC ivdep
      for (int64_t r = 0; r < rows; ++r) out[c * rows + r] = in[r * some + c];
    }
  };
  const auto back = [&](auto some) {
#pragma GCC ivdep
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < some; ++r) out[c * some + r] = in[r * columns + c];
    }
  };
  // Three colours, with loops of known length.
  if (columns == 3) {
    run(std::integral_constant<int64_t, 3>());
  } else if (rows == 3) {
    back(std::integral_constant<int64_t, 3>());
  } else {
    run(columns);
  }
}

// Makes images small: `down` times the height, `across` times the width. A block of outputs at a time: the rows that
// they see go by once, a strip of columns and a few rows at a time, and what they add up to never leaves the cache.
// small (count, channels, rows, columns).
template <typename A, typename In>
void reduce(const Rows& rows, const Banded<A>& down, const Banded<A>& across, const In* x, A* small) {
  const int64_t channels = rows.channels, row = rows.row(), strip = rows.strip();
  const int64_t threads = at::get_num_threads();
  const int64_t block = std::clamp<int64_t>((rows.count * down.out + threads - 1) / threads, 1, kOutputs);
  const int64_t blocks = (down.out + block - 1) / block;
  at::parallel_for(0, rows.count * blocks, 1, [&](int64_t first_task, int64_t last_task) {
    std::vector<A> sums(block * strip * channels), turned(strip * channels);
    for (int64_t task = first_task; task < last_task; ++task) {
      const int64_t o0 = task % blocks * block, o1 = std::min(o0 + block, down.out);
      const In* image = x + task / blocks * down.length * row;
      A* const result = small + task / blocks * channels * down.out * across.out;
      for (int64_t c = 0; c < channels; ++c) {
        std::fill_n(result + (c * down.out + o0) * across.out, (o1 - o0) * across.out, A(0));
      }
      int64_t top = down.length, bottom = 0;
      for (int64_t o = o0; o < o1; ++o) {
        top = std::min(top, down.begin(o, 0));
        bottom = std::max(bottom, down.end(o, down.length));
      }
      for (int64_t left = 0; left < rows.width; left += strip) {
        const int64_t right = std::min(left + strip, rows.width), n = (right - left) * channels;
        std::fill(sums.begin(), sums.end(), A(0));
        // From a multiple of kRows, so that the order of a sum does not depend on the block.
        for (int64_t y = top / kRows * kRows; y < bottom; y += kRows) {
          for (int64_t o = o0; o < o1; ++o) {
            const int64_t some = down.begin(o, y), all = down.end(o, std::min(y + kRows, down.length));
            if (some >= all) continue;
            const In* seen[kRows];
            for (int64_t k = 0; k < all - some; ++k) seen[k] = image + (some + k) * row + left * channels;
            sum_rows(seen, down.from(o, some), all - some, true, sums.data() + (o - o0) * n, n);
          }
        }
        for (int64_t o = o0; o < o1; ++o) {
          const A* line = sums.data() + (o - o0) * n;
          if (channels > 1) {
            turn(line, turned.data(), right - left, channels);
            line = turned.data();
          }
          for (int64_t j = 0; j < across.out; ++j) {
            const int64_t some = across.begin(j, left), taps = across.end(j, right) - some;
            if (taps <= 0) continue;
            const A* w = across.from(j, some);
            for (int64_t c = 0; c < channels; ++c) {
              const A* from = line + c * (right - left) + some - left;
              A sum = 0;
#pragma omp simd reduction(+ : sum)
              for (int64_t t = 0; t < taps; ++t) sum += w[t] * from[t];
              result[(c * down.out + o) * across.out + j] += sum;
            }
          }
        }
      }
    }
  });
}

// Columns of a large image that see the same columns of the small one, as those between two samples do.
struct Stretch {
  int64_t begin, end;
};
template <typename A>
std::vector<Stretch> stretches(const Banded<A>& m, int64_t strip) {
  std::vector<Stretch> found;
  for (int64_t o = 0; o < m.out; ++o) {
    if (o % strip == 0 || m.first[o] != m.first[o - 1]) found.push_back({o, o});
    found.back().end = o + 1;
  }
  return found;
}

// The adjoint: small (count, channels, rows, columns) is spread over images, `up` and `across` being the transposed
// matrices. Strip by strip from the top to the bottom; the few rows of the small image that a row sees are kept as wide
// as the strip, so that each is widened once.
template <typename A, typename Out>
void expand(const Rows& rows, const Banded<A>& up, const Banded<A>& across, const A* small, Out* dx) {
  const int64_t channels = rows.channels, row = rows.row(), strip = rows.strip(), strips = rows.strips();
  const auto runs = stretches(across, strip);
  // The weights of neighbours side by side.
  std::vector<A> by_tap(across.taps * across.out);
  turn(across.weights, by_tap.data(), across.out, across.taps);
  const bool stream = int64_t(sizeof(Out)) * rows.count * up.out * row >= kStreamed;
  const int64_t grain = std::max<int64_t>(kGrain / (strip * channels), 1);
  at::parallel_for(0, rows.count * strips * up.out, grain, [&](int64_t begin, int64_t end) {
    std::vector<A> wide(up.taps * strip * channels), line(strip * channels), sum(strip * channels);
    std::vector<int64_t> kept(up.taps, -1);
    std::vector<const A*> seen;
    int64_t now = -1;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t y = i % up.out, image = i / up.out / strips, left = i / up.out % strips * strip;
      const int64_t right = std::min(left + strip, rows.width), n = (right - left) * channels;
      if (i / up.out != now) {
        now = i / up.out;
        std::fill(kept.begin(), kept.end(), -1);
      }
      const int64_t some = up.begin(y, 0), all = up.end(y, up.length);
      seen.clear();
      for (int64_t o = some; o < all; ++o) {
        const int64_t slot = o % up.taps;
        A* const one = wide.data() + slot * strip * channels;
        if (kept[slot] != o) {
          const A* const from = small + (image * channels * up.length + o) * across.length;
          A* const target = channels > 1 ? line.data() : one;
          std::fill_n(target, n, A(0));
          auto run = std::lower_bound(runs.begin(), runs.end(), left,
                                      [](const Stretch& stretch, int64_t x) { return stretch.begin < x; });
          for (; run != runs.end() && run->begin < right; ++run) {
            const int64_t c0 = across.begin(run->begin, 0), c1 = across.end(run->begin, across.length);
            for (int64_t column = c0; column < c1; ++column) {
              const A* w = by_tap.data() + (column - across.first[run->begin]) * across.out;
              for (int64_t c = 0; c < channels; ++c) {
                const A value = from[c * up.length * across.length + column];
                A* const to = target + c * (right - left) - left;
#pragma omp simd
                for (int64_t p = run->begin; p < run->end; ++p) to[p] += w[p] * value;
              }
            }
          }
          if (channels > 1) turn(line.data(), one, channels, right - left);
          kept[slot] = o;
        }
        seen.push_back(one);
      }
      Out* const out = dx + (image * up.out + y) * row + left * channels;
      if (seen.empty()) {
        std::fill_n(out, n, store<Out>(A(0)));
      } else if (seen.size() <= 4) {
        const bool aligned = reinterpret_cast<uintptr_t>(out) % kVectorBytes == 0;
        sum_rows(seen.data(), up.from(y, some), seen.size(), false, out, n, stream && aligned);
      } else {
        sum_rows(seen.data(), up.from(y, some), seen.size(), false, sum.data(), n);
        for (int64_t k = 0; k < n; ++k) out[k] = store<Out>(sum[k]);
      }
    }
    finish_streams();
  });
}

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

template <typename A>
double squared_error(const A* found, const A* wanted, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const double difference = double(found[i]) - wanted[i];
    sum += difference * difference;
  }
  return sum;
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

}  // namespace cuda_ops
