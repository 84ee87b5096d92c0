"""The head: ellipsoids for its parts and Gaussian bumps on its skin, both by quadratic forms (`solids`).

Units are decimetres, x to the viewer's right, y up, z towards the viewer, the eyes at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylegan.portraits import solids
from stylegan.portraits.colours import Colours, colours
from stylegan.portraits.creature import Creature, creature
from stylegan.portraits.features import Features, features
from stylegan.portraits.hair import Hairline, hairline
from stylegan.portraits.headgear import Crown, Headgear, crown, hat_tip, headgear
from stylegan.portraits.parts import Part, part
from stylegan.portraits.smooth import Parameters, centred, mix
from stylegan.portraits.solids import Cone

PIVOT = (0.0, -0.6, -0.25)

SKIN = ("cranium", "face", "jaw", "chin", "neck")

NOSE = ("bridge", "tip", "wing")

OTHER = ("lid", "ear", "beard", "body", "cap", "curtain")

ELLIPSOIDS = SKIN + NOSE + OTHER

INDEX = {name: i for i, name in enumerate(ELLIPSOIDS)}


@dataclass(frozen=True)
class Solid:
    """What distances are measured to, of a batch of heads: `rows` (N, 2E+B, 13) turn monomials into quadratic forms,
    `amplitude` (N, 1, B) weighs the bumps; the others are parts that only some of them have."""

    rows: Tensor
    amplitude: Tensor
    hairline: Hairline
    bun: Part[Tensor]
    hats: Part[Headgear]
    helmets: Part[Headgear]
    tip: Part[Cone]
    crown: Part[Crown]
    creature: Creature


@dataclass(frozen=True)
class Shape:
    """A batch of heads: their solids, features, rotations (N, 3, 3) to the world, colours, and parameters."""

    solid: Solid
    features: Features
    rotation: Tensor
    colours: Colours
    p: Parameters


def rotation(p: Parameters) -> Tensor:
    """Rotation (N, 3, 3) that takes head space to the world: roll after pitch after yaw."""
    yaw, pitch, roll = (p[name][:, 0] for name in ("yaw_rad", "pitch_rad", "roll_rad"))
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def stack(*entries: Tensor) -> Tensor:
        return torch.stack(entries, -1).reshape(-1, 3, 3)

    ry = stack(yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
    rx = stack(one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos())
    rz = stack(roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one)
    return rz @ rx @ ry


def _frame(axis: Tensor) -> Tensor:
    """A rotation (N, 3, 3) whose second column is `axis`."""
    b = torch.nn.functional.normalize(axis, dim=1)
    c = torch.zeros_like(b)
    c[:, 2] = 1
    c = torch.nn.functional.normalize(c - (c * b).sum(1, keepdim=True) * b, dim=1)
    return torch.stack([torch.linalg.cross(b, c), b, c], 2)


def build(p: Parameters) -> Shape:
    """Assemble the quadrics of the heads with parameters `p`."""
    a = features(p)
    o = p["age"]
    child, old, male, happy = p["child"], p["old"], p["male"], p["happy"]
    turn = rotation(p)
    pivot = torch.tensor(PIVOT, device=o.device)
    width = 1 + 0.05 * centred(p["head_width"]) + 0.04 * child + 0.15 * p["broad"]
    height = 1 + 0.035 * centred(p["head_height"]) + 0.1 * p["high"]
    jaw = 1 + 0.09 * centred(p["jaw_width"]) + 0.07 * male - 0.04 * child + 0.2 * p["broad"]
    full = centred(p["cheeks"]) + 0.9 * child - 0.3 * old
    thick = 0.025 + p["volume"] * (
        0.04 + 0.13 * (2.5 * p["length"]).clamp(0, 1) + 0.15 * p["curl"] * (p["length"] * 4).clamp(0, 1)
    )
    long = ((p["length"] - 0.1) / 0.9).clamp(0, 1)
    shapes: dict[str, solids.Ellipsoid] = {}

    def ellipsoid(name: str, *form: Any) -> None:
        shapes[name] = solids.Ellipsoid(*form)

    def v(*xyz: float | Tensor) -> Tensor:
        return solids.vector(o, *xyz)

    def to_head(point: Tensor) -> Tensor:
        return ((point - pivot)[:, None] @ turn)[:, 0] + pivot

    ball, bald, beard = p["round"], p["bald"], p["beard_full"]
    # A round head is one ball; jaw and chin withdraw into it. The skull of a block head stays inside the block.
    block = p["head_block"]
    ellipsoid(
        "cranium",
        v(0, mix(0.27, -0.04, ball), -0.13),
        v(
            mix(0.70 * width, 0.94 * width, ball),
            mix(0.84 * height, 1.02, ball) * (1 - 0.25 * block),
            0.89 - 0.15 * block,
        ),
    )
    ellipsoid("face", v(0, -0.33, 0.14), v(0.61 * width, 0.66, 0.585))
    lean = v(-0.38 * torch.ones_like(o), -0.50, 0.62)
    ellipsoid(
        "jaw",
        v(0.315 * jaw, -0.69 + 0.04 * child, 0.22),
        v(mix(0.155, 0.1, ball), mix(0.42, 0.2, ball), 0.22),
        True,
        _frame(lean),
    )
    ellipsoid(
        "chin", v(0, a.chin_y + 0.17 + 0.2 * ball, 0.54 - 0.2 * ball), v(0.20 * (jaw - 0.04 * (1 - male)), 0.17, 0.165)
    )
    neck = 0.40 + 0.05 * centred(p["neck_width"]) + 0.055 * male - 0.05 * child
    # A head that floats has its neck inside, and its body below the picture.
    floating = p["body: none"]
    neck = neck * (1 - 0.6 * floating)
    top = v(0, -0.3, -0.3)
    bottom = mix(to_head(v(0, -2.0, -0.42)), v(0, -0.5, -0.3), floating)
    ellipsoid("neck", (top + bottom) / 2, v(neck, 1.35 - 1.15 * floating, neck), False, _frame(top - bottom))
    tip_y = a.tip_y
    # A nose shrinks into the face and grows out of it.
    nose = p["nose"]
    small, large = (1 - nose).clamp(min=0), (nose - 1).clamp(min=0)
    tip_z = 0.845 + 0.02 * male - 0.05 * child - 0.42 * small + 0.10 * large
    grown = 1 - 0.4 * small + 0.55 * large
    lean = v(0, 0.07 - tip_y, 0.62 - tip_z)
    ellipsoid(
        "bridge",
        v(0, (0.07 + tip_y) / 2, (0.635 + tip_z) / 2),
        v(0.072 + 0.014 * centred(p["nose_width"]), 0.08 - tip_y / 2, 0.10) * (1 - 0.4 * small + 0.25 * large),
        False,
        _frame(lean),
    )
    ellipsoid("tip", v(0, tip_y, tip_z), v(0.082 + 0.012 * centred(p["nose_width"]), 0.075, 0.09) * grown)
    ellipsoid("wing", v(a.nose_w, a.nose_y - 0.01, 0.78 - 0.42 * small), v(0.06, 0.058, 0.085) * grown, True)
    ellipsoid("lid", v(a.eye_x, 0, a.eye_z), v(a.eye_half * 1.2, a.eye_half * 0.95, 0.100), True)
    lean = v(0.0, 1.0, -0.25)
    out = v(1.0, 0.0, -0.35)
    frame = torch.stack([torch.nn.functional.normalize(out, dim=1)] * 3, 2)
    b = torch.nn.functional.normalize(lean - (lean * frame[:, :, 0]).sum(1, keepdim=True) * frame[:, :, 0], dim=1)
    frame = torch.stack([frame[:, :, 0], b, torch.linalg.cross(frame[:, :, 0], b)], 2)
    # Under long hair the ears are pressed to the head, or they would show through it.
    other_ears = p["ears: large"] + p["ears: cat"] + p["ears: bear"] + p["ears: none"]
    ear_x = mix(0.725 * width, 0.9 * width, ball) - 0.13 * ((p["length"] - 0.15) / 0.3).clamp(0, 1) * (1 - bald)
    ear_x = ear_x - 0.3 * other_ears
    ellipsoid("ear", v(ear_x, -0.1, -0.12), v(0.053, 0.25 + 0.03 * old, 0.145), True, frame)
    long_beard = p["long_beard"]
    ellipsoid(
        "beard",
        v(0, a.chin_y + 0.2 - 0.06 * beard - 0.42 * long_beard, 0.45 + 0.05 * long_beard),
        v(0.12 + 0.27 * beard, 0.1 + 0.2 * beard + 0.5 * long_beard, 0.1 + 0.22 * beard),
    )
    body = v(0, -2.12 + 0.08 * (1 - male) - 3 * floating, -0.42)
    ellipsoid("body", to_head(body), v(1.45 + 0.3 * male - 0.35 * child, 0.66, 0.62), False, turn.transpose(1, 2))
    cap = v(
        mix(0.715 * width, 0.955 * width, ball) + 0.85 * thick,
        mix(0.84 * height, 1.03, ball) + 1.0 * thick,
        0.90 + 0.75 * thick,
    )
    # On a bald head hair stays inside the skull.
    hair = 1 - 0.6 * bald
    ellipsoid("cap", v(0, mix(0.28 + 0.1 * thick, -0.03, ball), -0.13), cap * hair)
    low = -0.35 - 1.9 * long
    ellipsoid(
        "curtain",
        v(0, (0.55 + low) / 2, -0.2),
        v(0.60 * width + 0.95 * thick + 0.18 * long + 0.2 * ball, (0.55 - low) / 2, 0.55 + 0.1 * long + 0.4 * thick)
        * (1 - 0.9 * bald),
    )
    ellipsoid(
        "bun", v(0, mix(0.7, 1.16, p["bun"]), -0.45 + 0.2 * p["hair_part"]), v(0.3, 0.27, 0.3) * (0.3 + 0.7 * p["bun"])
    )
    lip_y = a.mouth_y
    bumps: list[tuple[Tensor, Tensor, Tensor]] = []

    def bump(amount: float | Tensor, centre: Tensor, spread: Tensor) -> None:
        bumps.append((amount if isinstance(amount, torch.Tensor) else torch.full_like(o, amount), centre, spread))

    ridge = 0.016 + 0.014 * centred(p["brow_ridge"]) + 0.022 * male - 0.02 * child
    bump(ridge, v(0.25, 0.17, 0.74), v(0.19, 0.07, 0.2))
    bump(-0.070 + 0.02 * child, v(a.eye_x + 0.01, 0.01, 0.74), v(0.17, 0.105, 0.25))
    bump(-0.030, v(0.135, 0.02, 0.74), v(0.06, 0.11, 0.2))
    bump(0.03 + 0.02 * centred(p["cheekbones"]), v(0.45, -0.24, 0.5), v(0.17, 0.12, 0.3))
    bump(0.045 * full - 0.01, v(0.42, -0.62, 0.4), v(0.2, 0.2, 0.3))
    bump(0.045 * happy + 0.02 * child, v(0.36, -0.37, 0.66), v(0.13, 0.11, 0.2))
    bump(0.075, v(0, lip_y + 0.03, 0.72), v(0.25, 0.2, 0.3))
    bump(0.028, v(0, lip_y + a.gap / 4 + a.lip_up * 0.5, 0.8), v(a.mouth_half * 0.6, a.lip_up * 0.55 + 0.008, 0.3))
    bump(0.036, v(0, lip_y - a.gap * 0.75 - a.lip_low * 0.5, 0.8), v(a.mouth_half * 0.5, a.lip_low * 0.5 + 0.008, 0.3))
    bump(-0.018 - 0.02 * happy, v(a.mouth_half + 0.02, lip_y + a.mouth_lift, 0.7), v(0.045, 0.05, 0.2))
    bump(-0.03, v(0, lip_y - a.gap * 0.75 - a.lip_low - 0.075, 0.72), v(0.16, 0.045, 0.2))
    bump(-0.003, v(0, (a.nose_y - 0.08 + lip_y + a.lip_up) / 2, 0.8), v(0.028, 0.05, 0.2))
    bump(-0.03 - 0.02 * old, v(0.68, 0.22, 0.4), v(0.1, 0.18, 0.2))
    bump(-0.006 - 0.012 * old, v(0.36, -0.5, 0.6), v(0.06, 0.1, 0.2))
    bump(0.02 * old + 0.008, v(a.eye_x, -0.135, 0.72), v(0.11, 0.03, 0.2))
    bump(-0.02, v(0.79 * width, -0.08, -0.05), v(0.04, 0.11, 0.06))

    centre, spread = (torch.stack([bump[i] for bump in bumps]) for i in (1, 2))
    bump_forms = solids.forms(centre, torch.diag_embed(spread**-2) * -0.5, [True] * len(bumps))
    forms = dict(zip(shapes, solids.ellipsoids(*shapes.values()).unbind(0), strict=True))
    hats, helmets = headgear(p, width, height, ball)
    solid = Solid(
        rows=torch.cat([solids.rows_of(*(forms[name] for name in ELLIPSOIDS)), bump_forms.transpose(0, 1)], 1),
        amplitude=torch.cat([b[0] for b in bumps], 1)[:, None],
        hairline=hairline(p),
        bun=part(p["bun"] * (1 - p["bald"]) > 0, lambda: forms["bun"]),
        hats=hats,
        helmets=helmets,
        tip=hat_tip(p),
        crown=crown(p, width, thick, ball),
        creature=creature(p, a, width, turn, to_head),
    )
    return Shape(solid, a, turn, colours(p), p)
