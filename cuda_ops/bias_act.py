"""The end of a StyleGAN2 layer in one pass over memory (Karras et al. 2020, section 2)."""

import torch
from torch import Tensor

from cuda_ops import build, reference


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    dim: int = 1,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
    noise: Tensor | None = None,
    strength: Tensor | float = 1.0,
    scale: Tensor | None = None,
) -> Tensor:
    """`clamp(act(scale * x + strength * noise + b) * gain)`: the end of a StyleGAN2 layer (Karras et al. 2020).

    Differentiable in all its tensors; a gradient that is to be differentiated again is made of PyTorch's operations.
    Under autocast `x` keeps its type. The arithmetic is float32 (float64 for float64).

    Args:
        x: any shape, contiguous or channels_last, which the result keeps.
        b: `(x.shape[dim],)`, or None for no bias.
        dim: the axis of `x` that `b` runs along.
        act: one of linear, relu, lrelu, tanh, sigmoid, elu, selu, softplus, swish.
        alpha: slope of lrelu for negative values; default 0.2. The other activations have none.
        gain: factor after the activation; default sqrt(2) for relu, lrelu and swish, otherwise 1.
        clamp: results are clamped to [-clamp, clamp]; default no clamp.
        noise: broadcastable to `x`, e.g. (N, 1, H, W); default no noise.
        strength: factor of the noise, a number or a tensor that broadcasts against `noise`.
        scale: (N, C) for `x` (N, C, H, W), the demodulation of a modulated convolution; default no factor.

    Returns:
        A tensor of the shape and type of `x`.

    Raises:
        ValueError: for an unknown activation, or a bias or scale of another shape.
    """
    alpha, gain = reference.check_bias_act(x, b, dim, act, alpha, gain, scale)
    if not build.native(x):
        return reference.bias_act(x, b, dim, act, alpha, gain, clamp, noise, strength, scale)
    dim = dim % x.ndim if x.ndim else dim
    if noise is not None:
        if isinstance(strength, Tensor) and strength.numel() != 1:
            noise, strength = noise * strength, 1.0
        if noise.ndim < x.ndim:
            noise = noise.reshape([1] * (x.ndim - noise.ndim) + list(noise.shape))
        if x.ndim != 4 or dim != 1 or noise.shape != (noise.shape[0], 1, *x.shape[2:]):
            # Other noise than one map for each image: added in a pass of its own.
            x = x if scale is None else x * scale.to(x.dtype)[:, :, None, None]
            x, noise, scale = x + (noise * strength).to(x.dtype), None, None
    factor = None
    if noise is not None and not (isinstance(strength, (int, float)) and strength == 1):
        factor = torch.as_tensor(strength, dtype=noise.dtype, device=x.device)
    return torch.ops.cuda_ops.bias_act(x, b, noise, factor, scale, dim, act, alpha, gain, clamp)
