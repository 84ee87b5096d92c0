"""Up-sampling, FIR filtering and down-sampling in one pass over memory (Karras et al. 2020)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cuda_ops import build, reference
from cuda_ops.padding import downsample_padding, filter_padding, padding_sides, pair, upsample_padding


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

    Differentiable in `x` any number of times. The native form has no gradient for `f`: a filter that asks for one goes
    through the reference. Under autocast `x` keeps its type; sums are float32 (float64 for float64).

    Args:
        x: (N, C, H, W), contiguous or channels_last, which the result keeps.
        f: (k,) for a separable filter, (kh, kw) for a full one, None for the identity. An outer product costs no more
            than a separable filter.
        up: factor, or (x, y) factors.
        down: factor, or (x, y) factors.
        padding: of the upsampled image: one number, (x, y) or (left, right, top, bottom); negative numbers crop.
        flip_filter: False convolves, True correlates.
        gain: factor of the result; not negative for a separable filter, whose passes take its root each.

    Returns:
        (N, C, H', W') with H' = (H*up + top + bottom - kh) // down + 1, likewise W'.

    Raises:
        ValueError: for an `x` that is not (N, C, H, W), a filter that is neither a row nor a matrix or is larger than
            the padded image, a factor below 1, or a negative gain of a separable filter.
    """
    ups, downs, pads = pair(up), pair(down), padding_sides(padding)
    _check(x, f, ups, pads, gain)
    if (f is not None and f.requires_grad) or not build.native(x):
        return reference.upfirdn2d(x, f, ups, downs, pads, flip_filter, gain)
    f = x.new_ones((1, 1)) if f is None else f
    return torch.ops.cuda_ops.upfirdn2d(x, f, ups, downs, pads, flip_filter, float(gain))


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


def _check(x: Tensor, f: Tensor | None, ups: tuple[int, int], pads: tuple[int, int, int, int], gain: float) -> None:
    if x.ndim != 4:
        raise ValueError(f"upfirdn2d: x has shape {tuple(x.shape)}; give images (N, C, H, W).")
    if f is not None and (f.ndim not in (1, 2) or f.numel() == 0):
        raise ValueError(f"upfirdn2d: the filter has shape {tuple(f.shape)}; give a row or a matrix of taps.")
    if f is not None and f.ndim == 1 and gain < 0:
        raise ValueError(f"upfirdn2d: a gain of {gain} cannot be shared by two passes; turn the sign of the taps.")
    height = x.shape[2] * ups[1] + pads[2] + pads[3]
    width = x.shape[3] * ups[0] + pads[0] + pads[1]
    fh, fw = (1, 1) if f is None else (f.shape[0], f.shape[-1])
    if height < fh or width < fw:
        raise ValueError(
            f"upfirdn2d: the padded image is {width}x{height} and the filter {fw}x{fh}; pad more or crop less."
        )
