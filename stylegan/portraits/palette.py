"""Colours: of skin, hair, cloth and eyes, in linear light, and how one is laid over another."""

from __future__ import annotations

import torch
from torch import Tensor

from stylegan.portraits.coordinates import Parameters

MONK_TONES = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")

HAIR = ("0d0a09", "1f1512", "3a2418", "5a3825", "7a3f22", "8f6238", "b8905a", "d9bd85")

IRIS = ("2c1a10", "4a2c16", "6b4a22", "6d6a35", "4f7048", "4d7388", "6d93b5", "8496a0")

HAT = ("2b3350", "7a2f2f", "c9b28a", "3f5a45", "3a3a3e", "b5533c", "5a7fa0", "d9d2c5")


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in [0, 1] to linear light (gamma 2.2, close enough for paint)."""
    return srgb.clamp(min=0) ** 2.2


def _palette(names: tuple[str, ...], like: Tensor) -> Tensor:
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
    return blend(_palette(names, t), t)


def hue(h: Tensor, saturation: float | Tensor, value: float | Tensor) -> Tensor:
    """Linear colour (N, 3) of a smooth hue circle at h (N, 1)."""
    phase = torch.tensor([0.0, 0.33, 0.67], device=h.device)
    c = 0.5 + 0.5 * torch.cos(6.2832 * (h - phase))
    return to_linear(value * (1 - saturation + saturation * c))


def tone_index(p: Parameters) -> Tensor:
    """Monk tone (N,) from 0 to 9."""
    return (p["tone"][:, 0] * 10).floor().long().clamp(0, 9)


def skin_colour(p: Parameters) -> Tensor:
    """Linear albedo (N, 3) of the Monk tone (Monk Skin Tone scale, Google 2022).

    The swatches are colours of skin in a picture, where a camera has exposed for the face; the darkest of them, taken
    as albedo under one light for all, would be charcoal. They are lifted and warmed towards what a portrait shows.
    A tone's middle has the colour of its swatch. From middle to middle the colour goes evenly, as the eye sees it:
    people are of all tones between, and a network can follow.
    """
    swatch = _palette(MONK_TONES, p["tone"])
    dark = torch.exp(swatch.mean(dim=1, keepdim=True) / -0.06)
    warmth = torch.tensor([0.60, 0.04, -0.36], device=swatch.device)
    seen = (swatch * (1 + 3.4 * dark) * (1 + dark * warmth)) ** (1 / 2.2)
    last = len(MONK_TONES) - 1
    return to_linear(blend(seen, (p["tone"] * len(MONK_TONES) - 0.5) / last))


def hair_colour(p: Parameters, greying: float = 0.92) -> Tensor:
    """Linear albedo (N, 3) of the hair, at most as far as `greying` on its way to grey with age."""
    base = pick(HAIR, p["hair_hue"]) * (0.75 + 0.5 * p["hair_shade"])
    grey = torch.tensor([0.42, 0.41, 0.40], device=base.device) * (0.6 + 0.7 * p["hair_shade"])
    return base + (grey - base) * p["grey"] * greying


def colour(like: Tensor, red: float, green: float, blue: float) -> Tensor:
    """The colour (1, 3), linear light, on the device of `like`."""
    return torch.tensor([[red, green, blue]], device=like.device)


def cover(d: Tensor, width: float) -> Tensor:
    """How far (0 to 1) the signed depth `d` is inside an edge that is `width` wide."""
    return (d / width + 0.5).clamp(0, 1)


def lay(under: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    """Lay colour (N, 3) or (N, 3, P) over (N, 3, P) with alpha (N, P)."""
    over = colour[..., None] if colour.ndim == 2 else colour
    return under + (over - under) * alpha[:, None]


def bell(x: Tensor, width: float | Tensor) -> Tensor:
    """A Gaussian of height 1 that falls to 1/e at `width`."""
    return torch.exp(-((x / width) ** 2))
