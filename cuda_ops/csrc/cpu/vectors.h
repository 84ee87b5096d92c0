// Numbers as they are stored and as they are computed with.
#pragma once

#include <ATen/OpMathType.h>

#include <cstdint>

namespace cuda_ops {

// Half types are computed with in float, double in double.
template <typename T>
using acc_t = at::opmath_type<T>;

template <typename A, typename T>
inline A load(T value) {
  return static_cast<A>(value);
}
template <typename T, typename A>
inline T store(A value) {
  return static_cast<T>(value);
}

// Numbers that are worth a thread of their own.
constexpr int64_t kGrain = 16384;

}  // namespace cuda_ops
