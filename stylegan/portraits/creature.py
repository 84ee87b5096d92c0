"""What people do not have: block heads, muzzles, other ears, horns, antennae, tusks and fangs, and armour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.features import Features
from stylegan.portraits.parts import Part, part
from stylegan.portraits.smooth import Parameters, mix
from stylegan.portraits.solids import Cone, Ellipsoid, cone, ellipsoid, ellipsoids, rows_of, vector


@dataclass(frozen=True)
class Box:
    """A box: `centre` and `half` sides (N, 3)."""

    centre: Tensor
    half: Tensor


@dataclass(frozen=True)
class Pair:
    """Two cones, the second going on from where the first ends."""

    lower: Cone
    upper: Cone


@dataclass(frozen=True)
class Creature:
    """Parts of a batch of heads that only characters have; tensors are rows of ellipsoids, (2E, 13) for each head."""

    block: Part[Box]
    muzzle: Part[Tensor]
    ear_cones: Part[Cone]
    ear_discs: Part[Tensor]
    horns: Part[Pair]
    antennae: Part[Cone]
    balls: Part[Tensor]
    teeth: Part[Cone]
    shoulders: Part[Tensor]


def creature(p: Parameters, a: Features, width: Tensor, turn: Tensor, to_head: Callable[[Tensor], Tensor]) -> Creature:
    """The parts of the heads with parameters `p`; `to_head` takes points (N, 3) of the body to the head's space, which
    `turn` (N, 3, 3) takes to the world."""
    o = p["age"]

    def v(*xyz: float | Tensor) -> Tensor:
        return vector(o, *xyz)

    size, horn = p["ear_size"], p["horn_size"]
    pointed, cat = p["ears: pointed"], p["ears: cat"]
    bear = p["ears: bear"]
    bull, ram = p["horns: bull"], p["horns: ram"]
    tusk, collar = p["teeth: tusks"], p["body: collar"]
    ball = v(0.42 + 0.2 * horn, 1.42 + 0.35 * horn, 0.15)
    frame = turn.transpose(1, 2)

    def ear_cones() -> Cone:
        root = v(mix(0.66 * width, 0.46 * width, cat), mix(-0.12, 0.78, cat), -0.14)
        tip = v(
            mix(0.95 * width + 0.5 * size, 0.58 * width + 0.12 * size, cat),
            mix(0.08 + 0.25 * size, 1.22 + 0.35 * size, cat),
            mix(-0.38, -0.18, cat),
        )
        return cone(root, tip, mix(0.15, 0.27, cat), 0.015, 2.0)

    def ear_discs() -> Tensor:
        return ellipsoid(
            v(mix(0.86 * width, 0.58 * width, bear), mix(0.02, 0.90, bear), -0.16),
            v(0.20 + 0.14 * size, 0.24 + 0.14 * size, 0.09),
            mirrored=True,
        )

    def horns() -> Pair:
        root = v(0.40 + 0.2 * bull + 0.08 * ram, 0.92 - 0.22 * bull - 0.05 * ram, 0.08 - 0.1 * ram)
        knee = root + v(
            0.08 + (0.22 + 0.20 * horn) * bull + (0.38 + 0.1 * horn) * ram,
            (0.18 + 0.25 * horn) * (1 - bull) * (1 - ram) - 0.05 * bull - 0.02 * ram,
            0.05 * (1 - ram) - 0.15 * ram,
        )
        tip = knee + v(
            0.02 + 0.08 * bull + 0.10 * ram,
            (0.14 + 0.25 * horn) * (1 - ram) + (0.1 + 0.2 * horn) * bull - (0.55 + 0.25 * horn) * ram,
            -0.05 + 0.45 * ram,
        )
        thick = 0.11 + 0.05 * horn + 0.03 * bull + 0.05 * ram
        return Pair(cone(root, knee, thick, 0.72 * thick), cone(knee, tip, 0.72 * thick, 0.012))

    def teeth() -> Cone:
        ahead = 0.34 * p["muzzle"]
        return cone(
            v(mix(0.10, 0.62 * a.mouth_half, tusk), a.mouth_y + mix(0.01, -0.06, tusk), 0.66 + ahead),
            v(
                mix(0.10, 0.78 * a.mouth_half, tusk),
                a.mouth_y + mix(-0.16 - 0.08 * horn, 0.16 + 0.20 * horn, tusk),
                mix(0.84, 0.90, tusk) + ahead,
            ),
            mix(0.045, 0.075, tusk),
            0.010,
        )

    def shoulders() -> Tensor:
        def around(*centre: float | Tensor) -> Tensor:
            return to_head(v(*centre))

        low = ellipsoids(
            *(
                Ellipsoid(around(side * (1.12 + 0.2 * p["male"]), -1.62, -0.4), v(0.46, 0.36, 0.5), False, frame)
                for side in (-1, 1)
            ),
            Ellipsoid(around(0, -1.50, -0.38), v(0.66, 0.22, 0.56), False, frame),
        )
        high = ellipsoids(
            *(Ellipsoid(around(side * 0.62, -1.05, -0.52), v(0.26, 0.62, 0.3), False, frame) for side in (-1, 1)),
            Ellipsoid(around(0, -1.25, -0.86), v(0.66, 0.62, 0.14), False, frame),
        )
        return torch.where(collar[..., None] > 0, rows_of(*high), rows_of(*low))

    return Creature(
        block=part(p["head_block"] > 0, lambda: Box(v(0, -0.02, -0.06), v(0.82, 1.0, 0.80))),
        muzzle=part(p["muzzle"] > 0, lambda: ellipsoid(v(0, a.nose_y - 0.13, 0.72), v(0.36, 0.28, 0.50))),
        ear_cones=part(pointed + cat > 0, ear_cones),
        ear_discs=part(p["ears: large"] + bear > 0, ear_discs),
        horns=part(p["horns: short"] + bull + ram > 0, horns),
        antennae=part(p["antennae"] > 0, lambda: cone(v(0.24, 0.95, 0.1), ball, 0.04, 0.028)),
        balls=part(p["antennae"] > 0, lambda: ellipsoid(ball, torch.full_like(ball, 0.10), mirrored=True)),
        teeth=part(tusk + p["teeth: fangs"] > 0, teeth),
        shoulders=part(p["body: armour"] + collar > 0, shoulders),
    )
