// The nine activations and their slopes, for one number; NaN passes through all of them.
#pragma once

#include <cmath>

#include "bias_act.h"

namespace cuda_ops {
namespace cuda {

// Klambauer et al. 2017, to double precision.
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;

// Calls, not inlined: the code of each kernel would be many times as long.
template <typename A>
__device__ __noinline__ A curved(int act, A z) {
  switch (act) {
    case kTanh:
      return std::tanh(z);
    case kSigmoid:
      return 1 / (1 + std::exp(-z));
    case kElu:
      return z > 0 ? z : std::expm1(z);
    case kSelu:
      return z > 0 ? z * A(kSeluScale) : std::expm1(z) * A(kSeluScale * kSeluAlpha);
    case kSoftplus:
      return z > 20 ? z : std::log1p(std::exp(z));  // as PyTorch: beyond 20 the difference is lost in float
    default:  // kSwish
      return z / (1 + std::exp(-z));
  }
}

template <typename A>
__device__ __noinline__ A curved_slope(int act, A z) {
  if (act == kTanh) {
    const A t = std::tanh(z);
    return 1 - t * t;
  }
  if (act == kElu) return z > 0 ? A(1) : std::exp(z);
  if (act == kSelu) return z > 0 ? A(kSeluScale) : std::exp(z) * A(kSeluScale * kSeluAlpha);
  const A s = 1 / (1 + std::exp(-z));
  if (act == kSigmoid) return s * (1 - s);
  if (act == kSoftplus) return z > 20 ? A(1) : s;
  return s * (1 + z * (1 - s));  // kSwish
}

// ANY is false where only linear, relu and lrelu can occur, which spares the calls' registers.
template <bool ANY, typename A>
__device__ inline A activation(int act, A z, A alpha) {
  if (act == kLrelu) return z > 0 ? z : z * alpha;
  if (act == kRelu) return z < 0 ? A(0) : z;
  if constexpr (ANY) {
    if (act != kLinear) return curved(act, z);
  }
  return z;
}

template <bool ANY, typename A>
__device__ inline A slope(int act, A z, A alpha) {
  if (act == kLrelu) return z > 0 ? A(1) : alpha;
  if (act == kRelu) return z > 0 ? A(1) : A(0);
  if constexpr (ANY) {
    if (act != kLinear) return curved_slope(act, z);
  }
  return 1;
}

}  // namespace cuda
}  // namespace cuda_ops
