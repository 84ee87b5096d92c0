"""Glasses: a drawing in a plane before the eyes, with arms along the temples."""

from __future__ import annotations

import torch
from torch import Tensor

from stylegan.portraits.head import Shape
from stylegan.portraits.palette import cover, hue
from stylegan.portraits.smooth import soft_abs


def glasses(shape: Shape, origin: Tensor, d: Tensor, t: Tensor, colour: Tensor, pixel: float) -> Tensor:
    """Lay glasses over the colour (N, 3, P) of rays that hit something at the depths t (N, P)."""
    p = shape.p
    if not bool(p["glasses_on"].any()):
        return colour
    a = shape.features
    plane = 0.875
    s = (plane - origin[:, 2:]) / d[:, 2]
    x, y = origin[:, :1] + d[:, 0] * s, origin[:, 1:2] + d[:, 1] * s
    ax = soft_abs(x)
    rx = 0.225 + 0.02 * (2 * p["glasses_shape"] - 1)
    ry = 0.175 - 0.035 * p["glasses_shape"]
    power = 2 + 3.5 * p["glasses_shape"]
    ex, ey = ((ax - a.eye_x - 0.01) / rx).abs(), ((y + 0.02) / ry).abs()
    r = (ex**power + ey**power + 1e-6) ** (1 / power)
    ring = (r - 1).abs() * 0.17
    edge = max(pixel, 0.012)
    width = 0.006 + 0.007 * p["glasses_shade"]
    line = torch.minimum(ring, ((y - 0.045 + 0.3 * ax * ax).abs() + 3 * (ax - a.eye_x + rx).clamp(min=0)))
    frame_alpha = cover(width - line, edge)
    lens = cover(1 - r, 0.08)
    # The arms run from the rims' outer ends back to the ears, in two planes that open towards the temples.
    hinge = a.eye_x + 0.01 + rx
    spread = (0.70 - hinge) / plane
    side = torch.sign(x)
    arm_s = (hinge + spread * plane - side * origin[:, :1] - spread * origin[:, 2:]) / (
        side * d[:, 0] + spread * d[:, 2]
    )
    arm_y, arm_z = origin[:, 1:2] + d[:, 1] * arm_s, origin[:, 2:] + d[:, 2] * arm_s
    inside = (arm_s > 0) & (arm_s < t + 0.02)
    arm = cover(width * 0.9 - (arm_y - 0.03).abs(), edge) * cover(arm_z, 0.05) * cover(plane - arm_z, 0.02) * inside
    tint = hue(p["glasses_shade"] * 0.7 + 0.05, 0.35, 0.14 + 0.25 * p["glasses_shade"])
    on = p["glasses_on"]
    glare = lens * cover((y - 0.5 * x) % 0.6 - 0.45, 0.1) * 0.045
    colour = colour * (1 - 0.03 * (lens * on))[:, None] + (glare * on)[:, None]
    alpha = torch.maximum(frame_alpha, arm) * on * 0.96
    return colour + (tint[..., None] - colour) * alpha[:, None]
