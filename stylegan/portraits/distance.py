"""Signed distances from points to skin, hair, cloth, headgear, bone and trimmings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylegan.portraits.hair import trim
from stylegan.portraits.head import ELLIPSOIDS, INDEX, NOSE, SKIN, Solid
from stylegan.portraits.headgear import crown_distance, hat_distance, helmet_distance
from stylegan.portraits.parts import Part
from stylegan.portraits.smooth import soft_min, soft_min_of_all
from stylegan.portraits.solids import box_distance, cone_distance, ellipsoid_distances, monomials, to_ellipsoids

MATERIALS = ("skin", "hair", "cloth", "hat", "bone", "trim")
# A distance to what is not there.
_FAR = 10.0

_Points = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Distances:
    """Signed distances (N, P) to each of `MATERIALS`; those that nobody has are left out."""

    of: dict[str, Tensor]

    def nearest(self) -> Tensor:
        """Distance (N, P) to whatever is nearest."""
        first, *others = self.of.values()
        for other in others:
            first = torch.minimum(first, other)
        return first


def evaluate(solid: Solid, x: Tensor, y: Tensor, z: Tensor, fine: bool = True) -> Distances:
    """Signed distances of the points (x, y, z), each (N, P), in head space.

    Without `fine`, bumps and curls are left out, which moves the surface by less than a tenth of the nose.
    """
    n = len(ELLIPSOIDS)
    m = monomials(x, y, z)
    q = torch.bmm(solid.rows if fine else solid.rows[:, : 2 * n], m)
    d = to_ellipsoids(q[:, :n], q[:, n : 2 * n])
    points = (x, y, z)
    skin = _creature_skin(solid, _skin(solid, d, q[:, 2 * n :] if fine else None), points, m)
    hair = soft_min(d[:, INDEX["cap"]], d[:, INDEX["curtain"]], 0.25)
    hair = _merge(solid.bun, hair, lambda v, p, m: ellipsoid_distances(v, m)[:, 0], points, m, 0.06)
    hair = _merge(
        solid.creature.block, hair, lambda v, p, m: box_distance(v.centre, v.half, 0.12, *p) - 0.05, points, m
    )
    hair = trim(solid.hairline, hair, x, y, z, m[:, 10], fine)
    out = {"skin": skin, "hair": hair, "cloth": d[:, INDEX["body"]]}
    _dress(solid, out, points, m)
    return Distances(out)


def _merge(
    part: Part[Any],
    whole: Tensor,
    distance: Callable[[Any, _Points, Tensor], Tensor],
    points: _Points,
    m: Tensor,
    rounding: float | None = None,
) -> Tensor:
    """The distances `whole` (N, P) or those to a part, whichever are smaller, rounded off over `rounding`."""
    if not part.worn:
        return whole
    x, y, z = points
    d = distance(part.values, (part.of(x), part.of(y), part.of(z)), part.of(m))
    old = part.of(whole)
    return part.put(whole, torch.minimum(old, d) if rounding is None else soft_min(old, d, rounding))


def _dress(solid: Solid, out: dict[str, Tensor], points: _Points, m: Tensor) -> None:
    """Add armour, headgear, horns, antennae and teeth to the distances `out`."""
    c = solid.creature
    out["cloth"] = _merge(c.shoulders, out["cloth"], lambda v, p, m: ellipsoid_distances(v, m).amin(1), points, m, 0.04)
    far = torch.full_like(points[0], _FAR)
    hats, helmets = solid.hats, solid.helmets
    if hats.worn:
        worn, hair = hat_distance(hats.values, *(hats.of(c) for c in (m, *points, out["hair"])))
        out["hair"], out["hat"] = hats.put(out["hair"], hair), hats.put(far, worn)
    if helmets.worn:
        worn, crest, hair = helmet_distance(helmets.values, *(helmets.of(c) for c in (m, *points, out["hair"])))
        out["hair"], out["hat"] = helmets.put(out["hair"], hair), helmets.put(out.get("hat", far), worn)
        out["trim"] = helmets.put(far, crest)
    for material, part, distance, rounding in (
        ("hat", solid.tip, lambda v, p, m: cone_distance(v, *p), 0.08),
        ("hat", solid.crown, lambda v, p, m: crown_distance(v, m, *p), None),
        ("bone", c.horns, lambda v, p, m: soft_min(cone_distance(v.lower, *p), cone_distance(v.upper, *p), 0.05), None),
        ("bone", c.teeth, lambda v, p, m: cone_distance(v, *p), None),
        ("bone", c.antennae, lambda v, p, m: cone_distance(v, *p), None),
        ("trim", c.balls, lambda v, p, m: ellipsoid_distances(v, m)[:, 0], None),
    ):
        if part.worn:
            out[material] = _merge(part, out.get(material, far), distance, points, m, rounding)


def skin(solid: Solid, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Signed distances (N, P) of the points to the skin alone, without ears that people do not have."""
    n, parts = len(ELLIPSOIDS), INDEX["beard"] + 1
    m = monomials(x, y, z)
    q = torch.bmm(solid.rows, m)
    d = to_ellipsoids(q[:, :parts], q[:, n : n + parts])
    return _front(solid, _skin(solid, d, q[:, 2 * n :]), (x, y, z), m)


def _skin(solid: Solid, d: Tensor, bumps: Tensor | None) -> Tensor:
    """Distances to human skin from those to its ellipsoids and the quadratic forms of its bumps, if they count."""
    out = soft_min_of_all(d[:, : len(SKIN)], 0.075)
    out = soft_min(out, soft_min_of_all(d[:, len(SKIN) : len(SKIN) + len(NOSE)], 0.03), 0.09)
    if bumps is not None:
        out = out - _bumps(solid, bumps)
    for name, rounding in (("lid", 0.08), ("ear", 0.06), ("beard", 0.14)):
        out = soft_min(out, d[:, INDEX[name]], rounding)
    return out


def _front(solid: Solid, skin: Tensor, points: _Points, m: Tensor) -> Tensor:
    """The skin with what changes a face: a block, a muzzle."""
    c = solid.creature
    out = _merge(c.block, skin, lambda v, p, m: box_distance(v.centre, v.half, 0.12, *p), points, m, 0.03)
    out = _merge(c.muzzle, out, lambda v, p, m: ellipsoid_distances(v, m)[:, 0], points, m, 0.16)
    return out


def _creature_skin(solid: Solid, skin: Tensor, points: _Points, m: Tensor) -> Tensor:
    c = solid.creature
    out = _front(solid, skin, points, m)
    out = _merge(c.ear_cones, out, lambda v, p, m: cone_distance(v, *p), points, m, 0.08)
    out = _merge(c.ear_discs, out, lambda v, p, m: ellipsoid_distances(v, m)[:, 0], points, m, 0.05)
    return out


def bone(solid: Solid, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Signed distances (N, P) of the points to skull, face, jaw and chin alone, which carry the contour of the face."""
    n, parts = len(ELLIPSOIDS), SKIN.index("neck")
    m = monomials(x, y, z)
    q = torch.bmm(solid.rows, m)
    d = to_ellipsoids(q[:, :parts], q[:, n : n + parts])
    return _front(solid, soft_min_of_all(d, 0.075) - _bumps(solid, q[:, 2 * n :]), (x, y, z), m)


def _bumps(solid: Solid, form: Tensor) -> Tensor:
    # exp below -30 makes denormal numbers, which cost a hundred times as much as others.
    return torch.bmm(solid.amplitude, form.clamp_(-30, 0).exp_())[:, 0]
