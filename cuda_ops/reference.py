"""The operations in plain PyTorch: the definition that every faster form is held against.

All of them are differentiable any number of times, keep the memory format of `x` (contiguous or channels_last) where
PyTorch's own operations do, and run on any device and floating-point type.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops.padding import (
    downsample_padding,
    filter_padding,
    padding_sides,
    pair,
    transposed_padding,
    upsample_padding,
)

# name: (function of (x, alpha), default alpha, default gain)
_ACTIVATIONS: dict[str, tuple[Callable[[Tensor, float], Tensor], float, float]] = {
    "linear": (lambda x, alpha: x, 0.0, 1.0),
    "relu": (lambda x, alpha: F.relu(x), 0.0, sqrt(2)),
    "lrelu": (lambda x, alpha: F.leaky_relu(x, alpha), 0.2, sqrt(2)),
    "tanh": (lambda x, alpha: torch.tanh(x), 0.0, 1.0),
    "sigmoid": (lambda x, alpha: torch.sigmoid(x), 0.0, 1.0),
    "elu": (lambda x, alpha: F.elu(x), 0.0, 1.0),
    "selu": (lambda x, alpha: F.selu(x), 0.0, 1.0),
    "softplus": (lambda x, alpha: F.softplus(x), 0.0, 1.0),
    "swish": (lambda x, alpha: torch.sigmoid(x) * x, 0.0, sqrt(2)),
}


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

    Args:
        x: any shape.
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
    alpha, gain = check_bias_act(x, b, dim, act, alpha, gain, scale)
    function = _ACTIVATIONS[act][0]
    if scale is not None:
        x = x * scale.to(x.dtype)[:, :, None, None]
    if noise is not None:
        x = x + (noise * strength).to(x.dtype)
    if b is not None:
        x = x + b.to(x.dtype).reshape([-1 if i == dim % x.ndim else 1 for i in range(x.ndim)])
    x = function(x, alpha)
    if gain != 1:
        x = x * gain
    if clamp is not None:
        x = x.clamp(-clamp, clamp)
    return x


def check_bias_act(
    x: Tensor,
    b: Tensor | None,
    dim: int,
    act: str,
    alpha: float | None,
    gain: float | None,
    scale: Tensor | None,
) -> tuple[float, float]:
    """The `alpha` and `gain` that `bias_act` uses; ValueError where it could not run."""
    if act not in _ACTIVATIONS:
        raise ValueError(f"bias_act: there is no activation {act!r}; use one of {', '.join(_ACTIVATIONS)}.")
    if b is not None and (b.ndim != 1 or b.shape[0] != x.shape[dim]):
        raise ValueError(
            f"bias_act: the bias has shape {tuple(b.shape)}, but axis {dim} of x has {x.shape[dim]} entries;"
            " give one bias for each."
        )
    if scale is not None and (x.ndim != 4 or dim not in (1, -3) or scale.shape != x.shape[:2]):
        raise ValueError(
            f"bias_act: scale has shape {tuple(scale.shape)} and x {tuple(x.shape)}; give (N, C) for (N, C, H, W)."
        )
    _, default_alpha, default_gain = _ACTIVATIONS[act]
    return default_alpha if alpha is None else float(alpha), default_gain if gain is None else float(gain)


def setup_filter(
    taps: Sequence[float] | Sequence[Sequence[float]] | Tensor | None,
    normalize: bool = True,
    gain: float = 1.0,
    separable: bool | None = None,
) -> Tensor:
    """A filter for `upfirdn2d` from its taps.

    Args:
        taps: 1-D (a separable filter) or 2-D; None stands for the identity.
        normalize: scale the taps so that they sum to 1.
        gain: factor of the whole two-dimensional filter.
        separable: keep a 1-D filter one-dimensional; default for eight taps or more.

    Returns:
        float32, (k,) where separable, otherwise (kh, kw).
    """
    f = torch.as_tensor(1.0 if taps is None else taps, dtype=torch.float32)
    if f.ndim > 2 or f.numel() == 0:
        raise ValueError(f"setup_filter: the taps have shape {tuple(f.shape)}; give a row or a matrix of numbers.")
    f = f.reshape(1) if f.ndim == 0 else f
    if separable is None:
        separable = f.ndim == 1 and f.numel() >= 8
    if f.ndim == 1 and not separable:
        f = f.outer(f)
    if normalize:
        f = f / f.sum()
    return f * gain ** (f.ndim / 2)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Zero-insertion by `up`, padding, an FIR filter, and keeping every `down`-th sample (Karras et al. 2020).

    Args:
        x: (N, C, H, W).
        f: (k,) for a separable filter, (kh, kw) for a full one, None for the identity.
        up: factor, or (x, y) factors.
        down: factor, or (x, y) factors.
        padding: of the upsampled image: one number, (x, y) or (left, right, top, bottom); negative numbers crop.
        flip_filter: False convolves, True correlates.
        gain: factor of the result.

    Returns:
        (N, C, H', W') with H' = (H*up + top + bottom - kh) // down + 1, likewise W'.
    """
    up_x, up_y = pair(up)
    down_x, down_y = pair(down)
    left, right, top, bottom = padding_sides(padding)
    n, c, h, w = x.shape
    if up_x > 1 or up_y > 1:
        y = x.new_zeros((n, c, h, up_y, w, up_x))
        y[:, :, :, 0, :, 0] = x
        x = y.reshape(n, c, h * up_y, w * up_x)
    if left or right or top or bottom:
        x = F.pad(x, (left, right, top, bottom))
    if f is None:
        f = x.new_ones((1, 1))
    f = (f * gain ** (f.ndim / 2)).to(x.dtype)
    if not flip_filter:
        f = f.flip(list(range(f.ndim)))
    if f.ndim == 2:
        return F.conv2d(x, f.expand(c, 1, *f.shape).contiguous(), stride=(down_y, down_x), groups=c)
    x = F.conv2d(x, f.reshape(1, 1, -1, 1).repeat(c, 1, 1, 1), stride=(down_y, 1), groups=c)
    return F.conv2d(x, f.reshape(1, 1, 1, -1).repeat(c, 1, 1, 1), stride=(1, down_x), groups=c)


