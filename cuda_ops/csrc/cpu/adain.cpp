// adain: bias, noise, leaky ReLU, instance norm and style, in two passes over x.
//
// The first pass finds the mean and the deviation of every channel of every image, the second writes the result;
// nothing else of full size exists, and only x, the means and the deviations are kept for the gradient, which likewise
// takes one pass for its two sums and one to write. Sums over an image are made of blocks: within a block in float32,
// across blocks in double, because float32 alone loses digits long before the million pixels of a large image. The
// variance of a block is taken about that block's own mean, and blocks are joined as Chan, Golub & LeVeque (1983) do.
//
// The loops see rows of lanes. In channels_last a row is a pixel and a lane is a channel; in a contiguous plane a row
// is kLanes neighbours, and all lanes are the same channel.

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <vector>

#include "output.h"
#include "vectors.h"

namespace cuda_ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// Numbers of a block, which is read twice and stays in the first-level cache in between; at least kBlockRows rows.
constexpr int64_t kBlock = 4096;
constexpr int64_t kBlockRows = 16;
// Lanes of a plane's row.
constexpr int64_t kLanes = 32;
// Planes of at most this many pixels are turned to channels_last and back: less work than beginning each of them.
constexpr int64_t kTinyPlane = 64;
// Numbers of a part of a channels_last image. Parts are joined in order, so the number of threads changes no digit.
constexpr int64_t kPart = 1 << 17;

// The shape of the operation and its inputs; parameters have the accumulator's type A.
template <typename A>
struct Layer {
  int64_t images, channels, pixels;
  bool last;  // channels_last
  const A *bias, *noise, *noise_weight, *styles;  // (C,), (images or 1, pixels) or null, (C,), (images, 2C)
  int64_t noise_step;                             // from one image's noise to the next
  A alpha;

  int64_t parts() const {  // of an image, or of a plane
    return last ? std::max<int64_t>(pixels * channels / kPart, 1) : 1;
  }
  int64_t stacks() const { return last ? images : images * channels; }
  int64_t lanes() const { return last ? channels : kLanes; }
};

// The part of an image or plane that one task works on.
template <typename A>
struct Part {
  const Layer<A>& layer;
  int64_t image, channel;  // the first of the channels
  int64_t first, last;     // pixels

  Part(const Layer<A>& l, int64_t stack, int64_t part)
      : layer(l),
        image(l.last ? stack : stack / l.channels),
        channel(l.last ? 0 : stack % l.channels),
        first(l.pixels * part / l.parts()),
        last(l.pixels * (part + 1) / l.parts()) {}

  // What belongs to each lane, out of what belongs to each channel.
  std::vector<A> per_lane(const A* of_channels) const {
    return layer.last ? std::vector<A>(of_channels, of_channels + layer.channels)
                      : std::vector<A>(kLanes, of_channels[channel]);
  }
  const A* noise_at(int64_t pixel) const {
    return layer.noise == nullptr ? nullptr : layer.noise + image * layer.noise_step + pixel;
  }

  // Calls `f(at, pixel, rows, lanes)` for each block: `at` is where it begins in the tensor.
  template <typename F>
  void blocks(F f) const {
    const int64_t lanes = layer.lanes(), width = layer.last ? 1 : kLanes;  // pixels of a row
    const int64_t size = layer.last ? layer.channels : 1;                  // numbers of a pixel
    const int64_t begin = layer.last ? image * layer.pixels * layer.channels
                                     : (image * layer.channels + channel) * layer.pixels;
    const int64_t most = std::max(kBlock / lanes, kBlockRows), whole = (last - first) / width;
    for (int64_t row = 0; row < whole; row += most) {
      const int64_t pixel = first + row * width;
      f(begin + pixel * size, pixel, std::min(most, whole - row), lanes);
    }
    const int64_t rest = (last - first) % width;
    if (rest > 0) {
      f(begin + (last - rest) * size, last - rest, int64_t(1), rest);
    }
  }
};

// The noise of a row and lane of a block, where there is none, one for each row, or one for each number.
struct NoNoise {
  template <typename A>
  static A at(const A*, int64_t, int64_t, int64_t) {
    return 0;
  }
};
struct RowNoise {
  template <typename A>
  static A at(const A* noise, int64_t row, int64_t, int64_t) {
    return noise[row];
  }
};
struct NumberNoise {
  template <typename A>
  static A at(const A* noise, int64_t row, int64_t lane, int64_t lanes) {
    return noise[row * lanes + lane];
  }
};

// Calls `f` with the one that the part has.
template <typename A, typename F>
void with_noise(const Part<A>& part, F f) {
  if (part.layer.noise == nullptr) {
    f(NoNoise());
  } else if (part.layer.last) {
    f(RowNoise());
  } else {
    f(NumberNoise());
  }
}

