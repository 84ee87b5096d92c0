"""Solids as tensors: ellipsoids by their quadratic forms, cones and boxes, and the distances to them.

The ten monomials of a point, and three more with |x| for what stands on both sides, turn every ellipsoid into a row of
numbers, so that all of them at all points are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.smooth import ROUNDING, mix, soft_abs


def vector(like: Tensor, *xyz: float | Tensor) -> Tensor:
    """Vectors (N, 3) of numbers and columns (N, 1); N and the device are those of `like` (N, 1)."""
    return torch.cat([v if isinstance(v, torch.Tensor) else torch.full_like(like, v) for v in xyz], 1)


def forms(centre: Tensor, matrix: Tensor, mirrored: Sequence[bool]) -> Tensor:
    """Coefficients (E, N, 13) of (q-c)' A (q-c) over xx, yy, zz, yz, y, z, 1, x, xy, xz, |x|, |x|y, |x|z.

    Args:
        centre: c, (E, N, 3).
        matrix: A, (E, N, 3, 3).
        mirrored: for each of the E, whether |x| stands for x.
    """
    about = (matrix @ centre[..., None])[..., 0]
    linear = -2 * about
    out = matrix.new_zeros(*matrix.shape[:2], 13)
    out[..., :3] = matrix.diagonal(dim1=2, dim2=3)
    out[..., 3] = 2 * matrix[..., 1, 2]
    out[..., 4:6] = linear[..., 1:]
    out[..., 6] = (centre * about).sum(-1)
    with_x = torch.cat([linear[..., :1], 2 * matrix[..., 0, 1:]], -1)
    for k, which in ((7, False), (10, True)):
        rows = [row for row, twice in enumerate(mirrored) if twice == which]
        if rows:
            out[rows, :, k : k + 3] = with_x[rows]
        if rows and which:
            # |x| is rounded off; what that adds to x^2 has to go, or the form turns negative near its centre.
            out[rows, :, 6] += ROUNDING * matrix[rows, :, 0, 0]
    return out


@dataclass(frozen=True)
class Ellipsoid:
    """Ellipsoids of these centres and radii (N, 3), whose axes are the columns of `frame` (N, 3, 3), by default those
    of the head; mirrored ones stand on both sides."""

    centre: Tensor
    radii: Tensor
    mirrored: bool = False
    frame: Tensor | None = None


def ellipsoids(*every: Ellipsoid) -> Tensor:
    """The two forms (E, N, 2, 13) that the distance to each of E ellipsoids needs.

    One call for many costs little more than for one.
    """
    centre = torch.stack([one.centre for one in every])
    radii = torch.stack([one.radii for one in every])
    head = torch.eye(3, device=centre.device).expand(centre.shape[1], 3, 3)
    frame = torch.stack([head if one.frame is None else one.frame for one in every])
    mirrored = [one.mirrored for one in every]

    def of(power: int) -> Tensor:
        return forms(centre, (frame * (radii**power)[..., None, :]) @ frame.transpose(2, 3), mirrored)

    return torch.stack([of(-2), of(-4)], 2)


def ellipsoid(centre: Tensor, radii: Tensor, mirrored: bool = False, frame: Tensor | None = None) -> Tensor:
    """The two forms (N, 2, 13) of one `Ellipsoid`."""
    return ellipsoids(Ellipsoid(centre, radii, mirrored, frame))[0]


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
    """A cone with round ends on both sides of the head, each (N, 1).

    Args:
        x, y, z: where it begins.
        along_x, along_y, along_z: from there to its other end, z drawn out by `flat`.
        square: the square of the length of that.
        ra, rb: radii of the ends.
        flat: how many times thinner it is from front to back.
        slope: the distance to its side as a share of that to its axis at the same height.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    along_x: Tensor
    along_y: Tensor
    along_z: Tensor
    square: Tensor
    ra: Tensor
    rb: Tensor
    flat: Tensor
    slope: Tensor


def cone(a: Tensor, b: Tensor, ra: float | Tensor, rb: float | Tensor, flat: float = 1.0) -> Cone:
    """A `Cone` from points a (N, 3) to b, of numbers and columns (N, 1)."""
    one = torch.ones_like(a[:, :1])
    ra, rb, thin = one * ra, one * rb, one * flat
    axis = b - a
    axis = torch.cat([axis[:, :2], axis[:, 2:] * flat], 1)
    square = axis.square().sum(1, keepdim=True)
    # The side of a cone is nearer than the point of its axis at the same height says.
    slope = (1 + (ra - rb).square() / square).rsqrt() / thin
    (x, y, z), (along_x, along_y, along_z) = a.split(1, 1), axis.split(1, 1)
    return Cone(x, y, z, along_x, along_y, along_z, square, ra, rb, thin, slope)


def cone_distance(c: Cone, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A bound (N, P) of the distance to a cone (after Quilez, "round cone")."""
    px, py, pz = soft_abs(x) - c.x, y - c.y, (z - c.z) * c.flat
    along = ((px * c.along_x + py * c.along_y + pz * c.along_z) / c.square).clamp_(0, 1)
    dx, dy, dz = px - along * c.along_x, py - along * c.along_y, pz - along * c.along_z
    return ((dx * dx + dy * dy + dz * dz + 1e-9).sqrt_() - mix(c.ra, c.rb, along)) * c.slope


def box_distance(centre: Tensor, half: Tensor, rounding: float, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Distance (N, P) to boxes of centres and half sides (N, 3) with rounded edges (Quilez, "round box")."""
    qx = (x - centre[:, :1]).abs() - half[:, :1] + rounding
    qy = (y - centre[:, 1:2]).abs() - half[:, 1:2] + rounding
    qz = (z - centre[:, 2:]).abs() - half[:, 2:] + rounding
    outside = (qx.clamp(min=0) ** 2 + qy.clamp(min=0) ** 2 + qz.clamp(min=0) ** 2 + 1e-9).sqrt()
    return outside + torch.maximum(qx, torch.maximum(qy, qz)).clamp(max=0) - rounding
