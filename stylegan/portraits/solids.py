"""Solids as tensors: ellipsoids by their quadratic forms, cones and boxes, and the distances to them.

The ten monomials of a point, and three more with |x| for what stands on both sides, turn every ellipsoid into a row of
numbers, so that all of them at all points are one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.smooth import ROUNDING, mix, soft_abs


def vector(like: Tensor, *xyz: float | Tensor) -> Tensor:
    """Vectors (N, 3) of numbers and columns (N, 1); N and the device are those of `like` (N, 1)."""
    return torch.cat([torch.zeros_like(like) + v for v in xyz], 1)


def form(centre: Tensor, matrix: Tensor, mirrored: bool) -> Tensor:
    """Coefficients (N, 13) of (q-c)' A (q-c) over xx, yy, zz, yz, y, z, 1, x, xy, xz, |x|, |x|y, |x|z.

    With `mirrored` |x| stands for x.
    """
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


def ellipsoid(centre: Tensor, radii: Tensor, mirrored: bool = False, frame: Tensor | None = None) -> Tensor:
    """The two forms (N, 2, 13) that the distance to ellipsoids of these centres and radii (N, 3) needs.

    Their axes are the columns of `frame` (N, 3, 3), by default those of the head; mirrored ones stand on both sides.
    """

    def matrix(power: int) -> Tensor:
        m = torch.diag_embed(radii**power)
        return m if frame is None else frame @ m @ frame.transpose(1, 2)

    return torch.stack([form(centre, matrix(-2), mirrored), form(centre, matrix(-4), mirrored)], 1)


def rows_of(*ellipsoids: Tensor) -> Tensor:
    """Rows (N, 2E, 13) of several ellipsoids (N, 2, 13), as `ellipsoid_distances` takes them."""
    return torch.cat([e[:, :1] for e in ellipsoids] + [e[:, 1:] for e in ellipsoids], 1)


def monomials(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The ten monomials of a quadratic form and three with |x|, (N, 13, P), as `form` orders them."""
    xx = x * x
    ax = (xx + ROUNDING).sqrt()
    return torch.stack([xx, y * y, z * z, y * z, y, z, torch.ones_like(x), x, x * y, x * z, ax, ax * y, ax * z], 1)


def to_ellipsoids(forms: Tensor, squared: Tensor) -> Tensor:
    """The bound `k0 (k0 - 1) / k1` of the distance to an ellipsoid (Inigo Quilez, "ellipsoid - distance")."""
    k0, k1 = forms.clamp_(min=1e-6).sqrt_(), squared.clamp_(min=1e-6).sqrt_()
    return ((k0 - 1) * k0).div_(k1)


def ellipsoid_distances(rows: Tensor, m: Tensor) -> Tensor:
    """Distances (N, E, P) of points with monomials m (N, 13, P) to ellipsoids with rows (N, 2E, 13)."""
    forms, squared = torch.bmm(rows, m).chunk(2, 1)
    return to_ellipsoids(forms, squared)


@dataclass(frozen=True)
class Cone:
    """A cone with round ends on both sides of the head, from `a` (N, 3) of radius `ra` (N, 1) to `b` of radius `rb`;
    `flat` (N, 1) says how many times thinner it is from front to back."""

    a: Tensor
    b: Tensor
    ra: Tensor
    rb: Tensor
    flat: Tensor


def cone(a: Tensor, b: Tensor, ra: float | Tensor, rb: float | Tensor, flat: float | Tensor = 1.0) -> Cone:
    """A `Cone` of numbers and columns (N, 1)."""
    one = torch.ones_like(a[:, :1])
    return Cone(a, b, one * ra, one * rb, one * flat)


def cone_distance(c: Cone, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A bound (N, P) of the distance to a cone (after Quilez, "round cone")."""
    axis = c.b - c.a
    axis = torch.cat([axis[:, :2], axis[:, 2:] * c.flat], 1)
    length = axis.square().sum(1, keepdim=True).sqrt()
    px, py, pz = soft_abs(x) - c.a[:, :1], y - c.a[:, 1:2], (z - c.a[:, 2:]) * c.flat
    along = (px * axis[:, :1] + py * axis[:, 1:2] + pz * axis[:, 2:]) / length.square()
    along = along.clamp(0, 1)
    dx, dy, dz = px - along * axis[:, :1], py - along * axis[:, 1:2], pz - along * axis[:, 2:]
    # The side of a cone is nearer than the point of its axis at the same height says.
    slope = (1 + ((c.ra - c.rb) / length).square()).rsqrt() / c.flat
    return ((dx * dx + dy * dy + dz * dz + 1e-9).sqrt() - mix(c.ra, c.rb, along)) * slope


def box_distance(centre: Tensor, half: Tensor, rounding: float, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Distance (N, P) to boxes of centres and half sides (N, 3) with rounded edges (Quilez, "round box")."""
    qx = (x - centre[:, :1]).abs() - half[:, :1] + rounding
    qy = (y - centre[:, 1:2]).abs() - half[:, 1:2] + rounding
    qz = (z - centre[:, 2:]).abs() - half[:, 2:] + rounding
    outside = (qx.clamp(min=0) ** 2 + qy.clamp(min=0) ** 2 + qz.clamp(min=0) ** 2 + 1e-9).sqrt()
    return outside + torch.maximum(qx, torch.maximum(qy, qz)).clamp(max=0) - rounding