def filter2d(
    x: Tensor, f: Tensor | None, padding: int | Sequence[int] = 0, flip_filter: bool = False, gain: float = 1.0
) -> Tensor:
    """`upfirdn2d` at the same size: `padding` is what is added to the padding that keeps the size."""
    return upfirdn2d(x, f, padding=filter_padding(f, padding), flip_filter=flip_filter, gain=gain)


def upsample2d(
    x: Tensor,
    f: Tensor | None,
    up: int | Sequence[int] = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """`upfirdn2d` to `up` times the size, with the brightness kept: (N, C, H, W) -> (N, C, H*up, W*up)."""
    up_x, up_y = pair(up)
    pads = upsample_padding(f, up, padding)
    return upfirdn2d(x, f, up=(up_x, up_y), padding=pads, flip_filter=flip_filter, gain=gain * up_x * up_y)


def downsample2d(
    x: Tensor,
    f: Tensor | None,
    down: int | Sequence[int] = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """`upfirdn2d` to a `down`-th of the size: (N, C, H, W) -> (N, C, H/down, W/down)."""
    pads = downsample_padding(f, down, padding)
    return upfirdn2d(x, f, down=down, padding=pads, flip_filter=flip_filter, gain=gain)


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    up: int = 1,
    resample_filter: Tensor | None = None,
    demodulate: bool = True,
) -> Tensor:
    """A convolution whose input channels are scaled per image (Karras et al. 2020, equations 1 and 3).

    The activations are scaled instead of the weights: one convolution with shared weights serves the whole batch, and
    no image needs a convolution of its own.

    Args:
        x: (N, I, H, W).
        weight: (O, I, k, k) with odd k.
        styles: (N, I).
        up: 1, or 2 for a transposed convolution followed by `resample_filter`.
        resample_filter: (kh, kw), used where `up` is 2.
        demodulate: scale every output channel of every image to unit expected variance.

    Returns:
        (N, O, H*up, W*up).
    """
    dtype = x.dtype
    if demodulate:
        weight, styles = in_range_of(dtype, weight, styles)
    y = x * styles.to(dtype)[:, :, None, None]
    y = _resampled_conv2d(y, weight.to(dtype), up, resample_filter)
    if demodulate:
        # sum over (in, kh, kw) of (w*s)^2 = (s^2) @ (sum over (kh, kw) of w^2)
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        energy = styles.to(exact).square() @ weight.to(exact).square().sum(dim=(2, 3)).t()
        y = y * (energy + 1e-8).rsqrt().to(dtype)[:, :, None, None]
    return y


def in_range_of(dtype: torch.dtype, weight: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and styles scaled for half types, whose range their products could leave.

    Demodulation undoes any scale of a filter or of a style.
    """
    if dtype in (torch.float16, torch.bfloat16):
        weight = weight / weight.float().square().sum(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-8)
        styles = styles / styles.float().abs().amax(dim=1, keepdim=True).clamp_min(1e-8)
    return weight, styles


def _resampled_conv2d(
    x: Tensor, weight: Tensor, up: int, resample_filter: Tensor | None, filtered: Callable[..., Tensor] = upfirdn2d
) -> Tensor:
    """The convolution between the two scalings; `filtered` is the form of upfirdn2d."""
    kernel = weight.shape[-1]
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        weight = weight.contiguous(memory_format=torch.channels_last)
    if up == 1:
        return F.conv2d(x, weight, padding=kernel // 2)
    if up != 2:
        raise ValueError(f"modulated_conv2d: up is {up}; it may be 1 or 2.")
    if kernel == 1:
        pads = upsample_padding(resample_filter, 2, 0)
        return filtered(F.conv2d(x, weight), resample_filter, up=2, padding=pads, gain=4)
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return filtered(y, resample_filter, padding=transposed_padding(resample_filter, kernel), gain=4)


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

    Args:
        x: (N, C, H, W).
        bias: (C,) or None.
        noise: (N or 1, 1, H, W) or None.
        noise_weight: (C,), the noise's scale per channel.
        styles: (N, 2C): the scale less one, then the shift.
        alpha: slope of the leaky ReLU for negative values.
        eps: added to the variance.

    Returns:
        (N, C, H, W).
    """
    channels = x.shape[1]
    if bias is not None:
        x = x + bias.to(x.dtype)[None, :, None, None]
    if noise is not None and noise_weight is not None:
        x = x + (noise * noise_weight[None, :, None, None]).to(x.dtype)
    x = F.leaky_relu(x, alpha)
    # Not F.instance_norm: on the CPU its gradient of one channels_last image is wrong in torch 2.13.
    x = x - x.mean(dim=(2, 3), keepdim=True)
    x = x * (x.square().mean(dim=(2, 3), keepdim=True) + eps).rsqrt()
    scale, shift = styles.to(x.dtype)[:, :, None, None].split(channels, dim=1)
    return torch.addcmul(shift, x, scale + 1)


class Bands(NamedTuple):
    """A matrix (out, length) whose rows are zero outside of one run each, and its transpose, likewise.

    Args:
        weights: (out, taps): row o of the matrix is `weights[o]` from column `first[o]` on.
        first: (out,) int64.
        weights_t: (length, taps_t), of the transpose.
        first_t: (length,) int64.
    """

    weights: Tensor
    first: Tensor
    weights_t: Tensor
    first_t: Tensor


def bands(matrix: Tensor) -> Bands:
    """A matrix (out, length), e.g. the weights of a downsampling along one axis, as `downsample_l2` takes it."""
    return Bands(*_runs(matrix), *_runs(matrix.t()))


def _runs(matrix: Tensor) -> tuple[Tensor, Tensor]:
    length = matrix.shape[1]
    place = torch.arange(length, device=matrix.device)
    used = matrix != 0
    first = torch.where(used, place, length).amin(1) if length else place.new_zeros(len(matrix))
    last = torch.where(used, place, -1).amax(1) if length else first
    taps = max(int((last - first).amax()) + 1, 1) if len(matrix) else 1
    # A run that would stick out at the end begins earlier, with zeros.
    first = first.clamp(max=max(length - taps, 0))
    index = (first[:, None] + torch.arange(taps, device=matrix.device)).clamp(max=max(length - 1, 0))
    return matrix.gather(1, index).contiguous(), first


def _dense(weights: Tensor, first: Tensor, length: int) -> Tensor:
    index = first[:, None] + torch.arange(weights.shape[1], device=first.device)
    return weights.new_zeros(len(weights), length).scatter(1, index, weights)


def downsample_l2(x: Tensor, target: Tensor, rows: Bands, columns: Bands) -> tuple[Tensor, Tensor]:
    """The mean squared error (N,) of images made small, and the small images (Menon et al. 2020, section 3).

    Args:
        x: (N, C, H, W).
        target: (N, C, h, w).
        rows: `bands` of the matrix (h, H) that reduces the height.
        columns: `bands` of the matrix (w, W) that reduces the width.

    Returns:
        The mean over C, h and w of the squared difference to `target`, (N,), and the small images (N, C, h, w), both
        float32 (float64 for float64).

    Raises:
        ValueError: for shapes that do not belong together.
    """
    check_downsample_l2(x, target, rows, columns)
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    down = _dense(rows.weights.to(dtype), rows.first, x.shape[2])
    across = _dense(columns.weights.to(dtype), columns.first, x.shape[3])
    small = down @ (x.to(dtype) @ across.t())
    return (small - target.to(dtype)).square().mean((1, 2, 3)), small


def check_downsample_l2(x: Tensor, target: Tensor, rows: Bands, columns: Bands) -> None:
    """Raise ValueError where `downsample_l2` could not run."""
    inner = (len(rows.first_t), len(columns.first_t))
    if x.ndim != 4 or tuple(x.shape[2:]) != inner:
        raise ValueError(
            f"downsample_l2: x has shape {tuple(x.shape)}; for these bands give (N, C, {inner[0]}, {inner[1]})."
        )
    wanted = (*x.shape[:2], len(rows.first), len(columns.first))
    if tuple(target.shape) != wanted:
        raise ValueError(f"downsample_l2: target has shape {tuple(target.shape)}; give {wanted}.")
