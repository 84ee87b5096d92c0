"""Backgrounds: soft gradients with shapes out of focus, and the plain ones of characters."""

from __future__ import annotations

import torch
from torch import Tensor

from stylegan.portraits.colours import Colours
from stylegan.portraits.palette import cover, hue
from stylegan.portraits.smooth import Parameters


def background(p: Parameters, colours: Colours, side: int) -> Tensor:
    """What is behind the heads (N, 3, P), linear light."""
    s = (torch.arange(side, device=p["tone"].device) + 0.5) * (2 / side) - 1
    v, h = torch.meshgrid(s, s, indexing="ij")
    h, v = h.reshape(1, -1), v.reshape(1, -1)
    plain = p["ground_style: plain"] + p["ground_style: split"] + p["ground_style: gradient"]
    out = torch.empty(len(plain), 3, side * side, device=h.device)
    for rows, draw in ((plain[:, 0] == 0, _soft), (plain[:, 0] > 0, _plain)):
        chosen = rows.nonzero()[:, 0]
        if len(chosen):
            few = {name: p[name][chosen] for name in p if name.startswith(("background", "ground_style"))}
            out[chosen] = draw(few, colours.ground[chosen], colours.second[chosen], h, v)
    return out


def _soft(p: Parameters, ground: Tensor, second: Tensor, h: Tensor, v: Tensor) -> Tensor:
    """A soft gradient with shapes out of focus."""
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


def _plain(p: Parameters, ground: Tensor, second: Tensor, h: Tensor, v: Tensor) -> Tensor:
    """One colour, two that meet in a line, or one that turns into another; the line's side follows the shape."""
    turn = 6.2832 * p["background_shape"]
    across = h * turn.cos() + v * turn.sin()
    split = cover(across, 0.02) * p["ground_style: split"]
    smooth = (0.5 + 0.5 * across).clamp(0, 1) * p["ground_style: gradient"]
    return ground[..., None] + (second - ground)[..., None] * (split + smooth)[:, None]
