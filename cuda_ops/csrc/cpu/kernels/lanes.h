// Vectors of numbers, as wide as those of the processor that is compiled for. The compiler's own vectors, because
// at::vec is scalar outside of ATen's own files.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

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
