// downsample_l2: a separable reduction of images and the squared error of what is left, one pass over memory each way.
//
// Going down, the rows are reduced first, a strip of columns at a time, and what they add up to is reduced to columns
// while it is in the cache. Going back up, the rows come last, so that the gradient of full size is written once and
// nothing else is of full size. Where there is no kernel for both axes at once, on CUDA, the same is made of `banded`,
// a banded matrix times one axis of an image.

#include <ATen/Parallel.h>

#include <type_traits>
#include <vector>

#include "downsample_l2.h"
#include "lanes.h"
#include "memory.h"

namespace cuda_ops {
namespace downsample_l2_kernel {
namespace {

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

}  // namespace

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

template <typename A, typename Out>
void expand(const Rows& rows, const Banded<A>& up, const Banded<A>& across, const A* small, Out* dx) {
  const int64_t channels = rows.channels, row = rows.row(), strip = rows.strip(), strips = rows.strips();
  const auto runs = stretches(across, strip);
  // The weights of neighbours side by side.
  std::vector<A> by_tap(across.taps * across.out);
  turn(across.weights, by_tap.data(), across.out, across.taps);
  const bool stream = past_the_caches(dx, rows.count * up.out * row);
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

template void reduce(const Rows&, const Banded<float>&, const Banded<float>&, const float*, float*);
template void expand(const Rows&, const Banded<float>&, const Banded<float>&, const float*, float*);
template void reduce(const Rows&, const Banded<double>&, const Banded<double>&, const double*, double*);
template void expand(const Rows&, const Banded<double>&, const Banded<double>&, const double*, double*);
template void reduce(const Rows&, const Banded<float>&, const Banded<float>&, const c10::BFloat16*, float*);
template void expand(const Rows&, const Banded<float>&, const Banded<float>&, const float*, c10::BFloat16*);
template double squared_error(const float*, const float*, int64_t);
template double squared_error(const double*, const double*, int64_t);

}  // namespace downsample_l2_kernel
}  // namespace cuda_ops
