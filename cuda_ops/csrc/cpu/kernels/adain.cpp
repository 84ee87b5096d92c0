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

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "adain.h"

namespace cuda_ops {
namespace adain_kernel {
namespace {

// Numbers of a block, which is read twice and stays in the first-level cache in between; at least kBlockRows rows.
constexpr int64_t kBlock = 4096;
constexpr int64_t kBlockRows = 16;
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

}  // namespace

template <typename T>
void forward(const Layer<acc_t<T>>& layer, double eps, const T* x, T* y, acc_t<T>* mean, acc_t<T>* rstd) {
  using A = acc_t<T>;
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
      mean[stack * channels + c] = A(whole[c].mean);
      rstd[stack * channels + c] = A(1 / std::sqrt(whole[c].squares / layer.pixels + eps));
    }
  };
  const auto look = [&](int64_t stack, int64_t part) {
    moments(Part<A>(layer, stack, part), x, &found[(stack * parts + part) * channels]);
  };
  const auto put = [&](int64_t stack, int64_t part) {
    const Part<A> piece(layer, stack, part);
    write(piece, x, mean + piece.image * layer.channels, rstd + piece.image * layer.channels, y);
  };
  if (parts == 1) {  // the second pass finds x x the cache
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
}

template <typename T>
void backward(const Layer<acc_t<T>>& layer, const T* dy, const T* x, const acc_t<T>* mean, const acc_t<T>* rstd, T* dx,
              acc_t<T>* dstyles, double* dbias, double* dweight) {
  using A = acc_t<T>;
  const int64_t parts = layer.parts(), channels = layer.last ? layer.channels : 1, c = layer.channels;
  // Two sums for each channel of each part: first shift and scale, then bias and noise weight.
  std::vector<double> sums(layer.stacks() * parts * channels * 2);
  const auto look = [&](int64_t stack, int64_t part) {
    const Part<A> piece(layer, stack, part);
    double* const sum = &sums[(stack * parts + part) * channels * 2];
    style_sums(piece, x, dy, mean + piece.image * c, rstd + piece.image * c, sum, sum + channels);
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
      dstyles[piece.image * 2 * c + c + piece.channel + i] = A(total(stack, false, i));
      dstyles[piece.image * 2 * c + piece.channel + i] = A(total(stack, true, i));
    }
  };
  const auto put = [&](int64_t stack, int64_t part) {
    const Part<A> piece(layer, stack, part);
    double* const sum = &sums[(stack * parts + part) * channels * 2];
    std::fill_n(sum, channels * 2, 0.0);
    write_gradient(piece, x, dy, mean + piece.image * c, rstd + piece.image * c, dstyles + piece.image * 2 * c,
                   dx, sum, sum + channels);
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
  for (int64_t stack = 0; stack < layer.stacks(); ++stack) {
    for (int64_t i = 0; i < channels; ++i) {
      dbias[stack * channels + i] = total(stack, false, i);
      dweight[stack * channels + i] = total(stack, true, i);
    }
  }
}

template void forward<float>(const Layer<float>&, double, const float*, float*, float*, float*);
template void backward<float>(const Layer<float>&, const float*, const float*, const float*, const float*, float*, float*, double*,
                            double*);
template void forward<double>(const Layer<double>&, double, const double*, double*, double*, double*);
template void backward<double>(const Layer<double>&, const double*, const double*, const double*, const double*, double*, double*, double*,
                            double*);
template void forward<c10::BFloat16>(const Layer<float>&, double, const c10::BFloat16*, c10::BFloat16*, float*, float*);
template void backward<c10::BFloat16>(const Layer<float>&, const c10::BFloat16*, const c10::BFloat16*, const float*, const float*, c10::BFloat16*, float*, double*,
                            double*);

}  // namespace adain_kernel
}  // namespace cuda_ops
