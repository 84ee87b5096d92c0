// Memory for results.
#pragma once

#include <ATen/ATen.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>

namespace cuda_ops {

// Asks for huge pages under a new tensor of megabytes. Fresh memory is mapped at its first write, and one page fault
// for each 4 KiB takes several times as long as the operation that writes them. Only a request: what the system makes
// of it changes the time and nothing else.
inline at::Tensor on_huge_pages(at::Tensor tensor) {
#ifdef __linux__
  constexpr uintptr_t page = uintptr_t(2) << 20;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(tensor.data_ptr());
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + tensor.nbytes()) / page * page;
  if (tensor.nbytes() >= 2 * page && last > first) {
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  }
#endif
  return tensor;
}

}  // namespace cuda_ops
