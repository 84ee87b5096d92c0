// The torch side of the CUDA operations, registered for CPU tensors as torch.ops.cuda_on_cpu.*; the test defines the
// schemas as copies of those of torch.ops.cuda_ops.
#include <torch/library.h>

#undef TORCH_LIBRARY_FRAGMENT
#define TORCH_LIBRARY_FRAGMENT(ns, m) \
  [[maybe_unused]] static void C10_CONCATENATE(schemas_, C10_UID)(torch::Library & m)
#undef TORCH_LIBRARY_IMPL
#define TORCH_LIBRARY_IMPL(ns, key, m) _TORCH_LIBRARY_IMPL(cuda_on_cpu, CPU, m, C10_UID)

#include "adain.cpp"
#include "banded.cpp"
#include "bias_act.cpp"
#include "upfirdn2d.cpp"
