"""The head as quadrics, so that all parts of all points are one matrix product.

A part is an ellipsoid or a Gaussian bump; both are functions of a quadratic form in the point, that is, linear in its
ten monomials. Units are decimetres, x to the viewer's right, y up, z towards the viewer, the eyes at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.features import Features, features
from stylegan.portraits.hair import Hairline, hairline
from stylegan.portraits.parts import Part, part
from stylegan.portraits.smooth import ROUNDING, centred, mix

PIVOT = (0.0, -0.6, -0.25)

SKIN = ("cranium", "face", "jaw", "chin", "neck")

NOSE = ("bridge", "tip", "wing")

OTHER = ("lid", "ear", "beard", "body", "cap", "curtain")

# Ellipsoids that only some heads have.
BUN, HAT = ("bun",), ("crown", "brim")

ELLIPSOIDS = SKIN + NOSE + OTHER

INDEX = {name: i for i, name in enumerate(ELLIPSOIDS)}


@dataclass(frozen=True)
class Solid:
    """What distances are measured to, of a batch of heads: `rows` (N, 2E+B, 13) turn monomials into quadratic forms,
    `amplitude` (N, 1, B) weighs the bumps; `bun` (2, 13) and `hat` (4, 13) are such rows of those who have one."""

    rows: Tensor
    amplitude: Tensor
    hairline: Hairline
    bun: Part[Tensor]
    hat: Part[Tensor]


@dataclass(frozen=True)
class Shape:
    """A batch of heads: their solids, features, rotations (N, 3, 3) to the world, and parameters."""

    solid: Solid
    features: Features
    rotation: Tensor
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


def _vector(like: Tensor, *xyz: float | Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(like) + v for v in xyz], 1)


def _form(centre: Tensor, matrix: Tensor, mirrored: bool) -> Tensor:
    """Coefficients (N, 13) of (q-c)' A (q-c) over xx, yy, zz, yz, y, z, 1, x, xy, xz, |x|, |x|y, |x|z; with `mirrored`
    |x| stands for x."""
    linear = -2 * (matrix @ centre[..., None])[..., 0]
    constant = (centre[:, None] @ matrix @ centre[..., None])[:, 0]
    out = matrix.new_zeros(len(matrix), 13)
    for i in range(3):
        out[:, i] = matrix[:, i, i]
    out[:, 3] = 2 * matrix[:, 1, 2]
    out[:, 4:6] = linear[:, 1:]
    out[:, 6:7] = constant
    k = 10 if mirrored else 7
    if mirrored:
        # |x| is rounded off; what that adds to x^2 has to go, or the form turns negative near its centre.
        out[:, 6] += ROUNDING * matrix[:, 0, 0]
    out[:, k] = linear[:, 0]
    out[:, k + 1] = 2 * matrix[:, 0, 1]
    out[:, k + 2] = 2 * matrix[:, 0, 2]
    return out


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
    width = 1 + 0.05 * centred(p["head_width"]) + 0.04 * child
    height = 1 + 0.035 * centred(p["head_height"])
    jaw = 1 + 0.09 * centred(p["jaw_width"]) + 0.07 * male - 0.04 * child
    full = centred(p["cheeks"]) + 0.9 * child - 0.3 * old
    thick = 0.025 + p["volume"] * (
        0.04 + 0.13 * (2.5 * p["length"]).clamp(0, 1) + 0.15 * p["curl"] * (p["length"] * 4).clamp(0, 1)
    )
    long = ((p["length"] - 0.1) / 0.9).clamp(0, 1)
    forms: dict[str, tuple[Tensor, Tensor]] = {}

    def ellipsoid(
        name: str, centre: Tensor, radii: Tensor, mirrored: bool = False, frame: Tensor | None = None
    ) -> None:
        def matrix(power: int) -> Tensor:
            m = torch.diag_embed(radii**power)
            return m if frame is None else frame @ m @ frame.transpose(1, 2)

        forms[name] = (_form(centre, matrix(-2), mirrored), _form(centre, matrix(-4), mirrored))

    def v(*xyz: float | Tensor) -> Tensor:
        return _vector(o, *xyz)

    def to_head(point: Tensor) -> Tensor:
        return ((point - pivot)[:, None] @ turn)[:, 0] + pivot

    ellipsoid("cranium", v(0, 0.27, -0.13), v(0.70 * width, 0.84 * height, 0.89))
    ellipsoid("face", v(0, -0.33, 0.14), v(0.61 * width, 0.66, 0.585))
    lean = v(-0.38 * torch.ones_like(o), -0.50, 0.62)
    ellipsoid("jaw", v(0.315 * jaw, -0.69 + 0.04 * child, 0.22), v(0.155, 0.42, 0.22), True, _frame(lean))
    ellipsoid("chin", v(0, a.chin_y + 0.17, 0.54), v(0.20 * (jaw - 0.04 * (1 - male)), 0.17, 0.165))
    neck = 0.40 + 0.05 * centred(p["neck_width"]) + 0.055 * male - 0.05 * child
    top, bottom = v(0, -0.3, -0.3), to_head(v(0, -2.0, -0.42))
    ellipsoid("neck", (top + bottom) / 2, v(neck, 1.35, neck), False, _frame(top - bottom))
    tip_y = a.tip_y
    tip_z = 0.845 + 0.02 * male - 0.05 * child
    lean = v(0, 0.07 - tip_y, 0.62 - tip_z)
    ellipsoid(
        "bridge",
        v(0, (0.07 + tip_y) / 2, (0.635 + tip_z) / 2),
        v(0.072 + 0.014 * centred(p["nose_width"]), 0.08 - tip_y / 2, 0.10),
        False,
        _frame(lean),
    )
    ellipsoid("tip", v(0, tip_y, tip_z), v(0.082 + 0.012 * centred(p["nose_width"]), 0.075, 0.09))
    ellipsoid("wing", v(a.nose_w, a.nose_y - 0.01, 0.78), v(0.06, 0.058, 0.085), True)
    ellipsoid("lid", v(a.eye_x, 0, a.eye_z), v(a.eye_half * 1.2, a.eye_half * 0.95, 0.100), True)
    lean = v(0.0, 1.0, -0.25)
    out = v(1.0, 0.0, -0.35)
    frame = torch.stack([torch.nn.functional.normalize(out, dim=1)] * 3, 2)
    b = torch.nn.functional.normalize(lean - (lean * frame[:, :, 0]).sum(1, keepdim=True) * frame[:, :, 0], dim=1)
    frame = torch.stack([frame[:, :, 0], b, torch.linalg.cross(frame[:, :, 0], b)], 2)
    # Under long hair the ears are pressed to the head, or they would show through it.
    ear_x = 0.725 * width - 0.13 * ((p["length"] - 0.15) / 0.3).clamp(0, 1)
    ellipsoid("ear", v(ear_x, -0.1, -0.12), v(0.053, 0.25 + 0.03 * old, 0.145), True, frame)
    beard = p["beard_full"]
    ellipsoid(
        "beard",
        v(0, a.chin_y + 0.2 - 0.06 * beard, 0.45),
        v(0.12 + 0.27 * beard, 0.1 + 0.2 * beard, 0.1 + 0.22 * beard),
    )
    body = v(0, -2.12 + 0.08 * (1 - male), -0.42)
    ellipsoid("body", to_head(body), v(1.45 + 0.3 * male - 0.35 * child, 0.66, 0.62), False, turn.transpose(1, 2))
    cap = v(0.715 * width + 0.85 * thick, 0.84 * height + 1.0 * thick, 0.90 + 0.75 * thick)
    ellipsoid("cap", v(0, 0.28 + 0.1 * thick, -0.13), cap)
    low = -0.35 - 1.9 * long
    ellipsoid(
        "curtain",
        v(0, (0.55 + low) / 2, -0.2),
        v(0.60 * width + 0.95 * thick + 0.18 * long, (0.55 - low) / 2, 0.55 + 0.1 * long + 0.4 * thick),
    )
    ellipsoid(
        "bun", v(0, mix(0.7, 1.16, p["bun"]), -0.45 + 0.2 * p["hair_part"]), v(0.3, 0.27, 0.3) * (0.3 + 0.7 * p["bun"])
    )
    tall = 0.04 + 0.2 * p["hat_shape"]
    ellipsoid("crown", v(0, 0.33, -0.12), v(0.79 * width, 0.86 * height + tall, 0.99))
    brim = 0.3 * (centred(p["hat_shape"]).abs() * 1.3 - 0.3).clamp(0, 1)
    front = (1 - p["hat_shape"] * 2).clamp(0, 1)
    ellipsoid("brim", v(0, 0.46, -0.1 + 0.3 * front), v(0.77 * width + brim * (1 - 0.8 * front), 0.06, 0.97 + brim))

    lip_y = a.mouth_y
    bumps: list[tuple[Tensor, Tensor, Tensor]] = []

    def bump(amount: float | Tensor, centre: Tensor, spread: Tensor) -> None:
        bumps.append((torch.zeros_like(o) + amount, centre, spread))

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

    def rows(names: tuple[str, ...]) -> list[Tensor]:
        return [forms[name][power] for power in (0, 1) for name in names]

    solid = Solid(
        torch.stack(rows(ELLIPSOIDS) + [_form(c, torch.diag_embed(s**-2) * -0.5, True) for _, c, s in bumps], 1),
        torch.cat([b[0] for b in bumps], 1)[:, None],
        hairline(p),
        part(p["bun"] > 0, torch.stack(rows(BUN), 1)),
        part(p["hat_on"] > 0, torch.stack(rows(HAT), 1)),
    )
    return Shape(solid, a, turn, p)