// What the loops over a block's numbers read beside x: bias and noise weight of each lane, and the block's noise.
template <typename A>
struct Inputs {
  const A *bias, *weight, *noise;
  A alpha;
};

// The number of samples is known to whoever joins them.
struct Moments {
  double mean = 0, squares = 0;  // squares: the sum of squared distances from the mean

  void join(double count, double other_mean, double other_squares, double other_count) {
    const double distance = other_mean - mean, share = other_count / (count + other_count);
    mean += distance * share;
    squares += other_squares + distance * distance * count * share;
  }
};

// The loops themselves. They are functions of their own, with pointers that do not overlap, so that they vectorise.
// Sums are added to, lane by lane.

template <typename Noise, typename T, typename A>
void sum_block(int64_t rows, int64_t lanes, const T* __restrict x, Inputs<A> in, A* __restrict activated,
               A* __restrict sum) {
  const A *const b = in.bias, *const w = in.weight, *const n = in.noise;
  const A alpha = in.alpha;
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC ivdep
    for (int64_t l = 0; l < lanes; ++l) {
      const A z = load<A>(x[r * lanes + l]) + b[l] + Noise::at(n, r, l, lanes) * w[l];
      const A a = z * (z > 0 ? A(1) : alpha);
      activated[r * lanes + l] = a;
      sum[l] += a;
    }
  }
}

template <typename A>
void square_block(int64_t rows, int64_t lanes, const A* __restrict activated, const A* __restrict mean,
                  A* __restrict squares) {
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC ivdep
    for (int64_t l = 0; l < lanes; ++l) {
      const A distance = activated[r * lanes + l] - mean[l];
      squares[l] += distance * distance;
    }
  }
}

template <typename Noise, typename T, typename A>
void write_block(int64_t rows, int64_t lanes, const T* __restrict x, Inputs<A> in, const A* __restrict mean,
                 const A* __restrict scale, const A* __restrict shift, T* __restrict y) {
  const A *const b = in.bias, *const w = in.weight, *const n = in.noise;
  const A alpha = in.alpha;
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC ivdep
    for (int64_t l = 0; l < lanes; ++l) {
      const A z = load<A>(x[r * lanes + l]) + b[l] + Noise::at(n, r, l, lanes) * w[l];
      y[r * lanes + l] = store<T>((z * (z > 0 ? A(1) : alpha) - mean[l]) * scale[l] + shift[l]);
    }
  }
}

template <typename Noise, typename T, typename A>
void sum_gradient_block(int64_t rows, int64_t lanes, const T* __restrict x, const T* __restrict dy, Inputs<A> in,
                        const A* __restrict mean, A* __restrict sum, A* __restrict product) {
  const A *const b = in.bias, *const w = in.weight, *const n = in.noise;
  const A alpha = in.alpha;
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC ivdep
    for (int64_t l = 0; l < lanes; ++l) {
      const A z = load<A>(x[r * lanes + l]) + b[l] + Noise::at(n, r, l, lanes) * w[l];
      const A g = load<A>(dy[r * lanes + l]);
      sum[l] += g;
      product[l] += g * (z * (z > 0 ? A(1) : alpha) - mean[l]);
    }
  }
}

// dx = (dy - offset - (a - mean) * tilt) * scale, through the leaky ReLU.
template <typename Noise, typename T, typename A>
void write_gradient_block(int64_t rows, int64_t lanes, const T* __restrict x, const T* __restrict dy, Inputs<A> in,
                          const A* __restrict mean, const A* __restrict offset, const A* __restrict tilt,
                          const A* __restrict scale, T* __restrict dx, A* __restrict sum, A* __restrict product) {
  const A *const b = in.bias, *const w = in.weight, *const n = in.noise;
  const A alpha = in.alpha;
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC ivdep
    for (int64_t l = 0; l < lanes; ++l) {
      const A noise = Noise::at(n, r, l, lanes);
      const A z = load<A>(x[r * lanes + l]) + b[l] + noise * w[l];
      const A slope = z > 0 ? A(1) : alpha;
      const A g = (load<A>(dy[r * lanes + l]) - offset[l] - (z * slope - mean[l]) * tilt[l]) * scale[l] * slope;
      dx[r * lanes + l] = store<T>(g);
      sum[l] += g;
      product[l] += g * noise;
    }
  }
}

