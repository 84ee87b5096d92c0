"""Backgrounds: soft gradients with shapes out of focus."""

from __future__ import annotations

import torch
from torch import Tensor

from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.palette import hue


def background(p: Parameters, side: int) -> Tensor:
    """A soft gradient with out-of-focus shapes (N, 3, P), linear light."""
    s = (torch.arange(side, device=p["tone"].device) + 0.5) * (2 / side) - 1
    v, h = torch.meshgrid(s, s, indexing="ij")
    h, v = h.reshape(1, -1), v.reshape(1, -1)
    bs, bh = p["background_shape"], p["background_hue"]
    level = 0.18 + 0.7 * p["background_shade"]
    a = hue(bh, 0.5, level)
    b = hue(bh + 0.12 + 0.2 * bs, 0.45, level * 0.65)
    turn = 6.2832 * bs
    mix = (0.5 + 0.4 * (h * turn.cos() + v * turn.sin())).clamp(0, 1)
    out = a[..., None] + (b - a)[..., None] * mix[:, None]
    for k in range(4):
        cx = 0.9 * torch.cos(turn * (1 + 0.3 * k) + 1.7 * k)
        cy = 0.9 * torch.sin(turn * (1 - 0.2 * k) + 2.3 * k)
        r = ((h - cx) ** 2 + (v - cy) ** 2).sqrt()
        spot = torch.sigmoid((0.28 + 0.09 * k - r) * 14) * (0.10 + 0.4 * (0.5 + 0.5 * torch.sin(turn * 2 + k)))
        c = hue(bh + 0.17 * k, 0.5, (level * 1.25).clamp(max=1))
        out = out + (c[..., None] - out) * spot[:, None]
    return out
