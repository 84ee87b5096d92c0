"""Glasses: a drawing in a plane before the eyes, with arms along the temples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.blocks import Blocks
from stylegan.portraits.head import Shape
from stylegan.portraits.palette import cover, hue
from stylegan.portraits.smooth import soft_abs


@dataclass(frozen=True)
class Glasses:
    """The glasses of the portraits `rows` (M,) of a batch: how much of each pixel is rim, `cover` (M, P), and how much
    is `lens` (M, P); the light `glare` (M, P) that the lenses mirror; the rims' colour `tint` (M, 3)."""

    rows: Tensor
    cover: Tensor
    lens: Tensor
    glare: Tensor
    tint: Tensor

    def at(self, place: Tensor) -> Glasses:
        """The glasses at the pixels `place` (N, W) of each portrait alone."""
        place = place[self.rows]
        cover, lens, glare = (part.gather(1, place) for part in (self.cover, self.lens, self.glare))
        return Glasses(self.rows, cover, lens, glare, self.tint)

    def over(self, colour: Tensor, few: Blocks | None = None) -> Tensor:
        """Lay the glasses over linear colours: (N, 3, P) of all pixels, or (B, 3, W) of the pixels of some blocks."""
        if not len(self.rows):
            return colour
        cover, lens, glare, tint, rows = self.cover, self.lens, self.glare, self.tint, self.rows
        if few is not None:
            worn = (few.owner[:, None] == rows).nonzero()
            rows, pair = worn.unbind(1)
            place = few.flat[rows] - few.owner[rows, None] * cover.shape[1]
            cover, lens, glare = (part[pair[:, None], place] for part in (cover, lens, glare))
            tint = tint[pair]
        under = colour[rows] * (1 - 0.03 * lens)[:, None] + glare[:, None]
        return colour.index_copy(0, rows, under + (tint[..., None] - under) * cover[:, None])

    def bare(self, like: Tensor) -> Tensor:
        """How much (N, P) of each pixel no rim covers; `like` (N, P) is any tensor of that shape."""
        return torch.ones_like(like).index_copy(0, self.rows, 1 - self.cover)


def glasses(shape: Shape, origin: Tensor, d: Tensor, t: Tensor, edge: Tensor) -> Glasses:
    """The glasses that the rays from origin (N, 3) along d (3, N, P) meet before their hits at the depths t (N, P);
    `edge` (N, 1) is how soft their outlines are."""
    rows = shape.p["glasses_on"][:, 0].nonzero()[:, 0]
    p = {name: shape.p[name][rows] for name in ("glasses_shape", "glasses_shade")}
    origin, d, t, edge = origin[rows], d[:, rows], t[rows], edge[rows]
    eye_x = shape.features.eye_x[rows]
    plane = 0.875
    s = (plane - origin[:, 2:]) / d[2]
    x, y = origin[:, :1] + d[0] * s, origin[:, 1:2] + d[1] * s
    ax = soft_abs(x)
    rx = 0.225 + 0.02 * (2 * p["glasses_shape"] - 1)
    ry = 0.175 - 0.035 * p["glasses_shape"]
    power = 2 + 3.5 * p["glasses_shape"]
    ex, ey = ((ax - eye_x - 0.01) / rx).abs(), ((y + 0.02) / ry).abs()
    r = (ex**power + ey**power + 1e-6) ** (1 / power)
    ring = (r - 1).abs() * 0.17
    width = 0.006 + 0.007 * p["glasses_shade"]
    line = torch.minimum(ring, ((y - 0.045 + 0.3 * ax * ax).abs() + 3 * (ax - eye_x + rx).clamp(min=0)))
    frame_alpha = cover(width - line, edge)
    lens = cover(1 - r, 0.08)
    # The arms run from the rims' outer ends back to the ears, in two planes that open towards the temples.
    hinge = eye_x + 0.01 + rx
    spread = (0.70 - hinge) / plane
    side = torch.sign(x)
    arm_s = (hinge + spread * plane - side * origin[:, :1] - spread * origin[:, 2:]) / (side * d[0] + spread * d[2])
    arm_y, arm_z = origin[:, 1:2] + d[1] * arm_s, origin[:, 2:] + d[2] * arm_s
    inside = (arm_s > 0) & (arm_s < t + 0.02)
    arm = cover(width * 0.9 - (arm_y - 0.03).abs(), edge) * cover(arm_z, 0.05) * cover(plane - arm_z, 0.02) * inside
    tint = hue(p["glasses_shade"] * 0.7 + 0.05, 0.35, 0.14 + 0.25 * p["glasses_shade"])
    glare = lens * cover((y - 0.5 * x) % 0.6 - 0.45, 0.1) * 0.045
    return Glasses(rows, torch.maximum(frame_alpha, arm) * 0.96, lens, glare, tint)
