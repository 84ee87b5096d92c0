"""What heads wear: hats of people, helmets, crowns, pointed and brimmed hats, caps, bandanas and hoods.

Each is a shell around the skull, cut off below a rim, with a window for the face where it reaches lower, and something
added: a brim, a peak, a crest, a knot, a cone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from stylegan.portraits.parts import Part, part
from stylegan.portraits.smooth import Parameters, centred, soft_min
from stylegan.portraits.solids import (
    Cone,
    Ellipsoid,
    box_distance,
    cone,
    ellipsoid,
    ellipsoid_distances,
    ellipsoids,
    rows_of,
    vector,
)

# What reaches below the ears and leaves a window for the face.
COVERING = ("open helmet", "crested helmet", "visored helmet", "hood")

_NONE = -9.0
# The box around a block head (`creature`) and its hair.
_BLOCK_CENTRE, _BLOCK_HALF = torch.tensor([[0.0, -0.02, -0.06]]), torch.tensor([[0.91, 1.09, 0.89]])


@dataclass(frozen=True)
class Headgear:
    """Shells and what is added to them, all but rows and windows (N, 1).

    Args:
        rows: (N, 4, 13) of their ellipsoids.
        block: (N, 1), 1 where the shell has to hold a block head.
        rim: the shell ends below the plane y = rim + slope * z.
        slope: of that plane.
        top: the shell ends above this height.
        lower: what is added ends below this one.
        window: (N, 3) middle height, half width and half height of the opening for the face.
        press: hair is cut off so far above the rim.
        crest: 1 where what is added has the colour of trimmings.
    """

    rows: Tensor
    block: Tensor
    rim: Tensor
    slope: Tensor
    top: Tensor
    lower: Tensor
    window: Tensor
    press: Tensor
    crest: Tensor


@dataclass(frozen=True)
class Crown:
    """A ring of points: `rows` (N, 2, 13) of its ellipsoid, where (N, 1) it begins, and how high its points are."""

    rows: Tensor
    base: Tensor
    height: Tensor


def headgear(p: Parameters, width: Tensor, height: Tensor, ball: Tensor) -> tuple[Part[Headgear], Part[Headgear]]:
    """Hats, and what also covers the sides of a head.

    `width` and `height` (N, 1) are the skull's, 1 on average; `ball` is how round it is.
    """
    o = p["age"]

    def v(*xyz: float | Tensor) -> Tensor:
        return vector(o, *xyz)

    size = p["headgear_size"]
    tall = 0.04 + 0.2 * p["hat_shape"]
    brim = 0.3 * (centred(p["hat_shape"]).abs() * 1.3 - 0.3).clamp(0, 1)
    front = (1 - p["hat_shape"] * 2).clamp(0, 1)
    # Centre and radii of the shell, those of what is added; rim, slope, top, lower, window, press, crest.
    people = (
        (v(0, 0.33, -0.12), v(0.79 * width, 0.86 * height + tall, 0.99)),
        (v(0, 0.46, -0.1 + 0.3 * front), v(0.77 * width + brim * (1 - 0.8 * front), 0.06, 0.97 + brim)),
        (0.44, 0.06, 9.0, _NONE, None, 0.06, 0.0),
    )
    # Round heads are wider where rims sit. Block heads are held by a box, and what is added reaches over it.
    wider, rim, block = width * (1 + 0.15 * ball), p["rim"], p["head_block"]
    box = 0.2 * block
    helmet = (v(0, 0.05, -0.1), v(0.91 * wider, 1.17 * height, 1.03))
    wide = 0.30 * size
    kinds = {
        "open helmet": lambda: (
            helmet,
            (v(0, 0.36, -0.1), v(0.93 * wider + box, 0.10, 1.06 + box)),
            (-0.85, 0.0, 9.0, _NONE, (0.56 + 0.12 * ball, -0.47 + rim, 0.78), 0.0, 0.0),
        ),
        "crested helmet": lambda: (
            helmet,
            (v(0, 0.34, -0.24), v(0.17, 1.20 + 0.30 * size, 1.16 + 0.15 * size)),
            (-0.85, 0.0, 9.0, 0.25, (0.54 + 0.12 * ball, -0.46 + rim, 0.76), 0.0, 1.0),
        ),
        "visored helmet": lambda: (
            helmet,
            (v(0, -0.38, 0.22), v(0.70, 0.78, 0.80)),
            (-0.95, 0.0, 9.0, _NONE, (0.58, -0.01, 0.17), 0.0, 0.0),
        ),
        "pointed hat": lambda: (
            (v(0, 0.42 + rim, -0.12), v(0.80 * wider, 0.60 - 0.5 * rim, 0.96)),
            (v(0, 0.48 + rim, -0.1), v(1.12 + wide + box, 0.055, 1.18 + wide + box)),
            (0.44 + rim, 0.06, 9.0, _NONE, None, 0.06, 0.0),
        ),
        "brimmed hat": lambda: (
            (v(0, 0.36, -0.12), v(0.80 * wider, 0.85 + 0.75 * size, 0.97)),
            (v(0, 0.47 + rim, -0.08), v(1.15 + wide + box, 0.055, 1.25 + wide + box)),
            (0.44 + rim, 0.06, 0.98 + 0.45 * size, _NONE, None, 0.06, 0.0),
        ),
        "cap": lambda: (
            (v(0, 0.34, -0.12), v(0.81 * wider, 0.90 * height + 0.1 * size, 1.0)),
            (v(0, 0.46 + rim, 0.78), v(0.56 * wider + box, 0.05, 0.42 + wide)),
            (0.42 + rim, 0.02, 9.0, _NONE, None, 0.06, 0.0),
        ),
        "bandana": lambda: (
            (v(0, 0.28, -0.12), v(0.77 * wider, 0.90 * height, 0.97)),
            (v(0.70 + box, 0.18, -0.50), v(0.13, 0.24, 0.13)),
            (0.36 + rim, 0.16, 9.0, _NONE, None, 0.05, 0.0),
        ),
        "hood": lambda: (
            (v(0, 0.00, -0.22), v(wider * (1.0 + 0.06 * ball), 1.32 * height, 1.06)),
            (v(0, 0.80 + 0.2 * size, -0.55), v(0.45, 0.45 + 0.2 * size, 0.55)),
            (-1.5, 0.0, 9.0, _NONE, (0.60 + 0.12 * ball, -0.36 + rim, 0.92), 0.0, 0.0),
        ),
    }

    @cache
    def made() -> Headgear:
        out = _form(o, block, people)
        for name, kind in kinds.items():
            is_kind = p[f"headgear: {name}"]
            if bool(is_kind.any()):
                out = _where(is_kind > 0, _form(o, block, kind()), out)
        return out

    covered = torch.cat([p[f"headgear: {name}"] for name in COVERING], 1).sum(1) > 0
    worn = (p["hat_on"] + p["geared"] - p["headgear: crown"])[:, 0] > 0
    return part(worn & ~covered, made), part(covered, made)


def _form(o: Tensor, block: Tensor, kind: tuple) -> Headgear:
    shell, other, (rim, slope, top, lower, window, press, crest) = kind
    x, y, z = window or (1.0, 0.0, 1.0)
    rim, slope, top, lower, press, crest = (
        torch.zeros_like(o) + value for value in (rim, slope, top, lower, press, crest)
    )
    rows = rows_of(*ellipsoids(Ellipsoid(*shell), Ellipsoid(*other)))
    return Headgear(rows, block, rim, slope, top, lower, vector(o, y, x, z), press, crest)


def _where(mask: Tensor, a: Headgear, b: Headgear) -> Headgear:
    def either(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(mask.view(-1, *[1] * (x.ndim - 1)), x, y)

    return Headgear(**{name: either(value, getattr(b, name)) for name, value in vars(a).items()})


def hat_tip(p: Parameters) -> Part[Cone]:
    """The cones of pointed hats."""
    o, size = p["age"], p["headgear_size"]
    tip = vector(o, 0.0, 1.55 + 0.65 * size, -0.30)
    foot = 0.60 + p["rim"].clamp(min=0) + 0.2 * p["head_block"]
    return part(p["headgear: pointed hat"] > 0, lambda: cone(vector(o, 0.0, foot, -0.12), tip, 0.80, 0.03))


def crown(p: Parameters, width: Tensor, thick: Tensor, ball: Tensor) -> Part[Crown]:
    """Crowns, wide enough for hair that is `thick` (N, 1) and for heads that are a `ball`."""
    o = p["age"]
    # A crown stands on top of a block, and sits higher on a ball.
    block = p["head_block"]
    wide = (0.74 + 0.10 * ball - 0.08 * block) * width + 0.6 * thick * (1 - block)
    deep = 0.90 - 0.24 * block + 0.5 * thick * (1 - block)
    base = 0.46 + p["rim"] + 0.04 * ball
    base = base + (0.9 - base) * block

    def ring() -> Crown:
        rows = ellipsoid(vector(o, 0, base + 0.16, -0.10), vector(o, wide, 3.0, deep))
        return Crown(rows, base, 0.18 + 0.22 * p["headgear_size"])

    return part(p["headgear: crown"] > 0, ring)


def hat_distance(worn: Headgear, m: Tensor, x: Tensor, y: Tensor, z: Tensor, hair: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (N, P) to hats, and to the hair below them.

    `hair` (N, P) are distances to the hair of heads that wear nothing, `m` (N, 13, P) the points' monomials.
    """
    shell, brim = ellipsoid_distances(worn.rows, m).unbind(1)
    shell = _around_blocks(worn, shell, x, y, z)
    rim = y - worn.slope * z
    shell = torch.maximum(shell, torch.maximum(worn.rim - rim, y - worn.top))
    # Above its rim a hat presses the hair down.
    return soft_min(shell, brim, 0.05), torch.maximum(hair, rim - worn.rim - worn.press)


