// Numbers as they are stored and as they are computed with; free of torch's headers but for bfloat16.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace cuda_ops {

// bfloat16 is computed with in float, double in double.
template <typename T>
struct Accumulator {
  using type = T;
};
template <>
struct Accumulator<c10::BFloat16> {
  using type = float;
};
template <typename T>
using acc_t = typename Accumulator<T>::type;

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
