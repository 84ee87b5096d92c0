// Vectors of numbers, as wide as those of the processor that is compiled for. The compiler's own vectors, because
// at::vec is scalar outside of ATen's own files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

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

// A vector of the numbers of `a` and `b`, side by side, at the places Place::at(i, lanes).
template <typename Place, typename V, std::size_t... i>
inline V picked(V a, V b, std::index_sequence<i...>) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, Place::at(int(i), int(sizeof...(i)))...);
#else
  using Places = std::conditional_t<sizeof(a[0]) == 8, int64_t, int32_t>;
  typedef Places Mask __attribute__((vector_size(sizeof(V))));
  return __builtin_shuffle(a, b, Mask{Places(Place::at(int(i), int(sizeof...(i))))...});
#endif
}
template <typename Place, typename A>
inline Vector<A> picked(Vector<A> a, Vector<A> b) {
  return picked<Place>(a, b, std::make_index_sequence<Lanes<A>::count>());
}

// The numbers at even and at odd places of two vectors that lie side by side.
struct AtEven {
  static constexpr int at(int i, int) { return 2 * i; }
};
struct AtOdd {
  static constexpr int at(int i, int) { return 2 * i + 1; }
};
template <typename A>
inline Vector<A> evens(Vector<A> a, Vector<A> b) {
  return picked<AtEven, A>(a, b);
}
template <typename A>
inline Vector<A> odds(Vector<A> a, Vector<A> b) {
  return picked<AtOdd, A>(a, b);
}

// The first and the second halves of two vectors whose numbers take turns.
struct AtLow {
  static constexpr int at(int i, int lanes) { return i / 2 + i % 2 * lanes; }
};
struct AtHigh {
  static constexpr int at(int i, int lanes) { return lanes / 2 + i / 2 + i % 2 * lanes; }
};
template <typename A>
inline Vector<A> zip_low(Vector<A> a, Vector<A> b) {
  return picked<AtLow, A>(a, b);
}
template <typename A>
inline Vector<A> zip_high(Vector<A> a, Vector<A> b) {
  return picked<AtHigh, A>(a, b);
}

// Bytes of a line of the caches.
constexpr int64_t kLine = 64;

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
