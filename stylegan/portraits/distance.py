"""Signed distances from points to skin, hair, cloth and hat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.hair import trim
from stylegan.portraits.head import ELLIPSOIDS, INDEX, NOSE, SKIN, Solid
from stylegan.portraits.parts import Part
from stylegan.portraits.smooth import ROUNDING, soft_min, soft_min_of_all


@dataclass(frozen=True)
class Distances:
    """Signed distances (N, P) to each material; `hat` is None where nobody wears one."""

    skin: Tensor
    hair: Tensor
    cloth: Tensor
    hat: Tensor | None

    def nearest(self) -> Tensor:
        """Distance (N, P) to whatever is nearest."""
        out = torch.minimum(torch.minimum(self.skin, self.hair), self.cloth)
        return out if self.hat is None else torch.minimum(out, self.hat)


def evaluate(solid: Solid, x: Tensor, y: Tensor, z: Tensor, fine: bool = True) -> Distances:
    """Signed distances of the points (x, y, z), each (N, P), in head space.

    Without `fine`, bumps and curls are left out, which moves the surface by less than a tenth of the nose.
    """
    n = len(ELLIPSOIDS)
    m = _monomials(x, y, z)
    q = torch.bmm(solid.rows if fine else solid.rows[:, : 2 * n], m)
    d = _ellipsoids(q[:, :n], q[:, n : 2 * n])

    def part(name: str) -> Tensor:
        return d[:, INDEX[name]]

    hair = soft_min(part("cap"), part("curtain"), 0.25)
    if len(solid.bun.rows):
        bun = _distances(solid.bun, m)[:, 0]
        hair = solid.bun.put(hair, soft_min(solid.bun.of(hair), bun, 0.06))
    hair = trim(solid.hairline, hair, x, y, z, m[:, 10], fine)
    hat = None
    if len(solid.hat.rows):
        crown, brim = _distances(solid.hat, m).unbind(1)
        rim = solid.hat.of(y) - 0.06 * solid.hat.of(z)
        crown = torch.maximum(crown, 0.44 - rim)
        hat = solid.hat.put(torch.full_like(x, 10.0), soft_min(crown, brim, 0.05))
        # Above its rim a hat presses the hair down.
        hair = solid.hat.put(hair, torch.maximum(solid.hat.of(hair), rim - 0.5))
    return Distances(_skin(solid, d, q[:, 2 * n :] if fine else None), hair, part("body"), hat)


def skin(solid: Solid, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Signed distances (N, P) of the points to the skin alone."""
    n, parts = len(ELLIPSOIDS), INDEX["beard"] + 1
    q = torch.bmm(solid.rows, _monomials(x, y, z))
    return _skin(solid, _ellipsoids(q[:, :parts], q[:, n : n + parts]), q[:, 2 * n :])


def _skin(solid: Solid, d: Tensor, bumps: Tensor | None) -> Tensor:
    """Distances to the skin from those to its ellipsoids and the quadratic forms of its bumps, if they count."""
    out = soft_min_of_all(d[:, : len(SKIN)], 0.075)
    out = soft_min(out, soft_min_of_all(d[:, len(SKIN) : len(SKIN) + len(NOSE)], 0.03), 0.09)
    if bumps is not None:
        out = out - _bumps(solid, bumps)
    for name, rounding in (("lid", 0.08), ("ear", 0.06), ("beard", 0.14)):
        out = soft_min(out, d[:, INDEX[name]], rounding)
    return out


def bone(solid: Solid, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Signed distances (N, P) of the points to skull, face, jaw and chin alone, which carry the contour of the face."""
    n, parts = len(ELLIPSOIDS), SKIN.index("neck")
    q = torch.bmm(solid.rows, _monomials(x, y, z))
    d = _ellipsoids(q[:, :parts], q[:, n : n + parts])
    return soft_min_of_all(d, 0.075) - _bumps(solid, q[:, 2 * n :])


def _monomials(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The ten monomials (N, 13, P) of a quadratic form, those in x also with |x|, for what stands on both sides."""
    xx = x * x
    ax = (xx + ROUNDING).sqrt()
    return torch.stack([xx, y * y, z * z, y * z, y, z, torch.ones_like(x), x, x * y, x * z, ax, ax * y, ax * z], 1)


def _distances(part: Part[Tensor], m: Tensor) -> Tensor:
    """Distances (M, E, P) to the ellipsoids of a part, of points with the monomials m (N, 13, P)."""
    q = torch.bmm(part.values, m if len(part.rows) == len(m) else m[part.rows])
    return _ellipsoids(*q.chunk(2, 1))


def _ellipsoids(form: Tensor, squared: Tensor) -> Tensor:
    """The bound `k0 (k0 - 1) / k1` of the distance to an ellipsoid (Inigo Quilez, "ellipsoid - distance")."""
    k0, k1 = form.clamp_(min=1e-6).sqrt_(), squared.clamp_(min=1e-6).sqrt_()
    return ((k0 - 1) * k0).div_(k1)


def _bumps(solid: Solid, form: Tensor) -> Tensor:
    # exp below -30 makes denormal numbers, which cost a hundred times as much as others.
    return torch.bmm(solid.amplitude, form.clamp_(-30, 0).exp_())[:, 0]
