"""A convolution modulated per image: passes around the library's own convolution (Karras et al. 2020, section 2.2)."""

import torch
from torch import Tensor

from cuda_ops.bias_act import bias_act
from cuda_ops.reference import _resampled_conv2d, in_range_of
from cuda_ops.upfirdn2d import upfirdn2d


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
    Differentiable any number of times. Under autocast the convolution has autocast's type.

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
    x = bias_act(x, scale=styles)
    return _resampled_conv2d(x, weight.to(x.dtype), up, resample_filter, upfirdn2d)