// Moments of the part's channels after the leaky ReLU.
template <typename T, typename A>
void moments(const Part<A>& part, const T* x, Moments* out) {
  const Layer<A>& layer = part.layer;
  const auto bias = part.per_lane(layer.bias), weight = part.per_lane(layer.noise_weight);
  std::vector<A> mean(layer.lanes()), squares(layer.lanes()), activated(std::max(kBlock, kBlockRows * layer.lanes()));
  double count = 0;
  with_noise(part, [&](auto noise) {
    part.blocks([&](int64_t at, int64_t pixel, int64_t rows, int64_t lanes) {
      std::fill(mean.begin(), mean.end(), A(0));
      std::fill(squares.begin(), squares.end(), A(0));
      const Inputs<A> in{bias.data(), weight.data(), part.noise_at(pixel), layer.alpha};
      sum_block<decltype(noise)>(rows, lanes, x + at, in, activated.data(), mean.data());
      for (A& m : mean) {
        m /= A(rows);
      }
      square_block(rows, lanes, activated.data(), mean.data(), squares.data());
      if (layer.last) {
        for (int64_t l = 0; l < lanes; ++l) {
          out[l].join(count, mean[l], squares[l], rows);
        }
        count += rows;
      } else {
        for (int64_t l = 0; l < lanes; ++l, count += rows) {
          out->join(count, mean[l], squares[l], rows);
        }
      }
    });
  });
}

// y = (a - mean) * rstd * (1 + scale) + shift.
template <typename T, typename A>
void write(const Part<A>& part, const T* x, const A* mean, const A* rstd, T* y) {
  const Layer<A>& layer = part.layer;
  const A* styles = layer.styles + part.image * 2 * layer.channels;
  const auto bias = part.per_lane(layer.bias), weight = part.per_lane(layer.noise_weight);
  const auto means = part.per_lane(mean), deviation = part.per_lane(rstd);
  auto scale = part.per_lane(styles);
  const auto shift = part.per_lane(styles + layer.channels);
  for (size_t l = 0; l < scale.size(); ++l) {
    scale[l] = (scale[l] + 1) * deviation[l];
  }
  with_noise(part, [&](auto noise) {
    part.blocks([&](int64_t at, int64_t pixel, int64_t rows, int64_t lanes) {
      const Inputs<A> in{bias.data(), weight.data(), part.noise_at(pixel), layer.alpha};
      write_block<decltype(noise)>(rows, lanes, x + at, in, means.data(), scale.data(), shift.data(), y + at);
    });
  });
}

// Per channel, the sums of dy and of dy times the normalised activation: the gradients of shift and scale.
template <typename T, typename A>
void style_sums(const Part<A>& part, const T* x, const T* dy, const A* mean, const A* rstd, double* shift,
                double* scale) {
  const Layer<A>& layer = part.layer;
  const auto bias = part.per_lane(layer.bias), weight = part.per_lane(layer.noise_weight);
  const auto means = part.per_lane(mean), deviation = part.per_lane(rstd);
  std::vector<A> sum(layer.lanes()), product(layer.lanes());
  with_noise(part, [&](auto noise) {
    part.blocks([&](int64_t at, int64_t pixel, int64_t rows, int64_t lanes) {
      std::fill(sum.begin(), sum.end(), A(0));
      std::fill(product.begin(), product.end(), A(0));
      const Inputs<A> in{bias.data(), weight.data(), part.noise_at(pixel), layer.alpha};
      sum_gradient_block<decltype(noise)>(rows, lanes, x + at, dy + at, in, means.data(), sum.data(), product.data());
      for (int64_t l = 0; l < lanes; ++l) {
        shift[layer.last ? l : 0] += sum[l];
        scale[layer.last ? l : 0] += double(product[l]) * deviation[l];
      }
    });
  });
}

// dx, and per channel the sums of dx and of dx times the noise: the gradients of bias and noise_weight.
template <typename T, typename A>
void write_gradient(const Part<A>& part, const T* x, const T* dy, const A* mean, const A* rstd, const A* dstyles, T* dx,
                    double* dbias, double* dweight) {
  const Layer<A>& layer = part.layer;
  const A* styles = layer.styles + part.image * 2 * layer.channels;
  const auto bias = part.per_lane(layer.bias), weight = part.per_lane(layer.noise_weight);
  const auto means = part.per_lane(mean), deviation = part.per_lane(rstd);
  auto scale = part.per_lane(styles), tilt = part.per_lane(dstyles), offset = part.per_lane(dstyles + layer.channels);
  for (size_t l = 0; l < scale.size(); ++l) {
    scale[l] = (scale[l] + 1) * deviation[l];
    tilt[l] *= deviation[l] / A(layer.pixels);
    offset[l] /= A(layer.pixels);
  }
  std::vector<A> sum(layer.lanes()), product(layer.lanes());
  with_noise(part, [&](auto noise) {
    part.blocks([&](int64_t at, int64_t pixel, int64_t rows, int64_t lanes) {
      std::fill(sum.begin(), sum.end(), A(0));
      std::fill(product.begin(), product.end(), A(0));
      const Inputs<A> in{bias.data(), weight.data(), part.noise_at(pixel), layer.alpha};
      write_gradient_block<decltype(noise)>(rows, lanes, x + at, dy + at, in, means.data(), offset.data(), tilt.data(),
                                            scale.data(), dx + at, sum.data(), product.data());
      for (int64_t l = 0; l < lanes; ++l) {
        dbias[layer.last ? l : 0] += sum[l];
        dweight[layer.last ? l : 0] += product[l];
      }
    });
  });
}

