"""A convolution modulated per image, in one pass where that is faster (Karras et al. 2020, section 2.2)."""

import torch
from torch import Tensor

from cuda_ops import build
from cuda_ops.bias_act import bias_act
from cuda_ops.padding import transposed_padding
from cuda_ops.reference import _resampled_conv2d, in_range_of
from cuda_ops.upfirdn2d import upfirdn2d

# From this many pixels (by `up`) and channels on, minimal filtering beats the library's convolution; below,
# transforming the weights takes longer than it saves. Measured for one image of 512 channels on two cores with AVX2;
# the least channels, two vectors of them, are a guess.
_LEAST_PIXELS = {1: 64, 2: 16}
_LEAST_CHANNELS = 16


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    up: int = 1,
    resample_filter: Tensor | None = None,
    demodulate: bool = True,
) -> Tensor:
    """A convolution whose input channels are scaled per image (Karras et al. 2020, equations 1 and 3).

    The activations are scaled instead of the weights, so one convolution with shared weights serves the whole batch.
    On the CPU, float32 and 3x3 taps go through minimal filtering (Lavin and Gray 2016, arXiv:1509.09308), whose
    rounding error is about twice that of a plain sum. Differentiable any number of times. Under autocast the
    convolution has autocast's type.

    Args:
        x: (N, I, H, W), contiguous or channels_last, which the result keeps.
        weight: (O, I, k, k) with odd k.
        styles: (N, I).
        up: 1, or 2 for a transposed convolution followed by `resample_filter`.
        resample_filter: (kh, kw), used where `up` is 2.
        demodulate: scale every output channel of every image to unit expected variance.

    Returns:
        (N, O, H*up, W*up).

    Raises:
        ValueError: for another `up`, or styles that are not (N, I).
    """
    if not demodulate:
        return _modulated(x, weight, styles, up, resample_filter)
    y, scale = modulated_conv2d_and_scale(x, weight, styles, up, resample_filter)
    return bias_act(y, scale=scale)


def modulated_conv2d_and_scale(
    x: Tensor, weight: Tensor, styles: Tensor, up: int = 1, resample_filter: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`modulated_conv2d` without its last pass over memory: y (N, O, H*up, W*up) and its demodulation (N, O).

    Their product is the result; `bias_act` takes the second as its `scale`. Arguments as for `modulated_conv2d`.
    """
    weight, styles = in_range_of(x.dtype, weight, styles)
    # sum over (in, kh, kw) of (w*s)^2 = (s^2) @ (sum over (kh, kw) of w^2)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    energy = styles.to(exact).square() @ weight.to(exact).square().sum(dim=(2, 3)).t()
    return _modulated(x, weight, styles, up, resample_filter), (energy + 1e-8).rsqrt()


def _modulated(x: Tensor, weight: Tensor, styles: Tensor, up: int, resample_filter: Tensor | None) -> Tensor:
    if not _filters_minimally(x, weight, up):
        x = bias_act(x, scale=styles)
        return _resampled_conv2d(x, weight.to(x.dtype), up, resample_filter, upfirdn2d)
    if styles.shape != x.shape[:2]:
        raise ValueError(
            f"modulated_conv2d: styles have shape {tuple(styles.shape)} and x {tuple(x.shape)}; give (N, I) for"
            " (N, I, H, W)."
        )
    y: Tensor = torch.ops.cuda_ops.conv3x3(x, weight.to(x.dtype), styles.to(x.dtype), up == 2)
    if up == 1:
        return y
    return upfirdn2d(y, resample_filter, padding=transposed_padding(resample_filter, 3), gain=4)


def _filters_minimally(x: Tensor, weight: Tensor, up: int) -> bool:
    """Whether the convolution is done by minimal filtering: a fixed rule of types and shapes."""
    return (
        up in _LEAST_PIXELS
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and weight.shape[2:] == (3, 3)
        and x.shape[2] * x.shape[3] >= _LEAST_PIXELS[up]
        and min(weight.shape[:2]) >= _LEAST_CHANNELS
        and not torch.is_autocast_enabled("cpu")
        and build.native(x)
    )
