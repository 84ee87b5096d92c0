// Number types, and how a tensor is cut into blocks; free of torch's headers, and of what only nvcc understands.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace cuda_ops {
namespace cuda {

// Half types are computed with in float, double in double.
template <typename T>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<double> {
  using type = double;
};
template <typename T>
using acc_t = typename Accumulator<T>::type;

// Numbers that make up 16 bytes, the widest access of a thread.
template <typename T>
constexpr int kWide = 16 / sizeof(T);

// Whether a 16-byte access to `pointer` is allowed; null stands for an input that is not there.
inline bool aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

template <typename I>
I ceil_div(I a, I b) {
  return (a + b - 1) / b;
}

struct Layout {
  int64_t images, channels, pixels;
  bool channels_last;
};

constexpr int kThreads = 256;

// How a tensor is cut up: `lanes` threads side by side along the channels times `depth` threads along the pixels make a
// block; a block does `steps` rounds, which make a chunk; `groups` of blocks share no channel.
struct Tiles {
  int lanes, depth;
  int64_t extent, steps, chunks, channel_groups, groups;
};

// A function of the shape alone, so that sums do not depend on the machine.
inline Tiles tiles_of(const Layout& layout, int width, bool sums) {
  Tiles tiles;
  if (layout.channels_last) {
    const int64_t vectors = layout.channels / width;
    tiles.lanes = int(std::min<int64_t>(vectors, kThreads));
    tiles.depth = kThreads / tiles.lanes;
    tiles.extent = layout.pixels;
    tiles.channel_groups = ceil_div<int64_t>(vectors, tiles.lanes);
    tiles.groups = layout.images * tiles.channel_groups;
  } else {
    tiles.lanes = 1;
    tiles.extent = layout.pixels / width;
    tiles.depth = 32;
    while (tiles.depth < kThreads && tiles.depth < tiles.extent) tiles.depth *= 2;
    tiles.channel_groups = layout.channels;
    tiles.groups = layout.images * layout.channels;
  }
  // Four rounds keep four loads in flight. Sums take longer rounds while some thousand blocks remain to fill the chip.
  int64_t steps = 4;
  if (sums) {
    steps = std::clamp<int64_t>(tiles.extent * tiles.groups / (int64_t(tiles.depth) * 2048), 4, 64);
  }
  tiles.steps = std::min(steps, ceil_div<int64_t>(tiles.extent, tiles.depth));
  tiles.chunks = ceil_div<int64_t>(tiles.extent, tiles.depth * tiles.steps);
  return tiles;
}

// Chunks that a pass with sums, `width` numbers at a time, leaves in `partial`.
inline int64_t chunks_of(const Layout& layout, int width) { return tiles_of(layout, width, true).chunks; }

}  // namespace cuda
}  // namespace cuda_ops
