// Vectors of numbers, as wide as those of the processor that is compiled for. The compiler's own vectors, because
// at::vec is scalar outside of ATen's own files.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "numbers.h"

namespace cuda_ops {

#if defined(__AVX512F__)
constexpr int64_t kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int64_t kVectorBytes = 32;
#else
constexpr int64_t kVectorBytes = 16;
#endif

template <typename T>
struct Lanes {
  static constexpr int64_t count = kVectorBytes / sizeof(T);
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <typename T>
using Vector = typename Lanes<T>::type;

template <typename T>
inline Vector<T> load_vector(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
template <typename T>
inline void store_vector(T* to, Vector<T> v) {
  std::memcpy(to, &v, sizeof(v));
}

// The first `n` numbers, and zeros; likewise only the first `n` are stored.
template <typename T>
inline Vector<T> load_vector(const T* from, int64_t n) {
  if (n >= Lanes<T>::count) return load_vector(from);
  Vector<T> v = {};
  std::memcpy(&v, from, n * sizeof(T));
  return v;
}
template <typename T>
inline void store_vector(T* to, Vector<T> v, int64_t n) {
  if (n >= Lanes<T>::count) return store_vector(to, v);
  std::memcpy(to, &v, n * sizeof(T));
}

// Numbers of type T as a vector of what they are computed with, and back, rounded to the nearest (bfloat16: to even).
template <typename A, typename T>
inline Vector<A> load_vector_as(const T* from) {
  if constexpr (std::is_same_v<A, T>) {
    return load_vector(from);
  } else {
    static_assert(std::is_same_v<T, c10::BFloat16> && std::is_same_v<A, float>);
    typedef uint16_t Half __attribute__((vector_size(kVectorBytes / 2)));
    Half half;
    std::memcpy(&half, from, sizeof(half));
    const auto bits = __builtin_convertvector(half, Vector<uint32_t>) << 16;
    return reinterpret_cast<Vector<float>>(bits);
  }
}
template <typename A, typename T>
inline void store_vector_as(T* to, Vector<A> v) {
  if constexpr (std::is_same_v<A, T>) {
    store_vector(to, v);
  } else {
    static_assert(std::is_same_v<T, c10::BFloat16> && std::is_same_v<A, float>);
    typedef uint16_t Half __attribute__((vector_size(kVectorBytes / 2)));
    const auto bits = reinterpret_cast<Vector<uint32_t>>(v);
    const auto rounded = (bits + ((bits >> 16) & 1) + 0x7FFF) >> 16;
    const auto half = __builtin_convertvector(v == v ? rounded : rounded * 0 + 0x7FC0, Half);
    std::memcpy(to, &half, sizeof(half));
  }
}

// Bytes of a line of the caches.
constexpr int64_t kLine = 64;

// Bytes of a result from which it is written past the caches, which would read it first only to overwrite it. Less than
// this may still be at hand when it is read.
constexpr int64_t kStreamed = int64_t(1) << 20;

// Stored past the caches where the processor can, to an aligned place; other threads see it after `finish_streams`.
template <typename T>
inline void stream_vector(T* to, Vector<T> v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<__m512i>(v));
#elif defined(__AVX__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to), reinterpret_cast<__m128i>(v));
#else
  store_vector(to, v);
#endif
}
inline void finish_streams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace cuda_ops