def helmet_distance(
    worn: Headgear, m: Tensor, x: Tensor, y: Tensor, z: Tensor, hair: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Distances (N, P) to helmets and hoods, to their crests (10 without one), and to the hair that they hold."""
    shell, other = ellipsoid_distances(worn.rows, m).unbind(1)
    shell = _around_blocks(worn, shell, x, y, z)
    hair = torch.maximum(hair, torch.minimum(shell + 0.03, y + 0.9))
    shell = torch.maximum(shell, worn.rim - y)
    other = torch.maximum(other, worn.lower - y)
    middle, wide, high = worn.window.split(1, 1)
    across = ((x / wide) ** 2 + ((y - middle) / high) ** 2 + 1e-6).sqrt()
    window = torch.minimum((1 - across) * torch.minimum(wide, high), z - 0.1)
    both = torch.where(worn.crest > 0, shell, soft_min(shell, other, 0.05))
    return torch.maximum(both, window), torch.where(worn.crest > 0, other, 10.0), hair


def _around_blocks(worn: Headgear, shell: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The shells (N, P), on block heads a box that holds head and hair."""
    if not bool(worn.block.any()):
        return shell
    boxed = box_distance(_BLOCK_CENTRE.to(x), _BLOCK_HALF.to(x), 0.14, x, y, z)
    return torch.where(worn.block > 0, boxed, shell)


def crown_distance(worn: Crown, m: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Distances (N, P) to crowns, at points with the monomials m (N, 13, P)."""
    wall = ellipsoid_distances(worn.rows, m)[:, 0]
    ring = wall.abs() - 0.035
    points = (torch.atan2(x, z + 0.1) * (8 / 6.2832)) % 1.0
    top = worn.base + 0.20 + worn.height * (2 * points - 1).abs()
    return torch.maximum(ring, torch.maximum(worn.base - y, (y - top) * 0.6))
