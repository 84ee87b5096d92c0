"""Tensor operations around a StyleGAN's convolutions, and their plain-PyTorch references.

Every operation takes and returns tensors and knows nothing of images or faces. The functions here are the ones to
call; `cuda_ops.reference` holds the plain-PyTorch form of each under the same name and signature.
"""

from cuda_ops import before_torch  # noqa: F401 - the first import
from cuda_ops.adain import adain
from cuda_ops.bias_act import bias_act
from cuda_ops.downsample_l2 import downsample_l2
from cuda_ops.modulated_conv2d import modulated_conv2d, modulated_conv2d_and_scale
from cuda_ops.reference import Bands, bands, setup_filter
from cuda_ops.upfirdn2d import downsample2d, filter2d, upfirdn2d, upsample2d

__all__ = [
    "Bands",
    "adain",
    "bands",
    "bias_act",
    "downsample2d",
    "downsample_l2",
    "filter2d",
    "modulated_conv2d",
    "modulated_conv2d_and_scale",
    "setup_filter",
    "upfirdn2d",
    "upsample2d",
]
