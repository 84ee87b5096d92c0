// Memory for results and for what threads share.
#pragma once

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>

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

}  // namespace cuda_ops
