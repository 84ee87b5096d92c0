"""Tensor operations around a StyleGAN's convolutions, and their plain-PyTorch references.

Every operation takes and returns tensors and knows nothing of images or faces. The functions here are the ones to
call; `cuda_ops.reference` holds the plain-PyTorch form of each under the same name and signature.
"""

from cuda_ops.reference import (
    adain,
    bias_act,
    downsample2d,
    filter2d,
    modulated_conv2d,
    setup_filter,
    upfirdn2d,
    upsample2d,
)

__all__ = [
    "adain",
    "bias_act",
    "downsample2d",
    "filter2d",
    "modulated_conv2d",
    "setup_filter",
    "upfirdn2d",
    "upsample2d",
]
