"""Geometry of the sphere, on vectors along the last axis.

Leading axes are independent spheres: a tensor (N, num_ws, d) is a point on N * num_ws spheres. The sphere through x has
the radius |x|, so nothing here asks for unit vectors. Tangent vectors and points have the same shape; angles are in
radians. Closed forms as in P.-A. Absil, R. Mahony, R. Sepulchre, Optimization Algorithms on Matrix Manifolds
(2008), Examples 3.5.1 and 5.4.1; the angle in the arctangent form of W. Kahan, How Futile are Mindless Assessments
of Roundoff in Floating-Point Computation? (2006), "Mangled Angles", which is accurate at 0 and at pi.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# PULSE adds this under its square roots, so that the gradient stays finite where a length is 0.
_FLOOR = 1e-9


def project(x: Tensor, radius: float | Tensor | None = None) -> Tensor:
    """Scales each vector of x (..., d) to `radius` (a number, or a tensor that broadcasts to (..., 1)); sqrt(d) by
    default.

    sqrt(d) is where unit-normal vectors of dimension d lie. A zero vector goes to the pole (radius, 0, ..., 0).
    """
    if radius is None:
        radius = math.sqrt(x.shape[-1])
    return _unit(x) * radius


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Geodesic distance on the unit sphere, that is the angle in [0, pi], between x and y (..., d) of any non-zero
    length: (...).

    Times the radius it is the distance on that sphere. The gradient at coincident and antipodal points, where none
    exists, is 0.
    """
    x, y = _unit(x), _unit(y)
    return 2 * torch.atan2(_length(x - y).squeeze(-1), _length(x + y).squeeze(-1))


def angle(x: Tensor, y: Tensor) -> Tensor:
    """PULSE's angle 2 atan2(|x - y|, |x + y|) between points x and y (..., d) of one sphere: (...), in [0, pi].

    For equal lengths this is `distance`, without the cost of scaling to unit length; for unequal ones it is larger.
    PULSE also applies it to styles, whose lengths differ (Menon et al., CVPR 2020, section 4, the angle in GEOCROSS).
    """
    apart = ((x - y).square().sum(-1) + _FLOOR).sqrt()
    together = ((x + y).square().sum(-1) + _FLOOR).sqrt()
    return 2 * torch.atan2(apart, together)


def norms(x: Tensor) -> Tensor:
    """The length of each vector of x (N, n, ...), which spans all axes from the third on: (N, n, 1, ...).

    A search's variables have this layout: styles (N, n, d) and noise maps (N, 1, h, w).
    """
    return (x.square().sum(tuple(range(2, x.ndim)), keepdim=True) + _FLOOR).sqrt()


@torch.no_grad()
def retract_(x: Tensor, lengths: Tensor) -> Tensor:
    """Scales each vector of x (N, n, ...), in place, to `lengths` as given by `norms`: back to its sphere.

    The retraction of P.-A. Absil et al. (2008), Example 4.1.1, and PULSE's projection (Menon et al., CVPR 2020,
    section 3, "Latent Space Exploration"). A vector of length 0 stays where it is.
    """
    return x.mul_(lengths / norms(x))


def exp(x: Tensor, tangent: Tensor) -> Tensor:
    """The point reached from x (..., d) by walking along the geodesic of `tangent` (..., d), whose length is the
    arc length.

    Only the part of `tangent` orthogonal to x counts. The result lies on the sphere of x.
    """
    radius = _length(x)
    tangent = _orthogonal(tangent, x)
    angle = _length(tangent) / _nonzero(radius)
    # torch.sinc(t) is sin(pi t) / (pi t): it is smooth through a tangent of no length, where sin(angle) / angle
    # would be 0 / 0.
    moved = torch.cos(angle) * x + torch.sinc(angle / math.pi) * tangent
    return _unit(moved) * radius


def log(x: Tensor, y: Tensor) -> Tensor:
    """The tangent at x (..., d) whose geodesic ends in the direction of y (..., d): `exp(x, log(x, y)) = y` for |x|
    = |y|.

    Its length is the arc |x| * distance(x, y). For y = -x, where every direction is as short, the one orthogonal to
    x nearest to the axis of the smallest coordinate of x is taken.
    """
    radius = _length(x)
    x, y = _unit(x), _unit(y)
    angle = distance(x, y).unsqueeze(-1)
    towards = _orthogonal(y - x, x)
    near = (x * y).sum(-1, keepdim=True) >= 0
    # `towards` is as long as the sine of the angle. Up to a right angle their ratio is smooth, also for coincident
    # points; beyond it only the direction of `towards` can be used, and at the antipode that is rounding.
    ratio = torch.sinc(torch.where(near, angle, torch.zeros_like(angle)) / math.pi)
    lost = ~near & (_length(towards) <= 4 * torch.finfo(x.dtype).eps)
    axis = torch.zeros_like(x).scatter_(-1, x.detach().abs().argmin(-1, keepdim=True), 1.0)
    far = torch.where(near, torch.ones_like(x), torch.where(lost, _orthogonal(axis, x), towards))
    return radius * torch.where(near, towards / ratio, angle * far / _length(far))


def slerp(x: Tensor, y: Tensor, t: float | Tensor) -> Tensor:
    """Spherical interpolation from x (t = 0) to y (t = 1), both (..., d); t is a number or broadcasts to (..., 1).

    Directions turn at constant speed along the shorter great circle (K. Shoemake, Animating Rotation with
    Quaternion Curves, SIGGRAPH 1985), and lengths go from |x| to |y| linearly. For antipodes the half circle of
    `log` is taken.
    """
    t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    turned = exp(_unit(x), t * log(_unit(x), _unit(y)))
    return turned * ((1 - t) * _length(x) + t * _length(y))


def sample(
    shape: Sequence[int],
    generator: torch.Generator | None = None,
    radius: float | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Points of `shape` (..., d) drawn uniformly from the sphere of `radius` (sqrt(d) by default) with `generator`.

    A normal vector has no preferred direction (M. E. Muller, Comm. ACM 2(4), 1959).
    """
    return project(torch.randn(*shape, generator=generator, dtype=dtype, device=device), radius)


def _length(x: Tensor) -> Tensor:
    # Divided by the largest coordinate first, so that the squares of tiny and huge vectors do not under- or overflow.
    scale = _nonzero(x.detach().abs().amax(-1, keepdim=True))
    square = (x / scale).square().sum(-1, keepdim=True)
    # The gradient of sqrt at 0 is infinite; a vector of no length gets the subgradient 0 instead.
    zero = square == 0
    return torch.where(zero, square, torch.where(zero, torch.ones_like(square), square).sqrt()) * scale


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x == 0, torch.ones_like(x), x)


def _unit(x: Tensor) -> Tensor:
    length = _length(x)
    pole = torch.zeros_like(x)
    pole[..., 0] = 1
    return torch.where(length == 0, pole, x / _nonzero(length))


def _orthogonal(tangent: Tensor, x: Tensor) -> Tensor:
    # Twice: the second pass removes the part of x that rounding left in the first.
    unit = _unit(x)
    for _ in range(2):
        tangent = tangent - (tangent * unit).sum(-1, keepdim=True) * unit
    return tangent
