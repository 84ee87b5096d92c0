"""Coordinates in which the points of a generator's own images are unit normal.

PULSE replaces a unit normal prior by its sphere. The gaussianised styles have unit variance feature by feature, but the
features depend on each other: of 256 of them in the generator of the box, 16 carry most of the variance (the square of
the covariance's trace over its squared norm). A walk on the sphere of all 256 leaves these directions at once. In the
coordinates of their principal components, scaled to unit variance, PULSE's argument holds again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Components with less than this part of the largest variance are left out: they hold rounding and nothing else.
_LEAST_VARIANCE = 1e-5


@dataclass(frozen=True)
class Whitening:
    """An affine map between points v (..., dim) of a latent space and coordinates u (..., k), k <= dim.

    Attributes:
        mean: (dim,), of the generator's points.
        out: (k, dim), a row for each component, as long as its standard deviation.
        back: (dim, k), the pseudo-inverse of `out`.
    """

    mean: Tensor
    out: Tensor
    back: Tensor

    @property
    def k(self) -> int:
        """The number of coordinates."""
        return self.out.shape[0]

    def encode(self, v: Tensor) -> Tensor:
        """The coordinates (..., k) nearest to the points v (..., dim)."""
        return (v - self.mean) @ self.back

    def decode(self, u: Tensor) -> Tensor:
        """The points (..., dim) of coordinates u (..., k)."""
        return u @ self.out + self.mean


def whitening_of(points: Tensor) -> Whitening:
    """The whitening of a sample of points (S, dim); principal components, K. Pearson 1901."""
    x = points.double()
    mean = x.mean(0)
    variance, axes = torch.linalg.eigh(torch.cov((x - mean).T).reshape(x.shape[1], x.shape[1]))
    kept = variance > _LEAST_VARIANCE * variance.max().clamp(min=torch.finfo(x.dtype).tiny)
    deviation, axes = variance[kept].sqrt(), axes[:, kept]
    parts = (mean, (axes * deviation).T, axes / deviation)
    return Whitening(*(part.to(points.dtype).contiguous() for part in parts))
