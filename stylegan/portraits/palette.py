"""Colours in linear light, edges, and how one colour is laid over another."""

from __future__ import annotations

import torch
from torch import Tensor


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in [0, 1] to linear light (gamma 2.2, close enough for paint)."""
    return srgb.clamp(min=0) ** 2.2


def palette(names: tuple[str, ...], like: Tensor) -> Tensor:
    rgb = [[int(name[i : i + 2], 16) / 255 for i in (0, 2, 4)] for name in names]
    return to_linear(torch.tensor(rgb, device=like.device))


def blend(colours: Tensor, t: Tensor) -> Tensor:
    """Colour (N, 3) at t (N, 1) from 0 to 1, held there, along a row of colours (K, 3), evenly between neighbours."""
    s = t[:, 0].clamp(0, 1) * (len(colours) - 1)
    i = s.floor().long().clamp(max=len(colours) - 2)
    f = (s - i)[:, None]
    return colours[i] * (1 - f) + colours[i + 1] * f


def pick(names: tuple[str, ...], t: Tensor) -> Tensor:
    """Colour (N, 3) at t (N, 1) along a palette, as `blend` has it."""
    return blend(palette(names, t), t)


def hue(h: Tensor, saturation: float | Tensor, value: float | Tensor) -> Tensor:
    """Linear colour (N, 3) of a smooth hue circle at h (N, 1)."""
    phase = torch.tensor([0.0, 0.33, 0.67], device=h.device)
    c = 0.5 + 0.5 * torch.cos(6.2832 * (h - phase))
    return to_linear(value * (1 - saturation + saturation * c))


def colour(like: Tensor, red: float, green: float, blue: float) -> Tensor:
    """The colour (1, 3), linear light, on the device of `like`."""
    return torch.tensor([[red, green, blue]], device=like.device)


def cover(d: Tensor, width: float | Tensor) -> Tensor:
    """How far (0 to 1) the signed depth `d` is inside an edge that is `width` wide."""
    return (d / width + 0.5).clamp(0, 1)


def lay(under: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    """Lay colour (N, 3) or (N, 3, P) over (N, 3, P) with alpha (N, P)."""
    over = colour[..., None] if colour.ndim == 2 else colour
    return under + (over - under) * alpha[:, None]


def bell(x: Tensor, width: float | Tensor) -> Tensor:
    """A Gaussian of height 1 that falls to 1/e at `width`."""
    return torch.exp(-((x / width) ** 2))
