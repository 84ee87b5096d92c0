// One pass over a tensor (images, channels, pixels) in either memory format, with sums of every (image, channel).
//
// The five operations have the same shape: each number is computed from the numbers at the same place and from a few
// that belong to its channel, its image's channel, or its pixel; backward passes also sum something over the pixels of
// each channel. What is computed is a functor `f(place, sums)`; this header says where, and adds up.
//
// A block sums its part of the pixels in a tree and writes the result to its own place in `partial`
// (SUMS, images, channels, chunks), which the caller adds up: no atomics, so the same input gives the same bits.
#pragma once

#include "kernel.h"

namespace cuda_ops {
namespace cuda {

// V numbers side by side: of V pixels in a contiguous plane, or of V channels of one pixel where channels are LAST.
template <int V, bool LAST>
struct Place {
  int64_t image, channel, pixel;
  int64_t row;     // image * channels + channel
  int64_t offset;  // in the tensor
};

template <typename A, int V>
__device__ inline Values<A, V> same(A value) {
  Values<A, V> values;
#pragma unroll
  for (int v = 0; v < V; ++v) {
    values.at[v] = value;
  }
  return values;
}

// The entries of `data` for these V numbers, `otherwise` where there is no data.
template <typename A, int V, bool LAST>
__device__ inline Values<A, V> per_channel(const A* data, const Place<V, LAST>& place, A otherwise) {
  if (data == nullptr) return same<A, V>(otherwise);
  if constexpr (LAST) return load<V>(data + place.channel);
  return same<A, V>(__ldg(data + place.channel));
}
template <typename A, int V, bool LAST>
__device__ inline Values<A, V> per_row(const A* data, const Place<V, LAST>& place, A otherwise) {
  if (data == nullptr) return same<A, V>(otherwise);
  if constexpr (LAST) return load<V>(data + place.row);
  return same<A, V>(__ldg(data + place.row));
}
// `step` is the distance from one image's pixels to the next one's, 0 where all images share them.
template <typename A, int V, bool LAST>
__device__ inline Values<A, V> per_pixel(const A* data, int64_t step, const Place<V, LAST>& place, A otherwise) {
  if (data == nullptr) return same<A, V>(otherwise);
  const A* from = data + place.image * step + place.pixel;
  if constexpr (LAST) return same<A, V>(__ldg(from));
  return load<V>(from);
}

// Adds up rows of `shared` (values, threads) over the block's depth, into the threads of depth 0.
template <typename A, int N>
__device__ inline void sum_block(A (&shared)[N][kThreads], const Tiles& tiles, int depth) {
  int half = 1;
  while (half * 2 < tiles.depth) half *= 2;
  for (__syncthreads(); half > 0; half /= 2) {
    if (depth < half && depth + half < tiles.depth) {
      for (int i = 0; i < N; ++i) {
        shared[i][threadIdx.x] += shared[i][threadIdx.x + half * tiles.lanes];
      }
    }
    __syncthreads();
  }
}

template <typename A, int V, bool LAST, int SUMS, typename F>
__global__ void __launch_bounds__(kThreads) rows_kernel(Layout layout, Tiles tiles, F f, A* partial) {
  const int lane = threadIdx.x % tiles.lanes, depth = threadIdx.x / tiles.lanes;
  for (int64_t tile = blockIdx.x; tile < tiles.groups * tiles.chunks; tile += gridDim.x) {
    const int64_t chunk = tile % tiles.chunks, group = tile / tiles.chunks;
    Place<V, LAST> place;
    place.image = group / tiles.channel_groups;
    place.channel = group % tiles.channel_groups;
    if (LAST) place.channel = (place.channel * tiles.lanes + lane) * V;
    place.row = place.image * layout.channels + place.channel;
    const bool inside = place.channel < layout.channels;

    A sums[SUMS > 0 ? SUMS : 1][V] = {};
    const auto visit = [&](int64_t step) {
      place.pixel = LAST ? step : step * V;
      place.offset = LAST ? (place.image * layout.pixels + step) * layout.channels + place.channel
                          : place.row * layout.pixels + place.pixel;
      f(place, sums);
    };
    const int64_t first = chunk * tiles.steps * tiles.depth + depth;
    if (inside && first + (tiles.steps - 1) * tiles.depth < tiles.extent) {
#pragma unroll 4
      for (int64_t s = 0; s < tiles.steps; ++s) visit(first + s * tiles.depth);
    } else if (inside) {
      for (int64_t step = first; step < tiles.extent; step += tiles.depth) visit(step);
    }

    if constexpr (SUMS > 0) {
      constexpr int N = LAST ? SUMS * V : SUMS;
      __shared__ A shared[N][kThreads];
      for (int k = 0; k < SUMS; ++k) {
        if constexpr (!LAST) shared[k][threadIdx.x] = 0;
        for (int v = 0; v < V; ++v) {
          if constexpr (LAST) {
            shared[k * V + v][threadIdx.x] = sums[k][v];
          } else {
            shared[k][threadIdx.x] += sums[k][v];
          }
        }
      }
      sum_block(shared, tiles, depth);
      if (depth == 0 && inside) {
        for (int i = 0; i < N; ++i) {
          const int64_t k = LAST ? i / V : i, row = place.row + (LAST ? i % V : 0);
          partial[(k * layout.images * layout.channels + row) * tiles.chunks + chunk] = shared[i][threadIdx.x];
        }
      }
      __syncthreads();
    }
  }
}

// Runs `f` over the tensor, V numbers at a time. V must divide the channels (channels_last) or the pixels.
template <typename A, int V, int SUMS, typename F>
cudaError_t over_rows(const Layout& layout, const F& f, A* partial, cudaStream_t stream) {
  if (layout.images * layout.channels * layout.pixels == 0) return cudaSuccess;
  const Tiles tiles = tiles_of(layout, V, SUMS > 0);
  const dim3 blocks(unsigned(std::min<int64_t>(tiles.groups * tiles.chunks, INT32_MAX)));
  const dim3 threads(tiles.lanes * tiles.depth);
  return layout.channels_last
             ? launch(rows_kernel<A, V, true, SUMS, F>, blocks, threads, stream, layout, tiles, f, partial)
             : launch(rows_kernel<A, V, false, SUMS, F>, blocks, threads, stream, layout, tiles, f, partial);
}

// Something of each pixel summed over the channels: out (images, pixels) from `f(place)`, one number at a time.
template <typename A, bool LAST, typename F>
__global__ void __launch_bounds__(kThreads) pixels_kernel(Layout layout, F f, A* out) {
  // Contiguous: a thread for each pixel. Channels last: 32 threads for each, so that they read side by side.
  const int lanes = LAST ? 32 : 1, lane = threadIdx.x % lanes, depth = threadIdx.x / lanes;
  const int pixels = blockDim.x / lanes;
  __shared__ A shared[kThreads];
  for (int64_t base = int64_t(blockIdx.x) * pixels; base < layout.images * layout.pixels;
       base += int64_t(gridDim.x) * pixels) {
    const int64_t index = base + depth;
    const bool inside = index < layout.images * layout.pixels;
    A sum = 0;
    if (inside) {
      Place<1, LAST> place;
      place.image = index / layout.pixels;
      place.pixel = index % layout.pixels;
      for (place.channel = lane; place.channel < layout.channels; place.channel += lanes) {
        place.row = place.image * layout.channels + place.channel;
        place.offset = LAST ? index * layout.channels + place.channel : place.row * layout.pixels + place.pixel;
        sum += f(place);
      }
    }
    if constexpr (LAST) {
      shared[threadIdx.x] = sum;
      __syncthreads();
      for (int half = 16; half > 0; half /= 2) {
        if (lane < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
      }
      sum = shared[threadIdx.x];
      __syncthreads();
    }
    if (inside && lane == 0) out[index] = sum;
  }
}

template <typename A, typename F>
cudaError_t over_pixels(const Layout& layout, const F& f, A* out, cudaStream_t stream) {
  const int64_t pixels = layout.images * layout.pixels;
  if (pixels == 0) return cudaSuccess;
  const int64_t each = layout.channels_last ? kThreads / 32 : kThreads;
  const dim3 blocks(unsigned(std::min<int64_t>(ceil_div(pixels, each), INT32_MAX)));
  return layout.channels_last ? launch(pixels_kernel<A, true, F>, blocks, kThreads, stream, layout, f, out)
                              : launch(pixels_kernel<A, false, F>, blocks, kThreads, stream, layout, f, out);
}

}  // namespace cuda
}  // namespace cuda_ops
