"""Detail that appears with resolution: strands of hair, pores, fine lines. At 128 px none of it is left.

Every pattern is a sum of waves; each fades out before its wavelength falls below two pixels (Heidrich et al. 1998 and
others, "frequency clamping"), so that nothing flickers, and all of it fades between 512 and 200 px, where a picture has
to stay what networks were taught.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stylegan.portraits.smooth import ramp, waves

# Sizes of a pixel, in decimetres, where all detail is there, and where none of it is.
_ALL, _NONE = 0.005, 0.0125


def detail(pixel: Tensor) -> Tensor:
    """How much (N, 1) of all detail pixels of this size (N, 1) show."""
    return 1 - ramp(pixel, _ALL, _NONE)


def _shows(pixel: Tensor) -> bool:
    return bool((pixel < _NONE).any())


def seen(frequency: float, pixel: Tensor) -> Tensor:
    """How much (N, 1) of a wave of so many radians a decimetre pixels of this size (N, 1) show."""
    return detail(pixel) * torch.exp((frequency * pixel).square() * (-1 / 6))


def strands(x: Tensor, y: Tensor, z: Tensor, curl: Tensor, pixel: Tensor) -> Tensor:
    """Single strands (N, P), in about [-1, 1], that run down from the crown; curls bend them."""
    if not _shows(pixel):
        return torch.zeros_like(x)
    # Steeper bends would close strands to rings, as in the grain of wood.
    warp = curl * (0.035 * torch.sin(21 * y + 7 * x + 2 * torch.sin(6 * x)) + 0.025 * waves(1.3 * x, 1.3 * y, 1.3 * z))
    across = 0.85 * torch.atan2(x, z + 0.3) + 0.02 * torch.sin(5 * y + 4 * x) + warp
    down = y + 3 * warp
    out = torch.zeros_like(x)
    for k, bend, height in ((67.0, 1.4, 0.40), (139.0, 2.0, 0.40), (281.0, 2.2, 0.40), (557.0, 2.0, 0.35)):
        wave = torch.sin(k * across + bend * torch.sin(3.3 * down + 0.09 * k * across + k))
        out = out + seen(k, pixel) * height * wave
    return out


def bristles(x: Tensor, y: Tensor, slant: Tensor, pixel: Tensor) -> Tensor:
    """Single short hairs (N, P), in about [-1, 1], of brows and beards, that lean by `slant` (N, P)."""
    if not _shows(pixel):
        return torch.zeros_like(x)
    out = torch.zeros_like(x)
    for k, height in ((110.0, 0.5), (223.0, 0.5), (431.0, 0.4)):
        out = out + seen(k, pixel) * height * torch.sin(
            k * (x + slant * y) + 1.8 * torch.sin(13 * y + 0.11 * k * x + k)
        )
    return out


def pores(x: Tensor, y: Tensor, z: Tensor, pixel: Tensor) -> Tensor:
    """Pores and the fine net of lines between them (N, P): about -1 in a pore, somewhat above 0 around it."""
    if not _shows(pixel):
        return torch.zeros_like(x)
    fine = waves(21 * x, 21 * y, 21 * z) * seen(270.0, pixel)
    coarse = waves(9 * x + 1, 9 * y, 9 * z) * seen(120.0, pixel)
    return 0.25 * seen(270.0, pixel) - (fine - 0.25 * seen(270.0, pixel)).clamp(min=0) + 0.4 * coarse


def fibres(dx: Tensor, dy: Tensor, pixel: Tensor) -> Tensor:
    """The fibres of an iris (N, P), in about [-1, 1], around its middle at (0, 0)."""
    if not _shows(pixel):
        return torch.zeros_like(dx)
    angle = torch.atan2(dy, dx)
    return seen(400.0, pixel) * (0.6 * torch.sin(23 * angle + 1) + 0.4 * torch.sin(41 * angle + 30 * (dx + dy)))


def lip_lines(x: Tensor, y: Tensor, pixel: Tensor) -> Tensor:
    """The lines of lips (N, P), in about [-1, 1], from side to side."""
    if not _shows(pixel):
        return torch.zeros_like(x)
    return seen(190.0, pixel) * torch.sin(120 * x + 1.5 * torch.sin(37 * x) + 1.2 * torch.sin(9 * y))
