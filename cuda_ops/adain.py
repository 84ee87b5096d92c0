"""The end of a StyleGAN1 layer in two passes over memory (Karras et al. 2019, equation 1)."""

import torch
from torch import Tensor

from cuda_ops import build, reference


def adain(
    x: Tensor,
    bias: Tensor | None,
    noise: Tensor | None,
    noise_weight: Tensor | None,
    styles: Tensor,
    alpha: float = 0.2,
    eps: float = 1e-5,
) -> Tensor:
    """The end of a StyleGAN1 layer: bias, noise, leaky ReLU, instance norm, style (Karras et al. 2019, equation 1).

    Differentiable in all its tensors; a gradient that is to be differentiated again is made of PyTorch's operations.
    Under autocast `x` keeps its type. The arithmetic is float32 (float64 for float64), the mean and the deviation of a
    channel are summed in float64.

    Args:
        x: (N, C, H, W), contiguous or channels_last, which the result keeps.
        bias: (C,) or None.
        noise: (N or 1, 1, H, W) or None.
        noise_weight: (C,), the noise's scale per channel; without it there is no noise.
        styles: (N, 2C): the scale less one, then the shift.
        alpha: slope of the leaky ReLU for negative values.
        eps: added to the variance.

    Returns:
        (N, C, H, W) of the type of `x`.

    Raises:
        ValueError: for a tensor of another shape.
    """
    _check(x, bias, noise, noise_weight, styles)
    if not build.native(x):
        return reference.adain(x, bias, noise, noise_weight, styles, alpha, eps)
    y, _, _ = torch.ops.cuda_ops.adain(x, bias, noise, noise_weight, styles, float(alpha), float(eps))
    return y


def _check(x: Tensor, bias: Tensor | None, noise: Tensor | None, noise_weight: Tensor | None, styles: Tensor) -> None:
    if x.ndim != 4:
        raise ValueError(f"adain: x has shape {tuple(x.shape)}; give images (N, C, H, W).")
    n, c, h, w = x.shape
    for name, tensor in (("bias", bias), ("noise_weight", noise_weight)):
        if tensor is not None and tensor.shape != (c,):
            raise ValueError(f"adain: {name} has shape {tuple(tensor.shape)}; give ({c},), one for each channel.")
    if noise is not None and noise.shape not in ((n, 1, h, w), (1, 1, h, w)):
        raise ValueError(f"adain: noise has shape {tuple(noise.shape)}; give ({n} or 1, 1, {h}, {w}).")
    if styles.shape != (n, 2 * c):
        raise ValueError(f"adain: styles have shape {tuple(styles.shape)}; give ({n}, {2 * c}).")
