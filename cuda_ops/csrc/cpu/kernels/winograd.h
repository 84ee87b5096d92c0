// Minimal filtering (Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308): the convolution of a tile with few taps is
// a product of polynomials, and the products of their values at enough points determine it. A scheme is one axis of
// such a convolution with the three taps w0, w1, w2:
//
//   kIn inputs, which begin kBefore inputs before the tile, become kPoints values (`input`);
//   the taps become kMatrices values (`weights`), and point p is multiplied with number matrix(p) of them;
//   the kPoints products become kOut outputs (`output`). The next tile is kInStep inputs and kOutStep outputs further.
//
// Every number is a vector: of channels. Steps lie between the entries of an array.
#pragma once

#include <cstdint>

#include "lanes.h"

namespace cuda_ops {

constexpr double kRootOfTwo = 1.41421356237309504880;

// y[i] = w0 x[i-1] + w1 x[i] + w2 x[i+1]: four outputs by six products, F(4, 3). The points are 0, +-sqrt(2),
// +-sqrt(1/2) and infinity, whose rounding error is about twice that of a plain sum; the usual 0, +-1, +-2 have four
// times as much.
struct Same {
  static constexpr int64_t kIn = 6, kBefore = 1, kPoints = 6, kMatrices = 6, kOut = 4, kInStep = 4, kOutStep = 4;
  static constexpr int64_t matrix(int64_t point) { return point; }
  static constexpr int64_t out_size(int64_t size) { return size; }

  template <typename T>
  static inline void input(const Vector<T>* d, int64_t step, Vector<T>* v, int64_t to) {
    constexpr T root = T(kRootOfTwo), half = T(kRootOfTwo / 2);
    const auto d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const auto even = d4 - T(0.5) * d2, odd = root * d3 - half * d1;
    const auto even_half = d4 - T(2) * d2, odd_half = half * d3 - root * d1;
    v[0] = d0 - T(2.5) * d2 + d4;
    v[to] = even + odd;
    v[2 * to] = even - odd;
    v[3 * to] = even_half + odd_half;
    v[4 * to] = even_half - odd_half;
    v[5 * to] = d1 - T(2.5) * d3 + d5;
  }

  template <typename T>
  static inline void weights(const Vector<T>* w, int64_t step, Vector<T>* u, int64_t to) {
    constexpr T root = T(kRootOfTwo);
    const auto w0 = w[0], w1 = w[step], w2 = w[2 * step];
    const auto even = T(1.0 / 6) * w0 + T(1.0 / 3) * w2, odd = (root / 6) * w1;
    const auto even_half = T(-2.0 / 3) * w0 - T(1.0 / 3) * w2, odd_half = (root / -3) * w1;
    u[0] = w0;
    u[to] = even + odd;
    u[2 * to] = even - odd;
    u[3 * to] = even_half + odd_half;
    u[4 * to] = even_half - odd_half;
    u[5 * to] = w2;
  }

  template <typename T>
  static inline void output(const Vector<T>* m, int64_t step, Vector<T>* y, int64_t to) {
    constexpr T root = T(kRootOfTwo), half = T(kRootOfTwo / 2);
    const auto m1 = m[step], m2 = m[2 * step], m3 = m[3 * step], m4 = m[4 * step];
    const auto even = m1 + m2, odd = m1 - m2, even_half = m3 + m4, odd_half = m3 - m4;
    y[0] = m[0] + even + even_half;
    y[to] = root * odd + half * odd_half;
    y[2 * to] = T(2) * even + T(0.5) * even_half;
    y[3 * to] = (T(2) * root) * odd + (half / 2) * odd_half + m[5 * step];
  }
};

// F(3, 2), the points 0, 1, -1 and infinity: three outputs y[i] = g0 x[i] + g1 x[i+1] by four products.
struct TwoTaps {
  template <typename T>
  static inline void input(const Vector<T>* d, int64_t step, Vector<T>* v, int64_t to) {
    const auto d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    v[0] = d0 - d2;
    v[to] = d1 + d2;
    v[2 * to] = d2 - d1;
    v[3 * to] = d3 - d1;
  }
  template <typename T>
  static inline void weights(const Vector<T>& g0, const Vector<T>& g1, Vector<T>* u, int64_t to) {
    u[0] = g0;
    u[to] = T(0.5) * (g0 + g1);
    u[2 * to] = T(0.5) * (g0 - g1);
    u[3 * to] = g1;
  }
  template <typename T>
  static inline void output(const Vector<T>* m, int64_t step, Vector<T>& y0, Vector<T>& y1, Vector<T>& y2) {
    const auto sum = m[step] + m[2 * step];
    y0 = m[0] + sum;
    y1 = m[step] - m[2 * step];
    y2 = sum + m[3 * step];
  }
};

// The transposed convolution of stride two: y[2i] = w0 x[i] + w2 x[i-1], two taps, and y[2i+1] = w1 x[i], one. Six
// outputs by seven products, of which the last three are of the one tap.
struct Up {
  static constexpr int64_t kIn = 4, kBefore = 1, kPoints = 7, kMatrices = 5, kOut = 6, kInStep = 3, kOutStep = 6;
  static constexpr int64_t matrix(int64_t point) { return point < 4 ? point : 4; }
  static constexpr int64_t out_size(int64_t size) { return 2 * size + 1; }

  template <typename T>
  static inline void input(const Vector<T>* d, int64_t step, Vector<T>* v, int64_t to) {
    TwoTaps::input<T>(d, step, v, to);
    for (int64_t i = 0; i < 3; ++i) v[(4 + i) * to] = d[(1 + i) * step];
  }
  template <typename T>
  static inline void weights(const Vector<T>* w, int64_t step, Vector<T>* u, int64_t to) {
    TwoTaps::weights<T>(w[2 * step], w[0], u, to);
    u[4 * to] = w[step];
  }
  template <typename T>
  static inline void output(const Vector<T>* m, int64_t step, Vector<T>* y, int64_t to) {
    TwoTaps::output<T>(m, step, y[0], y[2 * to], y[4 * to]);
    for (int64_t i = 0; i < 3; ++i) y[(1 + 2 * i) * to] = m[(4 + i) * step];
  }
};

// The adjoint of Up, a convolution of stride two: y[i] = w0 x[2i] + w1 x[2i+1] + w2 x[2i+2].
struct Down {
  static constexpr int64_t kIn = 7, kBefore = 0, kPoints = 7, kMatrices = 5, kOut = 3, kInStep = 6, kOutStep = 3;
  static constexpr int64_t matrix(int64_t point) { return point < 4 ? point : 4; }
  static constexpr int64_t out_size(int64_t size) { return (size - 1) / 2; }

  template <typename T>
  static inline void input(const Vector<T>* d, int64_t step, Vector<T>* v, int64_t to) {
    TwoTaps::input<T>(d, 2 * step, v, to);
    for (int64_t i = 0; i < 3; ++i) v[(4 + i) * to] = d[(1 + 2 * i) * step];
  }
  template <typename T>
  static inline void weights(const Vector<T>* w, int64_t step, Vector<T>* u, int64_t to) {
    TwoTaps::weights<T>(w[0], w[2 * step], u, to);
    u[4 * to] = w[step];
  }
  template <typename T>
  static inline void output(const Vector<T>* m, int64_t step, Vector<T>* y, int64_t to) {
    TwoTaps::output<T>(m, step, y[0], y[to], y[2 * to]);
    for (int64_t i = 0; i < 3; ++i) y[i * to] += m[(4 + i) * step];
  }
};

}  // namespace cuda_ops
