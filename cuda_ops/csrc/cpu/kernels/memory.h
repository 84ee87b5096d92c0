// Memory for results and for what threads share.
#pragma once

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>

#include "lanes.h"

namespace cuda_ops {

// Asks for huge pages under new memory of megabytes. Fresh memory is mapped at its first write, and one page fault for
// each 4 KiB takes several times as long as the operation that writes them. Only a request: what the system makes of it
// changes the time and nothing else.
inline void ask_for_huge_pages(void* data, int64_t bytes) {
#ifdef __linux__
  constexpr uintptr_t page = uintptr_t(2) << 20;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + bytes) / page * page;
  if (bytes >= int64_t(2 * page) && last > first) {
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  }
#endif
}

// Whether memory was written before, by a few of its pages: the first write to a fresh one takes it into the caches.
inline bool was_written(const void* data, int64_t bytes) {
#ifdef __linux__
  constexpr int64_t page = 4096, samples = 4;
  for (int64_t i = 0; i < samples; ++i) {
    unsigned char there = 0;
    const uintptr_t at = reinterpret_cast<uintptr_t>(data) + (bytes - 1) / (samples - 1) * i;
    if (mincore(reinterpret_cast<void*>(at / page * page), 1, &there) != 0 || (there & 1) == 0) {
      return false;
    }
  }
  return true;
#else
  return false;
#endif
}

// Whether `size` numbers of a result are better written past the caches, which would read them first only to overwrite
// them: megabytes in aligned memory that was written before. Less may still be at hand when it is read.
template <typename T>
bool past_the_caches(const T* result, int64_t size) {
  constexpr int64_t least = int64_t(1) << 20;
  const int64_t bytes = size * int64_t(sizeof(T));
  return bytes >= least && reinterpret_cast<uintptr_t>(result) % kVectorBytes == 0 && was_written(result, bytes);
}

}  // namespace cuda_ops