// Runs `each(stack, part)` for all parts of all images or planes.
template <typename A, typename F>
void for_parts(const Layer<A>& layer, F each) {
  const int64_t parts = layer.parts(), numbers = layer.pixels * (layer.last ? layer.channels : 1) / parts;
  const int64_t grain = std::max(kGrain / std::max(numbers, int64_t(1)), int64_t(1));
  at::parallel_for(0, layer.stacks() * parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      each(i / parts, i % parts);
    }
  });
}

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
    const int64_t parts = layer.parts(), channels = layer.last ? layer.channels : 1;
    std::vector<Moments> found(layer.stacks() * parts * channels);
    const auto join = [&](int64_t stack) {
      Moments* const whole = &found[stack * parts * channels];
      for (int64_t part = 1; part < parts; ++part) {
        const Part<A> other(layer, stack, part);
        for (int64_t c = 0; c < channels; ++c) {
          const Moments& moments = whole[part * channels + c];
          whole[c].join(other.first, moments.mean, moments.squares, other.last - other.first);
        }
      }
      for (int64_t c = 0; c < channels; ++c) {
        means[stack * channels + c] = A(whole[c].mean);
        rstds[stack * channels + c] = A(1 / std::sqrt(whole[c].squares / layer.pixels + eps));
      }
    };
    const auto look = [&](int64_t stack, int64_t part) {
      moments(Part<A>(layer, stack, part), in, &found[(stack * parts + part) * channels]);
    };
    const auto put = [&](int64_t stack, int64_t part) {
      const Part<A> piece(layer, stack, part);
      write(piece, in, means + piece.image * layer.channels, rstds + piece.image * layer.channels, out);
    };
    if (parts == 1) {  // the second pass finds x in the cache
      for_parts(layer, [&](int64_t stack, int64_t part) {
        look(stack, part);
        join(stack);
        put(stack, part);
      });
    } else {
      for_parts(layer, look);
      for (int64_t stack = 0; stack < layer.stacks(); ++stack) {
        join(stack);
      }
      for_parts(layer, put);
    }
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
      const int64_t parts = layer.parts(), channels = last ? layer.channels : 1, c = layer.channels;
      // Two sums for each channel of each part: first shift and scale, then bias and noise weight.
      std::vector<double> sums(layer.stacks() * parts * channels * 2);
      const auto look = [&](int64_t stack, int64_t part) {
        const Part<A> piece(layer, stack, part);
        double* const sum = &sums[(stack * parts + part) * channels * 2];
        style_sums(piece, in, g, means + piece.image * c, rstds + piece.image * c, sum, sum + channels);
      };
      const auto total = [&](int64_t stack, bool second, int64_t channel) {
        double sum = 0;
        for (int64_t part = 0; part < parts; ++part) {
          sum += sums[((stack * parts + part) * 2 + second) * channels + channel];
        }
        return sum;
      };
      const auto join = [&](int64_t stack) {
        const Part<A> piece(layer, stack, 0);
        for (int64_t i = 0; i < channels; ++i) {
          of_styles[piece.image * 2 * c + c + piece.channel + i] = A(total(stack, false, i));
          of_styles[piece.image * 2 * c + piece.channel + i] = A(total(stack, true, i));
        }
      };
      const auto put = [&](int64_t stack, int64_t part) {
        const Part<A> piece(layer, stack, part);
        double* const sum = &sums[(stack * parts + part) * channels * 2];
        std::fill_n(sum, channels * 2, 0.0);
        write_gradient(piece, in, g, means + piece.image * c, rstds + piece.image * c, of_styles + piece.image * 2 * c,
                       out, sum, sum + channels);
      };
      if (parts == 1) {
        for_parts(layer, [&](int64_t stack, int64_t part) {
          look(stack, part);
          join(stack);
          put(stack, part);
        });
      } else {
        for_parts(layer, look);
        for (int64_t stack = 0; stack < layer.stacks(); ++stack) {
          join(stack);
        }
        for_parts(layer, put);
      }
      double *b = dbias.mutable_data_ptr<double>(), *w = dweight.mutable_data_ptr<double>();
      for (int64_t stack = 0; stack < layer.stacks(); ++stack) {
        for (int64_t i = 0; i < channels; ++i) {
          b[stack * channels + i] = total(stack, false, i);
          w[stack * channels + i] = total(stack, true, i);
        }
      }
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

}  // namespace cuda_ops
