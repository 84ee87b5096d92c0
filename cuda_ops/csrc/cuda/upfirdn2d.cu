// upfirdn2d without the zero-inserted image.
//
// Output o of an axis sees the zero-inserted image from o * down - before on; every `up`-th of those places holds an
// input. Filters of up to 4 x 4 taps with the factors of StyleGAN run in `tile_kernel`, where a thread makes a small
// tile of outputs and loads each input under it once, into registers; everything else runs in `any_kernel`.
// Threads that lie side by side work on numbers that lie side by side: channels first, then columns.

#include "upfirdn2d.h"

#include "kernel.h"

namespace cuda_ops {
namespace cuda {
namespace {

__device__ __host__ inline int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The tap that meets the k-th sample of a window.
template <typename T>
__device__ inline acc_t<T> tap(const Upfirdn2d<T>& op, int ky, int kx) {
  if (ky >= op.along_y.taps || kx >= op.along_x.taps) return 0;
  if (!op.flip) {
    ky = op.along_y.taps - 1 - ky;
    kx = op.along_x.taps - 1 - kx;
  }
  return __ldg(op.taps + ky * op.along_x.taps + kx) * acc_t<T>(op.gain);
}

// A block is x * y threads: x over (tiles of columns, channels), y over tiles of rows; grid z over images.
template <typename T, int V>
__global__ void __launch_bounds__(kThreads) any_kernel(Upfirdn2d<T> op) {
  using A = acc_t<T>;
  const Axis &ax = op.along_x, &ay = op.along_y;
  const int64_t vectors = op.channels / V;
  const int64_t across = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (across >= ax.out_size * vectors) return;
  const int64_t c = across % vectors * V, ox = across / vectors;
  const int64_t start_x = ox * ax.down - ax.before;
  const int64_t first_x = -floor_div(-start_x, ax.up);  // the first input at or after the window's start
  for (int64_t image = blockIdx.z; image < op.images; image += gridDim.z) {
    const T* x = op.x + image * ay.size * ax.size * op.channels + c;
    for (int64_t oy = int64_t(blockIdx.y) * blockDim.y + threadIdx.y; oy < ay.out_size;
         oy += int64_t(gridDim.y) * blockDim.y) {
      const int64_t start_y = oy * ay.down - ay.before;
      const int64_t first_y = -floor_div(-start_y, ay.up);
      Values<A, V> sum = {};
      for (int64_t iy = first_y; iy * ay.up - start_y < ay.taps; ++iy) {
        if (iy < 0 || iy >= ay.size) continue;
        for (int64_t ix = first_x; ix * ax.up - start_x < ax.taps; ++ix) {
          if (ix < 0 || ix >= ax.size) continue;
          const A weight = tap(op, int(iy * ay.up - start_y), int(ix * ax.up - start_x));
          const Values<A, V> value = load<V>(x + (iy * ax.size + ix) * op.channels);
#pragma unroll
          for (int v = 0; v < V; ++v) sum.at[v] += weight * value.at[v];
        }
      }
      store<V>(op.out + ((image * ay.out_size + oy) * ax.out_size + ox) * op.channels + c, sum);
    }
  }
}

// Inputs under a tile of `outputs`.
__device__ __host__ constexpr int inputs_of(int outputs, int up, int down) {
  return ((outputs - 1) * down + 4 - 1) / up + 1;
}

// Tiles start where the window starts on an input: `skip` outputs before the image, which are not stored.
__device__ __host__ inline int skip_of(const Axis& axis) {
  return int((axis.up - axis.before % axis.up) % axis.up);
}

// One of UP and DOWN is 1. A tile is HEIGHT x WIDTH outputs of V channels, both multiples of UP.
template <typename T, int V, int UP, int DOWN, int HEIGHT, int WIDTH>
__global__ void __launch_bounds__(kThreads, V == 8 ? 2 : 3) tile_kernel(Upfirdn2d<T> op, int skip_x, int skip_y) {
  using A = acc_t<T>;
  constexpr int kRows = inputs_of(HEIGHT, UP, DOWN), kColumns = inputs_of(WIDTH, UP, DOWN);
  const Axis &ax = op.along_x, &ay = op.along_y;
  const int64_t vectors = op.channels / V;
  const int64_t across = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t c = across % vectors * V, ox = across / vectors * WIDTH - skip_x;
  if (ox >= ax.out_size) return;

  A taps[4][4];
#pragma unroll
  for (int i = 0; i < 16; ++i) taps[i / 4][i % 4] = tap(op, i / 4, i % 4);

  const int64_t left = (ox * DOWN - ax.before) / UP;  // divides without rest
  bool in_columns[kColumns];
#pragma unroll
  for (int i = 0; i < kColumns; ++i) in_columns[i] = left + i >= 0 && left + i < ax.size;

  for (int64_t image = blockIdx.z; image < op.images; image += gridDim.z) {
    for (int64_t tile = int64_t(blockIdx.y) * blockDim.y + threadIdx.y; tile * HEIGHT - skip_y < ay.out_size;
         tile += int64_t(gridDim.y) * blockDim.y) {
      const int64_t oy = tile * HEIGHT - skip_y;
      const int64_t top = (oy * DOWN - ay.before) / UP;
      const int64_t row_size = ax.size * op.channels;
      const int64_t corner = (image * ay.size + top) * row_size + left * op.channels + c;
      Values<A, V> sums[HEIGHT][WIDTH] = {};
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const bool in_rows = top + r >= 0 && top + r < ay.size;
        Values<A, V> row[kColumns];
#pragma unroll
        for (int i = 0; i < kColumns; ++i) {
          row[i] = {};
          if (in_rows && in_columns[i]) row[i] = load<V>(op.x + (corner + r * row_size + i * op.channels));
        }
        // All indices are constants once these loops are unrolled, so sums and rows stay in registers.
#pragma unroll
        for (int y = 0; y < HEIGHT; ++y) {
          const int ky = r * UP - y * DOWN;
          if (ky < 0 || ky >= 4) continue;
#pragma unroll
          for (int x = 0; x < WIDTH; ++x) {
#pragma unroll
            for (int i = 0; i < kColumns; ++i) {
              const int kx = i * UP - x * DOWN;
              if (kx < 0 || kx >= 4) continue;
#pragma unroll
              for (int v = 0; v < V; ++v) sums[y][x].at[v] += taps[ky][kx] * row[i].at[v];
            }
          }
        }
      }
#pragma unroll
      for (int y = 0; y < HEIGHT; ++y) {
        if (oy + y < 0 || oy + y >= ay.out_size) continue;
#pragma unroll
        for (int x = 0; x < WIDTH; ++x) {
          if (ox + x < 0 || ox + x >= ax.out_size) continue;
          store<V>(op.out + ((image * ay.out_size + oy + y) * ax.out_size + ox + x) * op.channels + c, sums[y][x]);
        }
      }
    }
  }
}

struct Grid {
  dim3 blocks, threads;
};

Grid grid_of(int64_t across, int64_t rows, int64_t images) {
  unsigned x = 32;
  while (x < kThreads && x < across) x *= 2;
  const unsigned y = kThreads / x;
  const auto limited = [](int64_t n) { return unsigned(std::min<int64_t>(n, 65535)); };
  return {dim3(unsigned(ceil_div<int64_t>(across, x)), limited(ceil_div<int64_t>(rows, y)), limited(images)),
          dim3(x, y)};
}

template <typename T, int V, int UP, int DOWN, int HEIGHT, int WIDTH>
cudaError_t run_tiles(const Upfirdn2d<T>& op, cudaStream_t stream) {
  const int skip_x = skip_of(op.along_x), skip_y = skip_of(op.along_y);
  const Grid grid = grid_of(ceil_div<int64_t>(op.along_x.out_size + skip_x, WIDTH) * (op.channels / V),
                            ceil_div<int64_t>(op.along_y.out_size + skip_y, HEIGHT), op.images);
  return launch(tile_kernel<T, V, UP, DOWN, HEIGHT, WIDTH>, grid.blocks, grid.threads, stream, op, skip_x, skip_y);
}

template <typename T, int V>
cudaError_t run(const Upfirdn2d<T>& op, cudaStream_t stream) {
  const Axis &x = op.along_x, &y = op.along_y;
  if (x.taps <= 4 && y.taps <= 4 && x.up == y.up && x.down == y.down) {
    // Four channels: two columns a thread, because neighbours share three of four inputs. Eight channels of a half type
    // would need too many registers for that. Single numbers: one column, so that a warp reads side by side.
    if (x.up == 1 && x.down == 1) return run_tiles<T, V, 1, 1, V == 1 ? 8 : 4, V == 4 ? 2 : 1>(op, stream);
    if (x.up == 2 && x.down == 1) return run_tiles<T, V, 2, 1, V == 1 ? 8 : 4, 2>(op, stream);
    if (x.up == 1 && x.down == 2) return run_tiles<T, V, 1, 2, 4, 1>(op, stream);
  }
  const Grid grid = grid_of(x.out_size * (op.channels / V), y.out_size, op.images);
  return launch(any_kernel<T, V>, grid.blocks, grid.threads, stream, op);
}

}  // namespace

template <typename T>
cudaError_t upfirdn2d(const Upfirdn2d<T>& op, cudaStream_t stream) {
  if (op.images * op.channels * op.along_x.out_size * op.along_y.out_size == 0) return cudaSuccess;
  if constexpr (sizeof(T) < 8) {  // double is for checking: it need not be fast
    if (op.channels % kWide<T> == 0 && aligned(op.x) && aligned(op.out)) return run<T, kWide<T>>(op, stream);
  }
  return run<T, 1>(op, stream);
}

template cudaError_t upfirdn2d(const Upfirdn2d<float>&, cudaStream_t);
template cudaError_t upfirdn2d(const Upfirdn2d<double>&, cudaStream_t);
template cudaError_t upfirdn2d(const Upfirdn2d<__half>&, cudaStream_t);
template cudaError_t upfirdn2d(const Upfirdn2d<__nv_bfloat16>&, cudaStream_t);

}  // namespace cuda
}  // namespace cuda_ops
