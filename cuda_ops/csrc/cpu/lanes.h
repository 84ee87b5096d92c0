// Vectors of numbers, as wide as those of the processor that is compiled for. The compiler's own vectors, because
// at::vec is scalar outside of ATen's own files.
#pragma once

#include <cstdint>
#include <cstring>

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

}  // namespace cuda_ops
