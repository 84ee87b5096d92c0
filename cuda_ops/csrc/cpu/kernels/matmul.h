// A product of small matrices from cache: rows times a panel of columns that lie side by side.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lanes.h"

namespace cuda_ops {

// What the registers hold: so many rows of two vectors, two vectors of the panel, and the factor.
#if defined(__AVX512F__)
constexpr int64_t kRows = 12;
#else
constexpr int64_t kRows = 6;
#endif

template <typename T>
constexpr int64_t kPanel = 2 * Lanes<T>::count;

// c (rows, kPanel) = (add ? c : 0) + a (rows, depth) @ panel (depth, kPanel).
template <typename T, int64_t rows>
inline void multiply_rows(const T* a, int64_t a_step, const T* panel, int64_t depth, bool add, T* c) {
  constexpr int64_t lanes = Lanes<T>::count;
  Vector<T> left[rows] = {}, right[rows] = {};
  if (add) {
#pragma GCC unroll 16
    for (int64_t r = 0; r < rows; ++r) {
      left[r] = load_vector(c + r * 2 * lanes);
      right[r] = load_vector(c + r * 2 * lanes + lanes);
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    const Vector<T> b0 = load_vector(panel + k * 2 * lanes), b1 = load_vector(panel + k * 2 * lanes + lanes);
#pragma GCC unroll 16
    for (int64_t r = 0; r < rows; ++r) {
      const T factor = a[r * a_step + k];
      left[r] += b0 * factor;
      right[r] += b1 * factor;
    }
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < rows; ++r) {
    store_vector(c + r * 2 * lanes, left[r]);
    store_vector(c + r * 2 * lanes + lanes, right[r]);
  }
}

template <typename T, int64_t rows>
inline void multiply_rest(int64_t count, const T* a, int64_t a_step, const T* panel, int64_t depth, bool add, T* c) {
  if (count == rows) return multiply_rows<T, rows>(a, a_step, panel, depth, add, c);
  if constexpr (rows > 1) multiply_rest<T, rows - 1>(count, a, a_step, panel, depth, add, c);
}

// c (count, kPanel) = (add ? c : 0) + a (count, depth) @ panel (depth, kPanel); rows of `a` are a_step apart.
template <typename T>
void multiply(int64_t count, const T* a, int64_t a_step, const T* panel, int64_t depth, bool add, T* c) {
  int64_t row = 0;
  for (; row + kRows <= count; row += kRows) {
    multiply_rows<T, kRows>(a + row * a_step, a_step, panel, depth, add, c + row * kPanel<T>);
  }
  if (row < count) {
    multiply_rest<T, kRows - 1>(count - row, a + row * a_step, a_step, panel, depth, add, c + row * kPanel<T>);
  }
}

}  // namespace cuda_ops
