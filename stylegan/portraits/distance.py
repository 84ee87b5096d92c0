"""Signed distances from points to skin, hair, cloth and hat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.hair import trim
from stylegan.portraits.head import ELLIPSOIDS, INDEX, NOSE, SKIN, Shape
from stylegan.portraits.smooth import ROUNDING, soft_min, soft_min_of_all


@dataclass(frozen=True)
class Distances:
    """Signed distances (N, P) to each material."""

    skin: Tensor
    hair: Tensor
    cloth: Tensor
    hat: Tensor

    def nearest(self) -> Tensor:
        """Distance (N, P) to whatever is nearest."""
        return torch.minimum(torch.minimum(self.skin, self.hair), torch.minimum(self.cloth, self.hat))


def evaluate(shape: Shape, x: Tensor, y: Tensor, z: Tensor, fine: bool = True) -> Distances:
    """Signed distances of the points (x, y, z), each (N, P), in head space; without `fine`, bumps and curls are left
    out, which moves the surface by less than a tenth of the nose."""
    n = len(ELLIPSOIDS)
    m = _monomials(x, y, z)
    q = torch.bmm(shape.rows if fine else shape.rows[:, : 2 * n], m)
    d = _ellipsoids(q[:, :n], q[:, n : 2 * n])

    def part(name: str) -> Tensor:
        return d[:, INDEX[name]]

    skin = soft_min_of_all(d[:, : len(SKIN)], 0.075)
    skin = soft_min(skin, soft_min_of_all(d[:, len(SKIN) : len(SKIN) + len(NOSE)], 0.03), 0.09)
    if fine:
        skin = skin - _bumps(shape, q[:, 2 * n :])
    skin = soft_min(skin, part("lid"), 0.08)
    skin = soft_min(skin, part("ear"), 0.06)
    skin = soft_min(skin, part("beard"), 0.14)

    hair = soft_min(soft_min(part("cap"), part("curtain"), 0.25), part("bun"), 0.06)
    hair = trim(shape.hairline, hair, x, y, z, m[:, 10], fine)

    crown = torch.maximum(part("crown"), 0.44 - y + 0.06 * z)
    bare = (1 - shape.p["hat_on"]) * 10
    hat = soft_min(crown, part("brim"), 0.05) + bare
    # Above its rim a hat presses the hair down.
    hair = torch.maximum(hair, y - 0.06 * z - 0.5 - bare)
    return Distances(skin, hair, part("body"), hat)


def bone(shape: Shape, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Signed distances (N, P) of the points to skull, face, jaw and chin alone, which carry the contour of the face."""
    n, parts = len(ELLIPSOIDS), SKIN.index("neck")
    q = torch.bmm(shape.rows, _monomials(x, y, z))
    d = _ellipsoids(q[:, :parts], q[:, n : n + parts])
    return soft_min_of_all(d, 0.075) - _bumps(shape, q[:, 2 * n :])


def _monomials(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The ten monomials (N, 13, P) of a quadratic form, those in x also with |x|, for what stands on both sides."""
    xx = x * x
    ax = (xx + ROUNDING).sqrt()
    return torch.stack([xx, y * y, z * z, y * z, y, z, torch.ones_like(x), x, x * y, x * z, ax, ax * y, ax * z], 1)


def _ellipsoids(form: Tensor, squared: Tensor) -> Tensor:
    """The bound `k0 (k0 - 1) / k1` of the distance to an ellipsoid (Inigo Quilez, "ellipsoid - distance")."""
    k0, k1 = form.clamp_(min=1e-6).sqrt_(), squared.clamp_(min=1e-6).sqrt_()
    return ((k0 - 1) * k0).div_(k1)


def _bumps(shape: Shape, form: Tensor) -> Tensor:
    # exp below -30 makes denormal numbers, which cost a hundred times as much as others.
    return torch.bmm(shape.amplitude, form.clamp_(-30, 0).exp_())[:, 0]
