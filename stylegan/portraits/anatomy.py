"""Where eyes, nose, mouth and brows sit on a head, and the curves that outline them.

Geometry, paint and landmarks share these, so that they cannot disagree. Units are those of `stylegan.portraits.shape`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.smooth import centred, mix

# |x| where a brow begins, and how far outwards it goes.
BROW_START, BROW_LENGTH = 0.085, 0.385


@dataclass(frozen=True)
class Anatomy:
    """Places on one batch of heads that geometry, paint and landmarks share; each (N, 1)."""

    eye_x: Tensor
    eye_z: Tensor
    eye_half: Tensor
    lid_up: Tensor
    lid_low: Tensor
    tilt: Tensor
    nose_y: Tensor
    nose_w: Tensor
    tip_y: Tensor
    mouth_y: Tensor
    mouth_half: Tensor
    mouth_lift: Tensor
    lip_up: Tensor
    lip_low: Tensor
    gap: Tensor
    brow_y: Tensor
    chin_y: Tensor


def anatomy(p: Parameters) -> Anatomy:
    """Place eyes, nose, mouth and brows of the heads with parameters `p`."""
    child, old, happy, male = p["child"], p["old"], p["happy"], p["male"]
    size = 1 + 0.10 * centred(p["eye_size"]) + 0.13 * child
    opening = mix(0.62, 1.12, p["eye_open"]) * (1 - 0.2 * p["teeth"] * happy) * (1 - 0.12 * old) * (1 - 0.08 * male)
    lid = mix(0.85, 1.1, p["eye_lid"])
    nose_y = -0.34 - 0.032 * centred(p["nose_length"]) + 0.07 * child - 0.03 * old
    mouth_y = nose_y - 0.275 - 0.015 * male + 0.025 * child
    lips = (1 - 0.25 * old) * (1 - 0.1 * p["teeth"]) * (1 - 0.15 * male)
    return Anatomy(
        eye_x=0.270 + 0.018 * centred(p["eye_spacing"]) + 0 * child,
        eye_z=0.615 + 0 * child,
        eye_half=0.112 * size,
        lid_up=0.060 * size * opening * lid,
        lid_low=0.038 * size * (0.45 + 0.55 * opening) * (1 - 0.25 * happy * p["teeth"]),
        tilt=0.12 * centred(p["eye_tilt"]) + 0.05 * (1 - male) - 0.08 * old,
        nose_y=nose_y,
        nose_w=0.105 + 0.032 * centred(p["nose_width"]) + 0.012 * male - 0.018 * child + 0.012 * happy,
        tip_y=nose_y + 0.03 + 0.045 * centred(p["nose_tip"]) + 0.02 * child,
        mouth_y=mouth_y,
        mouth_half=0.220 + 0.028 * centred(p["mouth_width"]) + 0.06 * happy - 0.022 * child,
        mouth_lift=0.075 * happy - 0.035 * p["sad"],
        lip_up=(0.070 + 0.026 * centred(p["lip_upper"])) * lips,
        lip_low=(0.086 + 0.028 * centred(p["lip_lower"])) * lips,
        gap=p["open"] * (1 - 0.3 * child),
        brow_y=0.205 + 0.016 * centred(p["brow_height"]) + 0.032 * (p["brow_raise"] - 0.4) - 0.02 * male,
        chin_y=-1.03 - 0.055 * centred(p["chin_length"]) - 0.03 * male + 0.10 * child - 0.4 * p["open"],
    )


def lid_curves(a: Anatomy, ux: Tensor) -> tuple[Tensor, Tensor]:
    """Heights (N, P) of the upper and lower lid at the distance `ux` outwards from the eye's centre."""
    e = ux / a.eye_half
    arc = (1 - e * e).clamp(min=0)
    slope = a.tilt * ux
    return slope + a.lid_up * arc.clamp(min=1e-5) ** 0.7 * (1 - 0.12 * e), slope - a.lid_low * arc * (1 + 0.15 * e)


def mouth_curves(a: Anatomy, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Heights (N, P) of the lips at x: upper outer, upper inner, lower inner, lower outer edge."""
    m = x / a.mouth_half
    arc = (1 - m * m).clamp(min=0)
    line = a.mouth_y + a.mouth_lift * m * m
    # A mouth opens mostly downwards, with the jaw.
    above, below = 0.25 * a.gap * arc, 0.75 * a.gap * arc
    bow = 1 - 0.22 * torch.exp(-((m / 0.16) ** 2)) - 0.1 * m.abs()
    upper = line + above + a.lip_up * bow * 1.1 * arc.clamp(min=1e-5) ** 0.8
    lower = line - below - a.lip_low * arc
    return upper, line + above, line - below, lower


def brow_curve(p: Parameters, a: Anatomy, ax: Tensor) -> tuple[Tensor, Tensor]:
    """Height of the brow's centre line at |x| and the place along it (0 inner, 1 outer end)."""
    s = (ax - BROW_START) / BROW_LENGTH
    arch = 0.042 + 0.038 * p["brow_arch"]
    worry = 0.04 * (p["sad"] - 0.6 * (1 - p["brow_raise"]))
    return a.brow_y + arch * (1 - 3.2 * (s - 0.5) ** 2) - 0.09 * (s - 0.55).clamp(min=0) - 0.026 - worry * (s - 0.5), s
